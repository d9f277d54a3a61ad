#include "target.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace surrogate_gradients {
namespace {

constexpr int width = 189, height = 200;
constexpr double centre = 94;  // of the building

bool between(double x, double low, double high) { return low <= x && x < high; }
/// 0 to 1, `period` long.
double wave(double x, double period) { return 0.5 - 0.5 * std::cos(2 * std::numbers::pi * x / period); }

/// Thin clouds: arcs around a point far below.
double sky(double x, double y) { return 0.03 + 0.26 * std::pow(wave(std::hypot(x - 30, y - 320), 27), 4) * y / 110; }

/// The roof: darker to the right, with ribs that meet at the top.
double dome(double x, double y) {
  const double across = (x - centre) / (48 * std::sqrt(1 - std::pow((96 - y) / 56, 2)));
  return 0.12 + 0.25 * (1 + across) + 0.25 * std::pow(wave(std::asin(std::clamp(across, -1.0, 1.0)), 0.35), 3);
}

/// Columns in the light before a wall in the shade.
double drum(double x) { return wave(x - centre, 10.5) < 0.45 ? 0.84 : 0.1 + 0.1 * (x - 46) / 96; }

/// Courses of stone, and round-headed windows.
double base(double x, double y) {
  const double from_window = std::remainder(x - centre, 21), top = y - 156;
  const bool window = std::abs(from_window) < 6 && y < 184 && (top > 0 || std::hypot(from_window, top) < 6);
  if (window) return 0.87;
  return std::fmod(y, 9) < 1.5 ? 0.55 : 0.14 + 0.24 * (x - 30) / 128;
}

/// How dark the drawing is: the density of black dots.
double tone(double x, double y) {
  const double off = std::abs(x - centre);
  if (y >= 188) return 0.52 + 0.25 * wave(x + 2 * y, 23);
  if (y >= 140 && off < 64) return base(x, y);
  if (between(y, 134, 140) && off < 66) return 0.62;
  if (between(y, 96, 134) && off < 48) return drum(x);
  if (between(y, 40, 96) && std::hypot(off / 48, (96 - y) / 56) < 1) return dome(x, y);
  if (between(y, 24, 42) && off < 7) return wave(x - centre, 4.7) < 0.5 ? 0.9 : 0.15;
  if (between(y, 16, 24) && off < y - 16) return 0.75;
  return sky(x, y);
}

double jitter(Generator& coins) { return 0.5 * (coins.uniform() - 0.5); }

}  // namespace

snn::SpikeEvents drawn_target() {
  Generator coins({7, 0, Purpose::data});
  std::vector<snn::Spike> spikes;
  for (int y = 0; y < height; ++y) {
    double missing = jitter(coins);  // black that the row owes, so that dots keep a distance
    for (int x = 0; x < width; ++x) {
      missing += tone(x, y);
      if (missing <= 0.5 + jitter(coins)) continue;
      spikes.push_back({x, y});
      missing -= 1;
    }
  }
  snn::SpikeEvents target(width, height);
  target.add(spikes);
  return target;
}

snn::SpikeEvents target_from(const std::filesystem::path& pbm) {
  if (pbm.empty()) return drawn_target();
  snn::SpikeEvents target = snn::read_pbm(pbm);
  if (target.steps() < 20)
    throw Error(pbm.string() + ": " + std::to_string(target.steps()) + " steps are too few, 20 is the least");
  return target;
}

TargetStatistics statistics(const snn::SpikeEvents& target) {
  const Eigen::VectorXd rates = snn::firing_rates(target, 0.001);
  const Eigen::MatrixXd raster = target.raster(0);
  const Eigen::Index steps = raster.rows();
  const double spikes = raster.sum();
  TargetStatistics s;
  s.density = spikes / static_cast<double>(raster.size());
  s.lowest = rates.minCoeff(), s.highest = rates.maxCoeff();
  s.deviation = std::sqrt((rates.array() - rates.mean()).square().mean());
  s.followed = raster.topRows(steps - 1).cwiseProduct(raster.bottomRows(steps - 1)).sum() / spikes;
  s.silent = spikes / (2 * static_cast<double>(raster.cols()));
  return s;
}

std::vector<double> interval_histogram(const snn::SpikeEvents& events, int longest) {
  std::vector<double> fractions(static_cast<std::size_t>(longest));
  double total = 0;
  for (int unit = 0; unit < events.units(); ++unit)
    for (const double interval : snn::inter_spike_intervals(events, unit, 1)) {
      ++fractions[static_cast<std::size_t>(std::min(static_cast<int>(interval), longest) - 1)];
      ++total;
    }
  for (double& f : fractions) f /= std::max(total, 1.0);
  return fractions;
}

}  // namespace surrogate_gradients
