#include <stoat/snn/spike_events.hpp>

#include <algorithm>
#include <cmath>
#include <string>

#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

std::string below(int limit) { return "[0, " + std::to_string(limit) + ")"; }
std::string shape(Eigen::Index steps, Eigen::Index units) {
  return std::to_string(steps) + " steps x " + std::to_string(units) + " units";
}

}  // namespace

SpikeEvents::SpikeEvents(int steps, int units) : steps_(steps), units_(units) {
  if (steps < 1) throw InvalidArgument("SpikeEvents: " + outside("steps", steps, "[1, infinity)"));
  if (units < 1) throw InvalidArgument("SpikeEvents: " + outside("units", units, "[1, infinity)"));
  begin_.push_back(0);
}

void SpikeEvents::add(std::span<const Spike> spikes) {
  if (steps_ == 0) throw InvalidArgument("SpikeEvents: a sample was added to events without steps and units");
  for (std::size_t i = 0; i < spikes.size(); ++i) {
    const auto fail = [&](const char* name, int value, int limit) {
      throw InvalidArgument("SpikeEvents: spike " + std::to_string(i) + ": " + outside(name, value, below(limit)));
    };
    if (spikes[i].step < 0 || spikes[i].step >= steps_) fail("step", spikes[i].step, steps_);
    if (spikes[i].unit < 0 || spikes[i].unit >= units_) fail("unit", spikes[i].unit, units_);
  }
  std::vector<Spike> sorted(spikes.begin(), spikes.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const Spike& a, const Spike& b) { return a.step != b.step ? a.step < b.step : a.unit < b.unit; });
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());

  const std::size_t old_spikes = unit_.size(), old_rows = begin_.size();
  try {
    unit_.resize(old_spikes + sorted.size());
    begin_.resize(old_rows + static_cast<std::size_t>(steps_));
  } catch (...) {
    unit_.resize(old_spikes);
    throw;
  }
  std::size_t next = 0;
  for (int step = 0; step < steps_; ++step) {
    for (; next < sorted.size() && sorted[next].step == step; ++next)
      unit_[old_spikes + next] = static_cast<Unit>(sorted[next].unit);
    begin_[old_rows + static_cast<std::size_t>(step)] = old_spikes + next;
  }
}

void SpikeEvents::add(const Eigen::Ref<const Eigen::MatrixXd>& raster) {
  if (raster.rows() != steps_ || raster.cols() != units_)
    throw InvalidArgument("SpikeEvents: a raster of " + shape(raster.rows(), raster.cols()) + " was added to events of " +
                          shape(steps_, units_));
  std::vector<Spike> spikes;
  for (int step = 0; step < steps_; ++step) {
    for (int unit = 0; unit < units_; ++unit) {
      const double entry = raster(step, unit);
      if (std::isnan(entry))
        throw InvalidArgument("SpikeEvents: the raster is NaN at step " + std::to_string(step) + ", unit " + std::to_string(unit));
      if (entry != 0) spikes.push_back({step, unit});
    }
  }
  add(spikes);
}

void SpikeEvents::add(const SpikeEvents& other) {
  if (other.steps_ != steps_ || other.units_ != units_)
    throw InvalidArgument("SpikeEvents: events of " + shape(other.steps_, other.units_) + " were added to events of " +
                          shape(steps_, units_));
  if (other.samples() == 0) return;
  const std::size_t old_spikes = unit_.size(), old_rows = begin_.size();
  const std::size_t spikes = other.unit_.size(), rows = other.begin_.size() - 1;
  try {
    unit_.resize(old_spikes + spikes);
    begin_.resize(old_rows + rows);
  } catch (...) {
    unit_.resize(old_spikes);
    throw;
  }
  // `other` may be these events themselves: only what they held before is read.
  for (std::size_t i = 0; i < spikes; ++i) unit_[old_spikes + i] = other.unit_[i];
  for (std::size_t i = 0; i < rows; ++i) begin_[old_rows + i] = old_spikes + other.begin_[i + 1];
}

Eigen::MatrixXd SpikeEvents::raster(std::size_t sample) const {
  if (sample >= samples())
    throw InvalidArgument("SpikeEvents: sample " + std::to_string(sample) + " of " + std::to_string(samples()) + " does not exist");
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(steps_, units_);
  for (int step = 0; step < steps_; ++step)
    for (const Unit unit : at(sample, step)) result(step, unit) = 1;
  return result;
}

SpikeEvents SpikeEvents::subset(std::span<const std::size_t> samples) const {
  const std::size_t steps = static_cast<std::size_t>(steps_);
  std::size_t total = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (samples[i] >= this->samples())
      throw InvalidArgument("SpikeEvents: entry " + std::to_string(i) + " of a subset is sample " + std::to_string(samples[i]) +
                            " of " + std::to_string(this->samples()) + ", which does not exist");
    total += spikes(samples[i]);
  }
  SpikeEvents result;
  result.steps_ = steps_, result.units_ = units_;
  result.unit_.reserve(total);
  result.begin_.reserve(samples.size() * steps + 1);
  if (steps_ > 0) result.begin_.push_back(0);
  for (const std::size_t sample : samples) {
    for (int step = 0; step < steps_; ++step) {
      const std::span<const Unit> units = at(sample, step);
      result.unit_.insert(result.unit_.end(), units.begin(), units.end());
      result.begin_.push_back(result.unit_.size());
    }
  }
  return result;
}

void Dataset::check() const {
  const auto disagree = [&](std::size_t count, const char* what) {
    throw InvalidArgument("Dataset: " + std::to_string(count) + " " + what + " for " + std::to_string(size()) + " inputs");
  };
  if (!labels.empty() && labels.size() != size()) disagree(labels.size(), "labels");
  if (targets.samples() != 0 && targets.samples() != size()) disagree(targets.samples(), "targets");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes)
      throw InvalidArgument("Dataset: sample " + std::to_string(i) + ": " + outside("label", labels[i], below(classes)));
  }
}

Dataset Dataset::subset(std::span<const std::size_t> samples) const {
  check();
  Dataset result{inputs.subset(samples), {}, classes, {}};
  if (!labels.empty()) {
    result.labels.reserve(samples.size());
    for (const std::size_t sample : samples) result.labels.push_back(labels[sample]);
  }
  if (targets.samples() != 0) result.targets = targets.subset(samples);
  return result;
}

}  // namespace stoat::snn
