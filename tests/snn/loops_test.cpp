#include <doctest/doctest.h>

#include <cmath>

#include "plain_network.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

/// A function that the loops over neurons do not know, so that the general path works it out row by row.
template <class F>
struct Unknown {
  F f;
  static constexpr std::string_view name = F::name;
  static constexpr bool probability = requires { F::probability; };
  std::string problem() const { return f.problem(); }
  template <class T>
  T value(T z) const {
    return f.value(z);
  }
  template <class T>
  T derivative(T z) const {
    return f.derivative(z);
  }
};

struct Outcome {
  BatchResult result;
  Eigen::VectorXd gradient;
};
template <class T>
Outcome gradient(const Lif& lif, int hidden) {
  const Network network(30, 45, {Linear{hidden}, lif, Linear{hidden}, lif, Linear{4}, LeakyReadout{}});
  const Objective objective(network, noise(30, 45, 17, 4, 0.08, 7), MaxOverTimeCrossEntropy{});
  Eigen::VectorX<T> theta = network.initial<T>({.seed = 4, .sigma_u = 2}), g;
  std::vector<std::size_t> batch(17);
  for (std::size_t i = 0; i < 17; ++i) batch[i] = i;
  SurrogateGradient<T> sweep(objective, 1);
  Outcome out;
  out.result = sweep(theta, batch, {1, 100}, g);
  out.gradient = g.template cast<double>();
  return out;
}
template <class T, class F>
void check_same(const Lif& lif, const F& surrogate, int hidden, double tolerance) {
  Lif known = lif, unknown = lif;
  known.escape = escape::Sigmoid{6}, unknown.escape = Unknown<escape::Sigmoid>{{6}};
  known.surrogate = surrogate, unknown.surrogate = Unknown<F>{surrogate};
  const Outcome a = gradient<T>(known, hidden), b = gradient<T>(unknown, hidden);
  CHECK(a.result.spikes == b.result.spikes);
  CHECK(a.result.spikes[1] > 0.1);
  CHECK(a.result.loss == doctest::Approx(b.result.loss).epsilon(tolerance));
  CHECK((a.gradient - b.gradient).norm() < tolerance * b.gradient.norm());
  CHECK(b.gradient.norm() > 1e-4);
}

}  // namespace

TEST_CASE("the loops over neurons and the general path give the same spikes and gradients") {
  for (const Activation activation : {Activation::deterministic, Activation::stochastic})
    for (const Reset reset : {Reset::none, Reset::detached, Reset::differentiated})
      for (const ResetKind kind : {ResetKind::all, ResetKind::leak})
        for (const bool recurrent : {false, true})
          for (const int hidden : {20, 100}) {  // a part of a register, several blocks and a part of one
            CAPTURE(hidden);
            Lif lif{.reset = reset, .reset_kind = kind, .activation = activation};
            lif.recurrent = recurrent;
            check_same<double>(lif, surrogate::SuperSpike{10}, hidden, 1e-12);
            check_same<double>(lif, surrogate::Sigmoid{7, 0.3}, hidden, 1e-12);
            check_same<float>(lif, surrogate::SuperSpike{10}, hidden, 1e-4);
            check_same<float>(lif, surrogate::Sigmoid{7, 0.3}, hidden, 1e-4);
          }
}

TEST_CASE("coins of mini-batches fall as the coins of programs do") {
  const Network network(30, 60, {Linear{40}, Lif{}, Linear{4}, LeakyReadout{}});
  const Objective objective(network, noise(30, 60, 1, 4, 0.08, 7), MaxOverTimeCrossEntropy{});
  const Eigen::VectorXd theta = network.initial<double>({.seed = 4, .sigma_u = 1.5});
  SurrogateGradient<double> sweep(objective);
  const std::vector<std::size_t> batch(4000, 0);
  const BatchResult result = sweep.evaluate(theta, batch, {1, 0});
  const Estimate e = estimate(objective.program<double>(), theta, ScoreFunction{}, {.samples = 4000, .seed = 2});
  // Means of 4000 losses each; 5 standard errors.
  CHECK(std::abs(result.loss - e.value) < 5 * std::sqrt(2.0) * e.value_error);
}
