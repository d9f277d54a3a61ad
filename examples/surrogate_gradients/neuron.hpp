// examples/surrogate_gradients/neuron.hpp: neurons with a slope of one's choice, and exact means of surrogate gradients.
#pragma once

#include <functional>

#include <Eigen/Core>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

namespace surrogate_gradients {

using namespace stoat;

/// sigma_beta(z) = 1 / (1 + e^(-beta z)), generic in the number type, so that second derivatives exist as well.
struct Sigmoid {
  double beta;
  template <class T>
  T value(const T& z) const {
    return T(logistic(beta * z));
  }
  template <class T>
  T derivative(const T& z) const {
    return T(beta * logistic(beta * z) * logistic(-beta * z));
  }
};

/// H(z) with H(0) = 0: the spike of a neuron without noise.
struct Step {
  template <class T>
  T value(const T& z) const {
    return T(z > 0 ? 1 : 0);
  }
};

/// z -> forward(z) with the derivative of `backward`. For a neuron that fires with probability forward(z) this is the whole
/// surrogate gradient: draw(Bernoulli(neuron(f, f)(z))) has the surrogate derivative f', derived from its escape function f.
template <class Forward, class Backward>
auto neuron(Forward forward, Backward backward) {
  return custom_function([forward](const auto& z) { return forward.value(z); },
                         [backward](const auto& z, const auto&, const auto& adjoint) { return adjoint * backward.derivative(z); });
}
template <class Escape>
auto neuron(Escape escape) {
  return neuron(escape, escape);
}

/// The network x -> g -> (h1, h2) -> y of all experiments with several layers, for the input x = 1 and thresholds 0;
/// theta = (w, v1, v2, u1, u2). `spike` turns a membrane potential into a spike or what stands for one.
template <class S, class Spike>
S four_units(const Vector<S>& theta, const Spike& spike) {
  const S g = spike(S(theta[0]));
  const S h1 = spike(S(theta[1] * g)), h2 = spike(S(theta[2] * g));
  return spike(S(theta[3] * h1 + theta[4] * h2));
}

/// Mean and standard deviation of a single draw of a surrogate gradient, and the mean cost.
struct ExactMoments {
  double value = 0;
  Eigen::VectorXd mean, deviation;
};

/// The slope d outcome / d parameter of an OPEN sweep; StraightThroughEdge or SmoothedEdge, for example.
using Rule = std::function<void(const Site&, std::span<double>)>;

/// The exact moments of an OPEN sweep: the sum over all sequences of outcomes of a program of coins, each weighed by its
/// probability. Throws Error if the program has no draw.
ExactMoments expected_surrogate(const Program<double>& program, const Eigen::VectorXd& theta,
                                const Rule& rule = StraightThroughEdge{});

/// Independent standard normal numbers, a function of (seed, run).
Eigen::VectorXd standard_normal(Eigen::Index size, std::uint64_t seed, std::uint64_t run);

}  // namespace surrogate_gradients
