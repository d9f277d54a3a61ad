#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "plain_network.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

/// The derivative of S[n] in the weight of the neuron of paper.md 2.3 along one history of its spikes, by a recursion forward in
/// time: what back-propagation has to give.
double hand_derivative(double beta, bool differentiated, const std::vector<int>& spikes) {
  const double am = std::exp(-0.1), as = std::exp(-0.2), w = 3;
  double u = 0, i = 0, du = 0, di = 0, sum = 0;
  for (int n = 0; n < 12; ++n) {
    const double s = spikes[static_cast<std::size_t>(n)];
    const double p = 1 / (1 + std::exp(-beta * (u - 1))), ds = beta * p * (1 - p) * du;
    sum += ds;
    const double v = am * u + (1 - am) * i, dv = am * du + (1 - am) * di;
    u = v * (1 - s), du = dv * (1 - s) - (differentiated ? v * ds : 0);
    const double x = n == 0 || n == 2 || n == 3 || n == 6 ? 1 : 0;
    i = as * i + w * x, di = as * di + x;
  }
  return sum;
}

template <class F>
void check_derivative(const F& f) {
  CAPTURE(F::name);
  const SpikeFunction erased(f);
  for (const double z : {-3.1, -0.83, -0.37, -0.09, -0.003, 0.002, 0.07, 0.31, 0.62, 0.77, 2.9}) {
    CAPTURE(z);
    const double h = 1e-6, difference = (f.value(z + h) - f.value(z - h)) / (2 * h);
    CHECK(f.derivative(z) == doctest::Approx(difference).epsilon(1e-6).scale(1e-3));
    CHECK(erased.complement(z) == doctest::Approx(1 - f.value(z)).epsilon(1e-12));
    // Rows, in both precisions, an odd number of them.
    std::vector<double> row(37, z), values(37), slopes(37);
    erased.values(row.data(), values.data(), 37), erased.derivatives(row.data(), slopes.data(), 37);
    std::vector<float> row_f(37, static_cast<float>(z)), values_f(37), slopes_f(37);
    erased.values(row_f.data(), values_f.data(), 37), erased.derivatives(row_f.data(), slopes_f.data(), 37);
    for (std::size_t k = 0; k < 37; ++k) {
      CHECK(values[k] == doctest::Approx(f.value(z)).epsilon(1e-13));
      CHECK(slopes[k] == doctest::Approx(f.derivative(z)).epsilon(1e-13));
      CHECK(values_f[k] == doctest::Approx(f.value(z)).epsilon(2e-5));
      CHECK(slopes_f[k] == doctest::Approx(f.derivative(z)).epsilon(1e-4));
    }
  }
}

}  // namespace

TEST_CASE("the exact mean of the surrogate gradient of a neuron that resets itself, paper.md 2.3") {
  const Eigen::VectorXd w = Eigen::VectorXd::Constant(1, 3.0);
  const auto sum = [&](double beta, Reset reset) { return 12 * expected_surrogate(one_neuron(beta, reset), w)[0]; };
  CHECK(sum(10, Reset::detached) == doctest::Approx(1.74027915).epsilon(5e-9));
  CHECK(sum(10, Reset::differentiated) == doctest::Approx(0.83652442).epsilon(1e-8));
  CHECK(sum(10, Reset::none) == doctest::Approx(0.70442991).epsilon(1e-8));
  CHECK(sum(5, Reset::detached) == doctest::Approx(1.3230).epsilon(5e-5));
  CHECK(sum(5, Reset::differentiated) == doctest::Approx(0.6112).epsilon(1e-4));
}

TEST_CASE("back-propagation through a resetting neuron is the recursion forward in time, history by history") {
  const Eigen::VectorXd w = Eigen::VectorXd::Constant(1, 3.0);
  for (const double beta : {5.0, 10.0})
    for (const bool differentiated : {false, true}) {
      const Objective objective = one_neuron(beta, differentiated ? Reset::differentiated : Reset::detached);
      Trace<double> trace(objective.program<double>(), w);
      trace.set_datum(0);
      for (unsigned history = 0; history < 4096; history += 7) {
        std::vector<int> spikes;
        for (unsigned n = 0; n < 12; ++n) spikes.push_back(static_cast<int>(history >> n & 1));
        const std::vector<std::int64_t> path(spikes.begin(), spikes.end());
        trace.record_lowest({1, 0}, path, Outcomes::variables);
        trace.open(StraightThroughEdge{});
        trace.begin_sweep();
        trace.seed_cost(1);
        Eigen::VectorXd g = Eigen::VectorXd::Zero(1);
        trace.sweep(g);
        CHECK(12 * g[0] == doctest::Approx(hand_derivative(beta, differentiated, spikes)).epsilon(1e-10));
      }
    }
}

TEST_CASE("escape functions and surrogates are the derivatives they say") {
  check_derivative(escape::Sigmoid{10});
  check_derivative(escape::Exponential{0.5, 0.3});
  check_derivative(escape::Erf{0.4});
  check_derivative(escape::Hazard{.at_threshold = 300, .delta = 0.2, .dt = 0.002});
  check_derivative(surrogate::SuperSpike{10});
  check_derivative(surrogate::Sigmoid{7, 0.2});
  check_derivative(surrogate::ArcTan{2});
  check_derivative(surrogate::Triangle{1.5});
  check_derivative(surrogate::Boxcar{1.4});
  check_derivative(surrogate::Tanh{2});
  check_derivative(surrogate::Exponential{0.5, 0.4});
  // Normalisations: peaks, and areas where they are 1.
  CHECK(surrogate::SuperSpike{10}.derivative(0.0) == 1);
  CHECK(surrogate::Sigmoid{10}.derivative(0.0) == doctest::Approx(2.5));
  CHECK(surrogate::Sigmoid{10, 0.1}.derivative(0.0) == doctest::Approx(0.25));
  CHECK(surrogate::ArcTan{2}.derivative(0.0) == doctest::Approx(1));
  CHECK(surrogate::Triangle{3}.derivative(0.0) == 3);
  CHECK(surrogate::Boxcar{0.5}.derivative(0.0) == 2);
  CHECK(surrogate::Tanh{3}.derivative(0.0) == 1);
  CHECK(escape::Erf{0.5}.derivative(0.0) == doctest::Approx(1 / (0.5 * std::sqrt(2 * std::numbers::pi))));
  // Printed values of paper.md 3, beta 10.
  const double at[] = {-0.3, -0.1, 0, 0.1, 0.3};
  const double sigmoid[] = {.0474258732, .2689414214, .5, .7310585786, .9525741268};
  const double slope[] = {.4517665973, 1.9661193324, 2.5, 1.9661193324, .4517665973};
  const double super[] = {.0625, .25, 1, .25, .0625};
  const double exponential[] = {.0698710271, .3143196531, .6666666667, 1.4139887215, 6.3609261616};
  for (int k = 0; k < 5; ++k) {
    CHECK(escape::Sigmoid{10}.value(at[k]) == doctest::Approx(sigmoid[k]).epsilon(1e-9));
    CHECK(escape::Sigmoid{10}.derivative(at[k]) == doctest::Approx(slope[k]).epsilon(1e-9));
    CHECK(surrogate::SuperSpike{10}.derivative(at[k]) == doctest::Approx(super[k]).epsilon(1e-9));
    CHECK(surrogate::Exponential{}.value(at[k]) == doctest::Approx(exponential[k]).epsilon(1e-9));
  }
  // A hazard's rate does not depend on the time step.
  const double z = -0.2;
  const double fine = escape::Hazard{500, 0.1, 1e-5}.value(z) / 1e-5, coarse = escape::Hazard{500, 0.1, 1e-3}.value(z) / 1e-3;
  CHECK(fine == doctest::Approx(coarse).epsilon(0.04));
}

TEST_CASE("every surrogate, neuron and reset is the gradient of the network with the smooth function in place of the spike") {
  // The layers are compared with these scalar dynamics in another test; here the scalar dynamics with finite differences.
  const Dataset data = noise(4, 12, 1, 2, 0.3, 5);
  for (const SpikeFunction& f :
       {SpikeFunction(escape::Sigmoid{4}), SpikeFunction(escape::Exponential{}), SpikeFunction(escape::Hazard{}),
        SpikeFunction(surrogate::SuperSpike{3}), SpikeFunction(surrogate::Sigmoid{3}), SpikeFunction(surrogate::ArcTan{2}),
        SpikeFunction(surrogate::Triangle{1}), SpikeFunction(surrogate::Boxcar{4}), SpikeFunction(surrogate::Erf{0.5}),
        SpikeFunction(surrogate::Tanh{1}), SpikeFunction(surrogate::Exponential{0.1, 0.7})})
    for (const Reset reset : {Reset::none, Reset::differentiated})
      for (const ResetKind kind : {ResetKind::all, ResetKind::leak})
        for (const bool rich : {false, true}) {
          CAPTURE(f.name());
          Lif lif{.tau_mem = 0.008, .tau_syn = 0.005, .reset = reset, .reset_kind = kind};
          lif.activation = Activation::deterministic;
          lif.surrogate = f;
          if (rich) lif.recurrent = true, lif.adaptation = 0.3, lif.learned_tau = Learned::neuron;
          const Network network(4, 12, {Linear{3}, lif, Linear{3}, lif, Linear{2}, LeakyReadout{}});
          Eigen::VectorXd theta = network.initial<double>({.seed = 7, .sigma_u = 1});
          // One output goes up, one down: else both may be largest where they start, at 0.
          for (Eigen::Index j = 0; j < 6; ++j)
            theta[theta.size() - 6 + j] = (j % 2 ? -1 : 1) * std::abs(theta[theta.size() - 6 + j]);
          const auto loss = [&](const auto& x) { return plain_loss(Plain{lif, true}, 3, 2, data, 0, x); };
          const auto [value, gradient] = value_and_gradient(loss, theta);
          REQUIRE(gradient.norm() > 1e-4);
          for (Eigen::Index i = 0; i < theta.size(); ++i) {
            Eigen::VectorXd up = theta, down = theta;
            up[i] += 1e-6, down[i] -= 1e-6;
            const double difference = (loss(Vector<double>(up)) - loss(Vector<double>(down))) / 2e-6;
            CHECK(std::abs(gradient[i] - difference) < 1e-6 * (1 + gradient.norm()));
          }
        }
}
