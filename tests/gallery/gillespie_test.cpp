// Reactions one by one against equations of their moments and of their probabilities.
#include <doctest/doctest.h>

#include <common/showcase.hpp>
#include <gillespie/moments.hpp>
#include <gillespie/plain.hpp>

#include "agreement.hpp"

using namespace gillespie;

namespace {

/// 2 A -> B and back.
Network dimers(int monomers) {
  Network network{Eigen::MatrixXi(2, 2), Eigen::MatrixXi(2, 2), Eigen::Vector2i(monomers, 0)};
  network.used << 2, 0, 0, 1;
  network.made << 0, 2, 1, 0;
  return network;
}

/// The expected squared number of dimers, from the probabilities of all numbers of them.
double expected_dimers(double time, int monomers, const Eigen::VectorXd& theta) {
  const int most = monomers / 2;
  Eigen::MatrixXd generator = Eigen::MatrixXd::Zero(most + 1, most + 1);
  for (int b = 0; b <= most; ++b) {
    const int a = monomers - 2 * b;
    const double forth = theta[0] * a * (a - 1), back = theta[1] * b;
    if (b < most) generator(b + 1, b) = forth;
    if (b > 0) generator(b - 1, b) = back;
    generator(b, b) = -forth - back;
  }
  // exp(generator * time) by its series: rates are moderate.
  Eigen::VectorXd p = Eigen::VectorXd::Unit(most + 1, 0), term = p;
  for (int k = 1; k < 80; ++k) {
    term = (generator * term * time / k).eval();
    p += term;
  }
  double mean = 0;
  for (int b = 0; b <= most; ++b) mean += b * b * p[b];
  return mean;
}

/// One species, made one by one.
Network births() { return {Eigen::MatrixXi::Zero(1, 1), Eigen::MatrixXi::Ones(1, 1), Eigen::VectorXi::Zero(1)}; }

}  // namespace

TEST_CASE("the number of events of a Poisson process has the published derivative") {
  const Gillespie model{.network = births(), .time = 4, .target = 0, .observed = 0};
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 1.5);
  const stoat::Exact truth =
      showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "moments");
  CHECK(truth.value == doctest::Approx(42));
  CHECK(truth.gradient[0] == doctest::Approx(52));
  agreement::check_estimates(model, theta, truth, 20'000);
}

TEST_CASE("proteins of a gene, estimated, and of the plain twin") {
  const Gillespie model{.network = gene_expression(), .time = 2, .target = 8};
  const Eigen::VectorXd theta = Eigen::Vector4d(2, 1, 1.5, 0.5);
  const stoat::Exact truth =
      showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "moments");
  agreement::check_estimates(model, theta, truth, 20'000);
  agreement::check_plain(PlainGillespie{model.network, 2, 8}, theta, truth.value, 100'000);
}

TEST_CASE("pairs that form and break up, estimated, and of the plain twin") {
  const Gillespie model{.network = dimers(7), .time = 1.5, .target = 0};
  const Eigen::VectorXd theta = Eigen::Vector2d(0.05, 0.4);
  const stoat::Exact truth =
      showcase::differentiated([&](const Eigen::VectorXd& t) { return expected_dimers(1.5, 7, t); }, theta, "all states");
  agreement::check_estimates(model, theta, truth, 20'000);
  agreement::check_plain(PlainGillespie{model.network, 1.5, 0}, theta, truth.value, 100'000);
}
