#include <stoat/snn/analysis.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void need_samples(const char* name, const SpikeEvents& events, std::size_t least) {
  if (events.samples() < least)
    throw InvalidArgument(std::string(name) + ": " +
                          outside("samples", static_cast<double>(events.samples()), "[" + std::to_string(least) + ", infinity)"));
}

void need_dt(const char* name, double dt) {
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument(std::string(name) + ": " + outside("dt", dt, "(0, infinity)"));
}

/// Spikes of every step and unit, over the samples.
Eigen::MatrixXd counts(const SpikeEvents& events) {
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(events.steps(), events.units());
  for (std::size_t sample = 0; sample < events.samples(); ++sample)
    for (int step = 0; step < events.steps(); ++step)
      for (const SpikeEvents::Unit unit : events.at(sample, step)) result(step, unit) += 1;
  return result;
}

/// The gaps between successive spikes of every unit, in steps.
std::vector<std::vector<int>> intervals(const SpikeEvents& events) {
  const auto units = static_cast<std::size_t>(events.units());
  std::vector<std::vector<int>> result(units);
  for (std::size_t sample = 0; sample < events.samples(); ++sample) {
    std::vector<int> last(units, -1);
    for (int step = 0; step < events.steps(); ++step) {
      for (const SpikeEvents::Unit unit : events.at(sample, step)) {
        if (last[unit] >= 0) result[unit].push_back(step - last[unit]);
        last[unit] = step;
      }
    }
  }
  return result;
}

}  // namespace

Eigen::VectorXd firing_rates(const SpikeEvents& events, double dt) {
  need_samples("firing_rates", events, 1);
  need_dt("firing_rates", dt);
  return counts(events).colwise().sum().transpose() / (static_cast<double>(events.samples()) * events.steps() * dt);
}

Eigen::VectorXd population_rates(const SpikeEvents& events, double dt) {
  need_samples("population_rates", events, 1);
  need_dt("population_rates", dt);
  return counts(events).rowwise().sum() / (static_cast<double>(events.samples()) * events.units() * dt);
}

std::vector<double> inter_spike_intervals(const SpikeEvents& events, int unit, double dt) {
  need_samples("inter_spike_intervals", events, 1);
  need_dt("inter_spike_intervals", dt);
  if (unit < 0 || unit >= events.units())
    throw InvalidArgument("inter_spike_intervals: " + outside("unit", unit, "[0, " + std::to_string(events.units()) + ")"));
  std::vector<double> result;
  const std::vector<std::vector<int>> all = intervals(events);
  for (const int gap : all[static_cast<std::size_t>(unit)]) result.push_back(gap * dt);
  return result;
}

Eigen::VectorXd interval_cv(const SpikeEvents& events) {
  need_samples("interval_cv", events, 1);
  Eigen::VectorXd result = Eigen::VectorXd::Constant(events.units(), nan);
  const std::vector<std::vector<int>> all = intervals(events);
  for (int unit = 0; unit < events.units(); ++unit) {
    const std::vector<int>& gaps = all[static_cast<std::size_t>(unit)];
    if (gaps.size() < 2) continue;
    const auto gap = Eigen::Map<const Eigen::ArrayXi>(gaps.data(), static_cast<Eigen::Index>(gaps.size())).cast<double>();
    const double mean = gap.mean();
    result[unit] = std::sqrt((gap - mean).square().mean()) / mean;
  }
  return result;
}

Eigen::MatrixXd fano_per_bin(const SpikeEvents& events) {
  need_samples("fano_per_bin", events, 1);
  const Eigen::ArrayXXd mean = counts(events).array() / static_cast<double>(events.samples());
  return (mean > 0).select(1 - mean, nan);
}

Eigen::MatrixXd sliding_fano(const SpikeEvents& events, int window) {
  need_samples("sliding_fano", events, 2);
  if (window < 1 || window >= events.steps())
    throw InvalidArgument("sliding_fano: " + outside("window", window, "[1, " + std::to_string(events.steps()) + ")"));
  const Eigen::Index starts = events.steps() - window, units = events.units();
  Eigen::ArrayXXd sum = Eigen::ArrayXXd::Zero(units, starts), squares = sum;  // of the counts, over the samples
  for (std::size_t sample = 0; sample < events.samples(); ++sample) {
    Eigen::ArrayXd count = Eigen::ArrayXd::Zero(units);
    for (int step = 0; step + 1 < events.steps(); ++step) {  // the last step is in no window
      for (const SpikeEvents::Unit unit : events.at(sample, step)) count[unit] += 1;
      const int start = step - window + 1;
      if (start < 0) continue;
      sum.col(start) += count;
      squares.col(start) += count.square();
      for (const SpikeEvents::Unit unit : events.at(sample, start)) count[unit] -= 1;
    }
  }
  const auto n = static_cast<double>(events.samples());
  const Eigen::ArrayXXd fano = (n * squares - sum.square()) / ((n - 1) * sum);  // 0 / 0 where there are no spikes
  return fano.matrix().transpose();
}

double population_fano(const SpikeEvents& events, double dt) {
  need_samples("population_fano", events, 2);
  need_dt("population_fano", dt);
  const std::size_t samples = events.samples();
  Eigen::ArrayXd rate(static_cast<Eigen::Index>(samples));
  for (std::size_t i = 0; i < samples; ++i)
    rate[static_cast<Eigen::Index>(i)] =
        static_cast<double>(events.spikes(i)) / (static_cast<double>(events.units()) * events.steps() * dt);
  const double mean = rate.mean();
  return (rate - mean).square().sum() / static_cast<double>(samples - 1) / mean;
}

double nan_mean(const Eigen::Ref<const Eigen::MatrixXd>& values) {
  const auto undefined = values.array().isNaN();
  return undefined.select(0, values.array()).sum() / static_cast<double>(values.size() - undefined.count());
}

}  // namespace stoat::snn
