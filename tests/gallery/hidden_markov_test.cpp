// Likelihoods of hidden Markov chains against the forward algorithm.
#include <doctest/doctest.h>

#include <common/showcase.hpp>
#include <hidden_markov/forward.hpp>
#include <hidden_markov/plain.hpp>

#include "agreement.hpp"

using namespace hidden_markov;

namespace {

Eigen::VectorXd theta() {
  Eigen::VectorXd t(10);
  t << 1.2, -0.4, -0.9, 0.3, 1, 0.2, -1.1, -0.8, 0.1, 0.9;
  return t;
}

stoat::Exact truth(const HiddenMarkov& model) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return likelihood(model, t); }, theta(), "forward algorithm");
}

}  // namespace

TEST_CASE("the likelihood of a hidden Markov chain, enumerated") {
  for (const int chains : {1, 2}) {
    const HiddenMarkov model{.observed = {0, 2, 1, 2}, .chains = chains};
    const stoat::Exact x = stoat::enumerate(model, theta()), t = truth(model);
    CHECK(x.value == doctest::Approx(t.value).epsilon(1e-11));
    CHECK((x.gradient - t.gradient).norm() <= 1e-9 * t.gradient.norm());
  }
}

TEST_CASE("the likelihood of a hidden Markov chain, estimated, and its plain twin") {
  const HiddenMarkov model{.observed = {0, 0, 1, 0, 2, 2, 1, 2}, .chains = 2};
  agreement::check_estimates(model, theta(), truth(model), 10'000);
  agreement::check_plain(PlainHiddenMarkov{model.observed, 2, 3, 2}, theta(), truth(model).value, 100'000);
}
