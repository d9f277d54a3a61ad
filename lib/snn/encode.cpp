#include <stoat/snn/encode.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <stoat/error.hpp>
#include <stoat/random/philox.hpp>

namespace stoat::snn::encode {
namespace {

void check_grid(const std::string& encoder, double dt, int steps) {
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument(encoder + ": " + outside("dt", dt, "(0, infinity)"));
  if (steps < 1) throw InvalidArgument(encoder + ": " + outside("steps", steps, "[1, infinity)"));
}

/// The step of a raster from its rows, or of a vector that stands for all steps.
std::string place(Eigen::Index step, Eigen::Index unit, bool constant) {
  return constant ? "unit " + std::to_string(unit) : "step " + std::to_string(step) + ", unit " + std::to_string(unit);
}

/// Rates of `steps` steps, or of one that all of them share.
std::vector<Spike> bernoulli(const std::string& name, const Eigen::Ref<const Eigen::MatrixXd>& rates, double dt, int steps,
                             std::uint64_t seed, std::uint64_t sample) {
  check_grid(name, dt, steps);
  const bool constant = rates.rows() == 1;
  for (Eigen::Index step = 0; step < rates.rows(); ++step) {
    for (Eigen::Index unit = 0; unit < rates.cols(); ++unit) {
      const auto fail = [&](const std::string& what) {
        throw InvalidArgument(name + ": " + place(step, unit, constant) + ": " + what);
      };
      const double rate = rates(step, unit);
      if (!(rate >= 0)) fail(outside("rate", rate, "[0, infinity)"));
      if (rate * dt > 1) fail(outside("rate dt", rate * dt, "[0, 1]"));
    }
  }
  // Far from the sites that shuffles of data use under the same seed.
  constexpr std::uint64_t first_site = std::uint64_t{1} << 40;
  const RunKey key{seed, sample, Purpose::data};
  const Eigen::Index units = rates.cols();
  std::vector<double> u(static_cast<std::size_t>(units));
  std::vector<Spike> spikes;
  for (int step = 0; step < steps; ++step) {
    uniforms(key, first_site + static_cast<std::uint64_t>(step) * static_cast<std::uint64_t>(units), u);
    for (Eigen::Index unit = 0; unit < units; ++unit) {
      if (u[static_cast<std::size_t>(unit)] < rates(constant ? 0 : step, unit) * dt)
        spikes.push_back({step, static_cast<int>(unit)});
    }
  }
  return spikes;
}

/// Currents of `steps` steps, or of one that all of them share.
std::vector<Spike> integrate(const Eigen::Ref<const Eigen::MatrixXd>& currents, double dt, int steps, const Membrane& membrane) {
  check_grid("current", dt, steps);
  const auto [tau, threshold] = membrane;
  if (!(tau > 0 && std::isfinite(tau))) throw InvalidArgument("current: " + outside("tau_mem", tau, "(0, infinity)"));
  if (!(threshold > 0 && std::isfinite(threshold)))
    throw InvalidArgument("current: " + outside("threshold", threshold, "(0, infinity)"));
  const bool constant = currents.rows() == 1;
  for (Eigen::Index step = 0; step < currents.rows(); ++step) {
    for (Eigen::Index unit = 0; unit < currents.cols(); ++unit) {
      if (!std::isfinite(currents(step, unit)))
        throw InvalidArgument("current: " + place(step, unit, constant) + ": " +
                              outside("current", currents(step, unit), "(-infinity, infinity)"));
    }
  }
  constexpr double never = std::numeric_limits<double>::infinity();
  Eigen::VectorXd potential = Eigen::VectorXd::Zero(currents.cols());
  std::vector<Spike> spikes;
  for (int step = 0; step < steps; ++step) {
    for (Eigen::Index unit = 0; unit < currents.cols(); ++unit) {
      const double I = currents(constant ? 0 : step, unit);
      double& U = potential[unit];
      const double wait = U >= threshold ? 0 : I > threshold ? tau * std::log1p((threshold - U) / (I - threshold)) : never;
      double rest = dt;  // of the step, after the last spike in it
      if (wait < dt) {
        spikes.push_back({step, static_cast<int>(unit)});
        const double period = I > threshold ? tau * std::log1p(threshold / (I - threshold)) : never;
        rest = period > 0 ? std::fmod(dt - wait, period) : 0;
        U = 0;
      }
      U = I + (U - I) * std::exp(-rest / tau);
    }
  }
  return spikes;
}

}  // namespace

std::vector<Spike> poisson(const Eigen::Ref<const Eigen::VectorXd>& rates, double dt, int steps, std::uint64_t seed,
                           std::uint64_t sample) {
  return bernoulli("poisson", rates.transpose(), dt, steps, seed, sample);
}

std::vector<Spike> inhomogeneous_poisson(const Eigen::Ref<const Eigen::MatrixXd>& rates, double dt, std::uint64_t seed,
                                         std::uint64_t sample) {
  return bernoulli("inhomogeneous_poisson", rates, dt, static_cast<int>(rates.rows()), seed, sample);
}

std::vector<Spike> latency(const Eigen::Ref<const Eigen::VectorXd>& values, int steps, double threshold) {
  if (steps < 1) throw InvalidArgument("latency: " + outside("steps", steps, "[1, infinity)"));
  if (!(threshold >= 0 && threshold < 1)) throw InvalidArgument("latency: " + outside("threshold", threshold, "[0, 1)"));
  std::vector<Spike> spikes;
  for (Eigen::Index unit = 0; unit < values.size(); ++unit) {
    const double x = values[unit];
    if (!(x >= 0 && x <= 1)) throw InvalidArgument("latency: unit " + std::to_string(unit) + ": " + outside("value", x, "[0, 1]"));
    if (x > threshold)
      spikes.push_back({static_cast<int>(std::lround((steps - 1) * ((1 - x) / (1 - threshold)))), static_cast<int>(unit)});
  }
  std::stable_sort(spikes.begin(), spikes.end(), [](const Spike& a, const Spike& b) { return a.step < b.step; });
  return spikes;
}

std::vector<Spike> current(const Eigen::Ref<const Eigen::VectorXd>& currents, double dt, int steps, const Membrane& membrane) {
  return integrate(currents.transpose(), dt, steps, membrane);
}

std::vector<Spike> current(const Eigen::Ref<const Eigen::MatrixXd>& currents, double dt, const Membrane& membrane) {
  return integrate(currents, dt, static_cast<int>(currents.rows()), membrane);
}

std::vector<Spike> bin(std::span<const double> times, std::span<const int> units, int unit_count, double dt, int steps) {
  check_grid("bin", dt, steps);
  if (unit_count < 1) throw InvalidArgument("bin: " + outside("unit_count", unit_count, "[1, infinity)"));
  if (times.size() != units.size())
    throw InvalidArgument("bin: " + std::to_string(times.size()) + " times for " + std::to_string(units.size()) + " units");
  std::vector<Spike> spikes;
  double last = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto fail = [&](const std::string& what) { throw InvalidArgument("bin: row " + std::to_string(i) + ": " + what); };
    if (!(times[i] >= 0 && std::isfinite(times[i]))) fail(outside("time", times[i], "[0, infinity)"));
    if (times[i] < last) fail("the time is before that of the row above");
    if (units[i] < 0 || units[i] >= unit_count) fail(outside("unit", units[i], "[0, " + std::to_string(unit_count) + ")"));
    last = times[i];
    if (last / dt < steps) spikes.push_back({static_cast<int>(last / dt), units[i]});
  }
  std::sort(spikes.begin(), spikes.end(),
            [](const Spike& a, const Spike& b) { return a.step != b.step ? a.step < b.step : a.unit < b.unit; });
  spikes.erase(std::unique(spikes.begin(), spikes.end()), spikes.end());
  return spikes;
}

}  // namespace stoat::snn::encode
