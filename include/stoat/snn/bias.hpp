// stoat/snn/bias.hpp: how far the surrogate gradient of a stochastic network is from the gradient.
//
//   const Bias bias = bias_meter(objective, theta);
//   std::cout << bias;
//   bias.total.bias.value;         // |E SG - g| / |g|
//   bias.layers[0].cosine.lower;   // of the first layer of spiking neurons
//
// SG is the surrogate gradient (StraightThrough, with the resets and surrogates of the layers), g the gradient of the expected
// loss. Both are averaged over blocks of paths, g by an unbiased estimator. Products of different blocks only enter |g|^2, <g, E
// SG> and |E SG|^2 (U-statistics), so that noise does not add to the norms and few paths tell the bias of many parameters.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/estimators/estimator.hpp>
#include <stoat/snn/network.hpp>

namespace stoat::snn {

/// The mean SG of a surrogate gradient against the gradient g, over some parameters. Not a number where something is lost in noise.
struct RelativeBias {
  /// A number with its confidence interval: 2 standard errors by the jackknife over blocks to either side, or all there is where
  /// the number is lost in noise.
  struct Interval {
    double value = 0, lower = 0, upper = 0;  ///< the number, and the ends of its interval
  };

  std::string name;             ///< "layer 1"
  Eigen::Index parameters = 0;  ///< how many
  Interval bias;                ///< rho = |E SG - g| / |g|
  Interval cosine;              ///< of the angle between E SG and g
  Interval shrink;              ///< <g, E SG> / |E SG|^2, the factor that brings E SG closest to g: 0.3 if it is 3.3 times too long
  /// rho^2 by its unbiased estimate, which may be negative, and its standard error (too large by up to sqrt 2 where the bias is
  /// lost in noise).
  double squared = 0, squared_error = 0;
  double detectable = 0;  ///< smallest rho that shows: rho^2 is 2 standard deviations of the noise that it has without a bias
  /// Of the parameters where both means are resolved, beyond 5 standard errors, the share with the same sign, weighted by |g_i|.
  double sign_agreement = 0;
  Eigen::Index resolved = 0;  ///< how many they are
  /// False if the surrogate gradient has no mean to speak of: it is lost in noise, and one block has over 20 % of the sum of
  /// squared norms of all or 1000 times their median.
  bool usable = true;
};

/// The same from means over independent blocks, parameters x blocks, of unbiased estimates of the gradient and of the surrogate
/// gradient. Block j of one may share its noise with block j of the other, not with other blocks. Throws InvalidArgument for
/// matrices of different shapes or fewer than 4 blocks.
RelativeBias relative_bias(const Eigen::Ref<const Eigen::MatrixXd>& unbiased, const Eigen::Ref<const Eigen::MatrixXd>& surrogate);

/// What bias_meter() does, and when it ends.
struct BiasOptions {
  double accuracy = 0.2;  ///< stop once the bias of all layers is known to this, relative: 2 standard errors of rho^2 <= 0.4 rho^2
  double bound = 0.1;     ///< stop once it is known to be below
  double seconds = 1;     ///< stop after about so many; infinity: never
  /// Most paths of the unbiased estimator, rounded down to a multiple of `blocks`.
  std::uint64_t samples = std::uint64_t{1} << 30;
  int blocks = 32;
  std::uint64_t seed = 1;
  int threads = 0;  ///< 0: as many as OpenMP offers
  /// Unbiased. By default DebiasedSurrogate with 32 replays and the martingale if no neuron is reset, else ScoreFunctionMartingale
  /// with the surrogate gradient on a quarter of the paths.
  std::optional<AnyEstimator> estimator{};
};

/// Why a measurement ended.
enum class BiasStop {
  accurate,  ///< the bias is known to the accuracy wanted
  bounded,   ///< the upper end of rho is below the bound
  samples,
  seconds,
};

/// What bias_meter() found.
struct Bias {
  std::vector<RelativeBias> layers;  ///< of spiking neurons, each with its input and recurrent weights and time constants
  RelativeBias total;                ///< all of them. The weights of a readout are left out: there E SG = g.
  std::string estimator;             ///< of g
  std::uint64_t paths = 0, surrogate_paths = 0;  ///< of the unbiased estimator; with surrogate gradients
  std::size_t patterns = 0;                      ///< data that the loss is a mean over
  BiasStop stop = BiasStop::samples;             ///< why it ended
  Work work;                                     ///< pilot included
  double seconds = 0;                            ///< that it took
};
/// A table with a line for each layer.
std::ostream& operator<<(std::ostream& out, const Bias& bias);

/// Measures the bias of the surrogate gradient of the objective (mean loss over its data, regularisers included) at theta. Paths
/// double from round to round until one of the conditions holds, which are looked at between rounds; the first round and a pilot of
/// some 300 paths are always made. The result has the same bits for any number of threads, unless time ends it. The sums over
/// blocks take 2 x blocks x parameters x 8 bytes, and as much again while they are compared. Throws Refusal if a layer has
/// deterministic spikes (there is no expected loss to differentiate), InvalidArgument for a biased estimator, theta of the wrong
/// size and options out of range, and what the estimator throws.
Bias bias_meter(const Objective& objective, const Eigen::VectorXd& theta, const BiasOptions& options = {});

}  // namespace stoat::snn
