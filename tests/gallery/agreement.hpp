// tests/gallery/agreement.hpp: estimates against an independent truth, and plain twins against their programs.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include <boost/random/mersenne_twister.hpp>
#include <stoat/driver/enumerate.hpp>
#include <stoat/driver/estimate.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>

namespace agreement {

/// Standard errors that an estimate may be off: a false alarm once in 1.7 million choices of the seed, for each number checked.
inline constexpr double bound = 5;

/// Value and gradient by an estimator, each within `bound` standard errors; every error must be below `power` times the norm of the
/// truth's gradient, so that a wrong gradient would be seen.
inline void check_estimate(const stoat::Program<double>& program, const Eigen::VectorXd& theta,
                           const stoat::AnyEstimator& estimator, const stoat::Exact& truth, std::uint64_t samples,
                           double power = 0.1) {
  const stoat::Estimate e = stoat::estimate(program, theta, estimator, {.samples = samples, .seed = 2024});
  CAPTURE(e.estimator);
  REQUIRE(e.gradient.size() == truth.gradient.size());
  CHECK(std::abs(e.value - truth.value) <= bound * e.value_error + 1e-9 * (1 + std::abs(truth.value)));
  for (Eigen::Index j = 0; j < theta.size(); ++j) {
    CAPTURE(j);
    CAPTURE(e.gradient[j]);
    CAPTURE(truth.gradient[j]);
    CAPTURE(e.gradient_error[j]);
    CHECK(std::abs(e.gradient[j] - truth.gradient[j]) <= bound * e.gradient_error[j] + 1e-9 * (1 + truth.gradient.norm()));
    CHECK(e.gradient_error[j] <= power * truth.gradient.norm());
  }
}

/// The two ways to an unbiased gradient: replays, and score functions.
inline void check_estimates(const stoat::Program<double>& program, const Eigen::VectorXd& theta, const stoat::Exact& truth,
                            std::uint64_t samples, double power = 0.1) {
  check_estimate(program, theta, stoat::StochasticDerivative{2}, truth, samples, power);
  check_estimate(program, theta, stoat::DebiasedSurrogate{2}, truth, samples, power);
  check_estimate(program, theta, stoat::LeaveOneOut{4}, truth, samples, power);
}

/// The mean cost of the plain twin.
template <class Plain>
void check_plain(const Plain& plain, const Eigen::VectorXd& theta, double value, int runs) {
  boost::random::mt19937 generator(2024);
  double sum = 0, squares = 0;
  for (int r = 0; r < runs; ++r) {
    const double x = plain(generator, theta);
    sum += x, squares += x * x;
  }
  const double mean = sum / runs, error = std::sqrt((squares / runs - mean * mean) / (runs - 1));
  CAPTURE(mean);
  CAPTURE(error);
  CHECK(std::abs(mean - value) <= bound * error + 1e-9 * (1 + std::abs(value)));
}

}  // namespace agreement
