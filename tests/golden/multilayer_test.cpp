// A stochastic network of two hidden layers: paper.md 2.2 and the bias of 1.6.
#include <doctest/doctest.h>

#include <cmath>

#include <surrogate_gradients/multilayer.hpp>

using namespace surrogate_gradients;

namespace {

Eigen::VectorXd five(double w, double v1, double v2, double u1, double u2) {
  Eigen::VectorXd v(5);
  v << w, v1, v2, u1, u2;
  return v;
}

double largest(const Eigen::VectorXd& difference) { return difference.cwiseAbs().maxCoeff(); }

/// A block of the printed table.
struct Printed {
  double beta, value, mean_field_value;
  Eigen::VectorXd exact, surrogate, mean_field;
};

const std::vector<Printed>& printed() {
  static const std::vector<Printed> all{
      {1, .499047922750, .498952692280, five(.004720268, .0167906165, -.0208617113, .1345784561, .1132214832),
       five(.0046360937, .0166352462, -.0205651529, .1345784561, .1132214832),
       five(.0048431268, .0177163743, -.0214705724, .1392975979, .1178268394)},
      {5, .680828213220, .763749669434, five(.1993465152, .1711883126, -.4303083503, .4816690634, .2973756081),
       five(.1251422034, .1330987977, -.2990904082, .4816690634, .2973756081),
       five(.1776148167, .2517355474, -.4701581044, .7550112489, .2763187554)},
      {10, .876881947392, .983928863105, five(.2066353115, .0784496547, -.7203878512, .2981116740, .2428906892),
       five(.0422508690, .0275352555, -.1964155546, .2981116740, .2428906892),
       five(.0126933259, .0159612243, -.1019003477, .1547031767, .0204819019)}};
  return all;
}

const Eigen::VectorXd theta = table_parameters();

/// Derivatives of sigma at slope 1.
double sigma(double a) { return 1 / (1 + std::exp(-a)); }
double sigma1(double a) { return sigma(a) * sigma(-a); }

}  // namespace

TEST_CASE("A3: the table of the network") {
  for (const Printed& row : printed()) {
    CAPTURE(row.beta);
    const NetworkGradients g = network_gradients(row.beta, theta);
    CHECK(std::abs(g.exact.value - row.value) < 1e-11);
    CHECK(largest(g.exact.gradient - row.exact) < 1e-9);
    CHECK(std::abs(g.surrogate.value - row.value) < 1e-11);
    CHECK(largest(g.surrogate.mean - row.surrogate) < 1e-9);
    CHECK(std::abs(g.mean_field.value - row.mean_field_value) < 1e-11);
    CHECK(largest(g.mean_field.gradient - row.mean_field) < 1e-9);
  }
}

TEST_CASE("A3: one-sided and affine smoothed derivatives at every unit, slope 5") {
  const NetworkGradients g = network_gradients(5, theta);
  CHECK(largest(g.right.mean - five(.2270935991, .2091434638, -.2207378180, .4816690634, .2973756081)) < 1e-9);
  CHECK(largest(g.left.mean - five(.1382218807, .1228072713, -.5120748303, .4816690634, .2973756081)) < 1e-9);
  const Rule affine = [](const Site& site, std::span<double> out) { SmoothedEdge{1 - site.pmf(1)}(site, out); };
  CHECK(largest(expected_surrogate(stochastic_network(5, 5), theta, affine).mean - g.surrogate.mean) < 1e-12);
}

TEST_CASE("A3: sampled surrogate gradients agree with their exact means") {
  // 3 slopes, 3 estimators, 5 components within 5 standard errors: a false alarm for one seed in 39 000.
  for (const Printed& row : printed()) {
    const Program<double> program = stochastic_network(row.beta, row.beta);
    const NetworkGradients g = network_gradients(row.beta, theta);
    const auto check = [&](const AnyEstimator& estimator, const Eigen::VectorXd& mean) {
      CAPTURE(row.beta);
      CAPTURE(estimator.name());
      const Estimate e = estimate(program, theta, estimator, {.samples = 50'000, .seed = 3});
      for (Eigen::Index j = 0; j < 5; ++j) CHECK(std::abs(e.gradient[j] - mean[j]) < 5 * e.gradient_error[j]);
    };
    check(StraightThrough{}, g.surrogate.mean);
    check(SmoothedDerivative{1}, g.right.mean);
    check(SmoothedDerivative{0}, g.left.mean);
  }
}

TEST_CASE("A4: of the last layer the surrogate gradient is right on average, of hidden layers it is not") {
  for (const double beta : {1.0, 5.0, 10.0}) {
    const NetworkGradients g = network_gradients(beta, theta);
    for (const Eigen::VectorXd& mean : {g.surrogate.mean, g.right.mean, g.left.mean})
      CHECK(largest((mean - g.exact.gradient).tail(2)) < 1e-12);
  }
  const NetworkGradients g = network_gradients(5, theta);
  for (Eigen::Index j = 0; j < 3; ++j) CHECK(std::abs(g.surrogate.mean[j] - g.exact.gradient[j]) > 1e-3);
}

TEST_CASE("A5: coupled jumps without smoothing are right on average") {
  // 5 components within 5 standard errors: a false alarm for one seed in 350 000.
  const Eigen::VectorXd exact = five(.1993465152, .1711883126, -.4303083503, .4816690634, .2973756081);
  const Estimate e = estimate(stochastic_network(5, 5), theta, StochasticDerivative{0}, {.samples = 1'000'000, .seed = 5});
  for (Eigen::Index j = 0; j < 5; ++j) CHECK(std::abs(e.gradient[j] - exact[j]) < 5 * e.gradient_error[j]);
  CHECK(e.gradient_error[0] < 4e-4);
}

TEST_CASE("2.2: bias and spread of single draws, slope 5") {
  // Means within 5 standard errors: a false alarm for one seed in 350 000. Deviations are printed with three digits, from 1e6
  // draws.
  const std::vector<SingleDraws> found = single_draws(5, 150'000, 4);
  REQUIRE(found.size() == 5);
  const double deviations[] = {.880, .377, .330, 1.367, .0962};
  for (std::size_t i = 0; i < 5; ++i) {
    CAPTURE(found[i].name);
    CHECK(std::abs(found[i].mean - (i == 4 ? .1251422034 : .1993465152)) < 5 * found[i].error);
    CHECK(std::abs(found[i].deviation / deviations[i] - 1) < 0.02);
  }
  // That of the surrogate gradient exactly; .0962 in paper.md is sampled.
  CHECK(std::abs(network_gradients(5, theta).surrogate.deviation[0] - .0963498502) < 1e-9);
}

TEST_CASE("1.6: the surrogate gradient is a quadrature of two points along the jump of a hidden spike") {
  for (const double p : {0.8, 0.5, 0.1})
    for (const double u : {-2.0, 0.3, 4.0}) {
      const double bias = 0.7, slope = p * (1 - p);
      const PairSlopes s = pair_slopes(p, u, bias);
      CHECK(std::abs(s.exact - slope * (sigma(bias + u) - sigma(bias))) < 1e-12);
      CHECK(std::abs(s.surrogate - slope * u * (p * sigma1(bias + u) + (1 - p) * sigma1(bias))) < 1e-12);
      CHECK(std::abs(s.right - slope * u * sigma1(bias)) < 1e-12);
      CHECK(std::abs(s.left - slope * u * sigma1(bias + u)) < 1e-12);
    }
}

TEST_CASE("1.6: its error is of the order u^2, or u^3 if the spike has probability 1/2") {
  const auto order = [](double p) {
    const auto error = [&](double u) {
      const PairSlopes s = pair_slopes(p, u, 1);
      return std::abs(s.surrogate - s.exact);
    };
    return std::log2(error(0.02) / error(0.01));
  };
  CHECK(order(0.8) == doctest::Approx(2).epsilon(0.02));
  CHECK(order(0.3) == doctest::Approx(2).epsilon(0.02));
  CHECK(order(0.5) == doctest::Approx(3).epsilon(0.02));
}

TEST_CASE("deterministic limit: the exact gradient vanishes, the surrogate gradient stays") {
  const std::vector<LimitPoint> limit = deterministic_limit({1, 10, 100, 1000}, 5);
  // paper.md prints .08364 for slope 10; it is .0836325.
  const double exact[] = {.00472, .2066, 5.8e-12, 3.2e-128}, surrogate[] = {.16676, .0836325, .05828, .05828};
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(limit[i].beta);
    CHECK(std::abs(limit[i].exact / exact[i] - 1) < 0.01);
    CHECK(std::abs(limit[i].surrogate - surrogate[i]) < 5e-6);
  }
  // The network without noise has the surrogate gradient of the limit.
  const auto unit = neuron(Step{}, Sigmoid{5});
  const auto [y, gradient] = value_and_gradient([&](const auto& t) { return four_units(t, unit); }, theta);
  CHECK(y == 1);
  CHECK(gradient[0] != 0);
}

TEST_CASE("3000 random networks: how often signs agree, and directions") {
  const RandomNetworks r = random_networks(3000, 5, 1);
  // Paper: 89.6 %, 0.929, 1.1 %, from as many other networks. 4 standard errors of the difference: a false alarm for one seed in
  // 5000.
  const auto share_error = [](double share) { return std::sqrt(2 * share * (1 - share) / 3000); };
  CHECK(std::abs(r.same_sign_w - .896) < 4 * share_error(.896));
  CHECK(std::abs(r.cosine_mean - .929) < 4 * std::sqrt(2.0) * r.cosine_error);
  CHECK(std::abs(r.opposed - .011) < 4 * share_error(.011));
  // The slope of a sigmoid is positive everywhere, so that these signs cannot be wrong.
  CHECK(r.same_sign_rest == 1);
  CHECK(r.cosine_least < -0.5);
}

TEST_CASE("branches share what came before the flip, and the random numbers after it") {
  const Branches found = branches(5, 1);
  REQUIRE(found.flipped.size() == 4);
  // The probabilities of the four units by hand.
  const auto chances = [](const std::vector<std::int64_t>& x) {
    const auto g = static_cast<double>(x[0]), h1 = static_cast<double>(x[1]), h2 = static_cast<double>(x[2]);
    return std::vector<double>{sigma(5 * 0.3), sigma(5 * 0.4 * g), sigma(-5 * 0.2 * g), sigma(5 * (0.5 * h1 - 0.6 * h2))};
  };
  for (std::size_t flip = 0; flip < 4; ++flip) {
    CAPTURE(flip);
    const Path& path = found.flipped[flip];
    for (std::size_t i = 0; i < 4; ++i) {
      CAPTURE(i);
      CHECK(path.chances[i] == doctest::Approx(chances(path.outcomes)[i]).epsilon(1e-12));
      CHECK(found.run.chances[i] == doctest::Approx(chances(found.run.outcomes)[i]).epsilon(1e-12));
      const bool same = path.outcomes[i] == found.run.outcomes[i];
      if (i <= flip) CHECK(same == (i < flip));
      // On the same number a coin falls the other way only if its probability moved, and only that way.
      else if (!same) CHECK((path.chances[i] > found.run.chances[i]) == (path.outcomes[i] == 1));
    }
  }
  CHECK((found.flipped[0].outcomes[1] != found.run.outcomes[1] || found.flipped[0].outcomes[2] != found.run.outcomes[2]));
}
