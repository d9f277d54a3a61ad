// stoat/snn/encode.hpp: numbers and lists of events turned into spikes on a grid of time steps.
//
// Every encoder gives the spikes of one sample, sorted by step and unit, each at most once: events.add(encode::latency(x, 100)).
// Times are seconds, rates are Hz; step n covers the times [n dt, (n + 1) dt).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn::encode {

/// Spikes of independent Poisson processes on the grid: in every step unit i spikes with probability rates[i] dt.
/// The draws depend on (seed, sample, step, unit) alone. Throws InvalidArgument, naming the unit, if a rate is negative or NaN
/// or rate dt > 1.
std::vector<Spike> poisson(const Eigen::Ref<const Eigen::VectorXd>& rates, double dt, int steps, std::uint64_t seed,
                           std::uint64_t sample = 0);
/// The same with rates that change, steps x units.
std::vector<Spike> inhomogeneous_poisson(const Eigen::Ref<const Eigen::MatrixXd>& rates, double dt, std::uint64_t seed,
                                         std::uint64_t sample = 0);

/// One spike a unit, the earlier the larger its value x in [0, 1]:
///
///   step = round((steps - 1) (1 - x) / (1 - threshold)),
///
/// so 1 spikes in step 0 and what is just above the threshold in the last step. A unit with x <= threshold is silent. For
/// latencies that are logarithmic in x take the first spikes of `current`. Throws InvalidArgument, naming the unit, unless
/// 0 <= x <= 1, and unless 0 <= threshold < 1.
std::vector<Spike> latency(const Eigen::Ref<const Eigen::VectorXd>& values, int steps, double threshold = 0);

/// The neuron that `current` drives: tau_mem dU/dt = -U + I from U(0) = 0, and where U reaches the threshold a spike and U = 0.
struct Membrane {
  double tau_mem = 20e-3;  ///< seconds
  double threshold = 1;    ///< in the units of the current (unit resistance)
};

/// Spikes of leaky integrate-and-fire neurons, one a unit, under constant currents. The solution is exact: unit i spikes at
///
///   t = k T,  T = tau_mem ln(I / (I - threshold)),  k = 1, 2, ...,  if I > threshold
///
/// and never otherwise; spikes that share a step count once. Throws InvalidArgument if a current is not finite (naming the
/// unit) and unless tau_mem, threshold and dt are positive.
std::vector<Spike> current(const Eigen::Ref<const Eigen::VectorXd>& currents, double dt, int steps, const Membrane& membrane = {});
/// The same with currents that change from step to step, steps x units, exact as well: within a step U relaxes towards I, and a
/// neuron at U spikes after tau_mem ln((I - U) / (I - threshold)).
std::vector<Spike> current(const Eigen::Ref<const Eigen::MatrixXd>& currents, double dt, const Membrane& membrane = {});

/// A recorded list of events: the one at times[i] of units[i] is a spike in step int(times[i] / dt). Events after the last step
/// are dropped, several of one unit in one step are merged. (The spoken digits of SHD: 700 units, dt = 2 ms and int(0.7 / 0.002)
/// = 349 steps.) Throws InvalidArgument, naming the row, if a time is not finite, negative or before the one above, or unless
/// 0 <= unit < unit_count; and if the lists differ in length.
std::vector<Spike> bin(std::span<const double> times, std::span<const int> units, int unit_count, double dt, int steps);

}  // namespace stoat::snn::encode
