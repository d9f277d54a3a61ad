// stoat/snn/analysis.hpp: statistics of recorded spikes. The samples of the events are trials (the same stimulus again) or stimuli.
//
// What is undefined, such as the Fano factor of a unit that never spikes, is NaN; nan_mean leaves it out.
#pragma once

#include <vector>

#include <Eigen/Core>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// Mean firing rate of every unit over steps and samples, in Hz; dt in seconds. Like all that follow it throws InvalidArgument
/// if there are no samples or dt is not positive.
Eigen::VectorXd firing_rates(const SpikeEvents& events, double dt);
/// Mean rate of the units in every step, over units and samples, in Hz.
Eigen::VectorXd population_rates(const SpikeEvents& events, double dt);

/// The times between successive spikes of a unit, in seconds, sample by sample; none spans two samples. Throws InvalidArgument
/// for a unit out of range.
std::vector<double> inter_spike_intervals(const SpikeEvents& events, int unit, double dt);
/// Coefficient of variation of every unit's intervals of all samples: their standard deviation (ddof 0) over their mean. NaN
/// with fewer than two intervals, so with fewer than 3 spikes of one sample. Regular spikes: 0. Bernoulli trains of probability
/// p: sqrt(1 - p).
Eigen::VectorXd interval_cv(const SpikeEvents& events);

/// Fano factor of the spike count of every step and unit, steps x units: variance (ddof 0) over mean of the samples; NaN where
/// no sample spikes. As a count is 0 or 1, that is 1 - mean.
Eigen::MatrixXd fano_per_bin(const SpikeEvents& events);
/// Fano factor of the spike count in windows of `window` steps, for starts j = 0, ..., steps - window - 1, (steps - window) x
/// units: variance (ddof 1) over mean of the samples; NaN where no sample spikes. Bernoulli trains of probability p: 1 - p in
/// the mean. Throws InvalidArgument with fewer than 2 samples and unless 1 <= window < steps.
Eigen::MatrixXd sliding_fano(const SpikeEvents& events, int window = 10);
/// Variance (ddof 1) over mean of the samples' population rates (spikes of a sample / (units steps dt)), in Hz; NaN without
/// spikes. Throws InvalidArgument with fewer than 2 samples.
double population_fano(const SpikeEvents& events, double dt);

/// Mean of the entries that are not NaN; NaN if none is.
double nan_mean(const Eigen::Ref<const Eigen::MatrixXd>& values);

}  // namespace stoat::snn
