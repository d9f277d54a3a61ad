#include "hand_rule.hpp"

#include <cmath>

#include <Eigen/SparseCore>

namespace surrogate_gradients {
namespace {

using Sparse = Eigen::SparseMatrix<double, Eigen::RowMajor>;
using Weights = Eigen::Map<const Eigen::MatrixXd>;

const double leak = std::exp(-matching_dt / matching_tau_mem), synapse = std::exp(-matching_dt / matching_tau_syn);
constexpr double amplitude = 0.2, delta_output = 0.013;

/// Spikes of one sample, steps x units.
Sparse spikes_of(const snn::SpikeEvents& events, std::size_t sample) {
  Sparse s(events.steps(), events.units());
  s.reserve(static_cast<Eigen::Index>(events.spikes(sample)));
  for (int t = 0; t < events.steps(); ++t) {
    s.startVec(t);
    for (const auto unit : events.at(sample, t)) s.insertBack(t, static_cast<Eigen::Index>(unit)) = 1;
  }
  s.finalize();
  return s;
}

/// The two decays of eps over one of its steps.
struct Decays {
  double slow, fast;
  explicit Decays(Eigen::Index steps) {
    const double spacing = matching_dt * static_cast<double>(steps) / static_cast<double>(steps - 1);
    slow = std::exp(-spacing / matching_tau_mem), fast = std::exp(-spacing / matching_tau_syn);
  }
};

/// w(s) = sum over t >= s of eps(t - s) v(t).
Trains smoothed_back(const Trains& v) {
  const Decays decay(v.rows());
  Trains w(v.rows(), v.cols());
  Eigen::RowVectorXd slow = Eigen::RowVectorXd::Zero(v.cols()), fast = slow;
  for (Eigen::Index s = v.rows() - 1; s >= 0; --s) {
    slow = decay.slow * slow + v.row(s);
    fast = decay.fast * fast + v.row(s);
    w.row(s) = amplitude * (slow - fast);
  }
  return w;
}

/// w(s) = sum over t >= s of K(t - s) v(t), K the potential that a spike of weight 1 causes without reset. The sum over t of
/// v(t) (K * x)(t) is that over s of w(s) x(s).
Trains potentials_back(const Trains& v) {
  Trains w(v.rows(), v.cols());
  Eigen::RowVectorXd potential = Eigen::RowVectorXd::Zero(v.cols()), current = potential;
  for (Eigen::Index s = v.rows() - 1; s >= 0; --s) {
    w.row(s) = current;
    current = synapse * current + (1 - leak) * potential;
    potential = leak * potential + v.row(s);
  }
  return w;
}

/// U(t) of neurons that spiked like this under the weighted input `drive`.
Trains potentials(const Trains& drive, const Sparse& spikes) {
  const Trains fired = spikes;
  Trains u(drive.rows(), drive.cols());
  Eigen::RowVectorXd potential = Eigen::RowVectorXd::Zero(drive.cols()), current = potential;
  for (Eigen::Index t = 0; t < drive.rows(); ++t) {
    u.row(t) = potential;
    potential = leak * potential.cwiseProduct((1 - fired.row(t).array()).matrix()) + (1 - leak) * current;
    current = synapse * current + drive.row(t);
  }
  return u;
}

Trains slopes(const Trains& drive, const Sparse& spikes, HiddenSlope slope) {
  if (slope == HiddenSlope::own_spikes) return spikes;
  Trains z = potentials(drive, spikes).array() - 1, f(z.rows(), z.cols());
  const int size = static_cast<int>(z.size());
  if (slope == HiddenSlope::sigmoid) snn::escape::Sigmoid{10}.derivatives(z.data(), f.data(), size);
  else snn::surrogate::SuperSpike{10}.derivatives(z.data(), f.data(), size);
  return f;
}

}  // namespace

Trains smoothed(const Trains& x) { return smoothed_back(x.colwise().reverse()).colwise().reverse(); }

double van_rossum_distance(const Trains& x) { return smoothed(x).squaredNorm() / (2 * static_cast<double>(x.cols())); }

Eigen::VectorXd hand_derived(const Eigen::VectorXd& theta, const snn::SpikeEvents& input, const snn::SpikeEvents& hidden,
                             const snn::SpikeEvents& output, std::size_t trial, const snn::SpikeEvents& target, HiddenSlope slope) {
  const Sparse x = spikes_of(input, 0), h = spikes_of(hidden, trial);
  const Sparse delta = (spikes_of(target, 0) - spikes_of(output, trial)) / delta_output;
  const Weights hidden_weights(theta.data(), h.cols(), x.cols());
  const Weights output_weights(theta.data() + hidden_weights.size(), delta.cols(), h.cols());

  const Trains credit = smoothed_back(delta * Trains(output_weights));
  const Trains drive = x * Trains(hidden_weights.transpose());
  const Trains hidden_part = potentials_back(slopes(drive, h, slope).cwiseProduct(credit));
  // Inputs x hidden units and hidden units x outputs, row by row: the order of the parameters.
  const Trains hidden_change = x.transpose() * hidden_part;
  const Trains output_change = h.transpose() * potentials_back(delta);
  Eigen::VectorXd change(theta.size());
  change << hidden_change.reshaped<Eigen::RowMajor>(), output_change.reshaped<Eigen::RowMajor>();
  return change;
}

}  // namespace surrogate_gradients
