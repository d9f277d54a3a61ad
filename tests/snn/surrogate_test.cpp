#include <doctest/doctest.h>

#include <algorithm>
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

/// log f and log(1 - f) against f and 1 - f where these do not underflow, and their slopes against differences of them wherever
/// they are finite.
template <class F>
void check_logarithms(const F& f, const std::vector<double>& at) {
  CAPTURE(F::name);
  const SpikeFunction erased(f);
  for (const double z : at) {
    CAPTURE(z);
    for (const bool spike : {true, false}) {
      CAPTURE(spike);
      const auto log_of = [&](double x) { return spike ? erased.log_value(x) : erased.log_complement(x); };
      const LogProbability found = log_of(z);
      const double probability = spike ? erased.value(z) : erased.complement(z);
      if (probability == 0 && found.value == -std::numeric_limits<double>::infinity()) continue;
      if (probability > 1e-300) CHECK(found.value == doctest::Approx(std::log(probability)).epsilon(1e-9).scale(1e-7));
      const double h = 1e-5, up = log_of(z + h).value, down = log_of(z - h).value;
      CHECK(found.slope == doctest::Approx((up - down) / (2 * h)).epsilon(1e-5).scale(1e-3));
    }
  }
}

/// Without logarithms of its own.
struct Ramp {
  static constexpr std::string_view name = "ramp";
  static constexpr bool probability = true;
  std::string problem() const { return {}; }
  template <class T>
  T value(T z) const {
    return std::clamp(z + T(0.5), T(0), T(1));
  }
  template <class T>
  T derivative(T z) const {
    return std::abs(z) < T(0.5) ? T(1) : T(0);
  }
};

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

TEST_CASE("logarithms of escape functions, far from the threshold too") {
  const std::vector<double> at{-900, -77, -12, -8.1, -4.2, -1.3, -0.31, -0.02, 0.01, 0.29, 1.7, 4.3, 7.9, 13, 80, 900};
  check_logarithms(escape::Sigmoid{10}, at);
  check_logarithms(escape::Sigmoid{100}, at);
  check_logarithms(escape::Exponential{}, at);
  check_logarithms(escape::Exponential{0.9, 0.01}, at);
  check_logarithms(escape::Erf{}, at);
  check_logarithms(escape::Erf{1}, at);
  check_logarithms(escape::Hazard{}, at);
  check_logarithms(escape::Hazard{.at_threshold = 1, .delta = 0.3, .dt = 1e-5}, at);
  check_logarithms(Ramp{}, {-0.49, -0.2, 0.1, 0.48});

  // Asymptotes. Of the normal distribution: log f = -x^2 / 2 - log(|x| sqrt(2 pi)) - 1 / x^2 + ..., x = z / sigma.
  CHECK(escape::Sigmoid{100}.value(-8.0) == 0);
  CHECK(escape::Sigmoid{100}.log_value(-8).value == -800);
  CHECK(escape::Sigmoid{100}.log_value(-8).slope == 100);
  CHECK(escape::Sigmoid{100}.log_complement(8).value == -800);
  CHECK(escape::Sigmoid{100}.log_complement(8).slope == -100);
  CHECK(escape::Exponential{0.5, 0.01}.log_value(-8).value == doctest::Approx(std::log(0.5) - 800).epsilon(1e-14));
  const double x = 1000;
  CHECK(escape::Erf{0.01}.log_value(-10).value ==
        doctest::Approx(-x * x / 2 - std::log(x * std::sqrt(2 * std::numbers::pi)) - 1 / (x * x)).epsilon(1e-15));
  CHECK(escape::Erf{0.01}.log_value(-10).slope == doctest::Approx((x + 1 / x) / 0.01).epsilon(1e-11));
  CHECK(escape::Hazard{500, 0.01, 0.001}.log_value(-8).value == doctest::Approx(std::log(0.5) - 800).epsilon(1e-14));
  CHECK(escape::Hazard{500, 0.01, 0.001}.log_complement(0.1).value == doctest::Approx(-0.5 * std::exp(10.0)).epsilon(1e-14));
  // Where erfc is about to underflow another form takes over: no step there. (log f)'' = -1 + 1 / z^2 + O(1 / z^4).
  const auto log_f = [](double z) { return escape::Erf{1}.log_value(z).value; };
  const double seam = -25 * std::numbers::sqrt2, h = 1e-3;
  CHECK(std::abs(log_f(seam + h) - 2 * log_f(seam) + log_f(seam - h) + h * h * (1 - 1 / (seam * seam))) < 1e-11);
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
