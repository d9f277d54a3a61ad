#include "model.hpp"

#include "tape.hpp"

using namespace stoat;

Estimate of_coin(double p) {
  auto coin = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S { return 3 * draw(Bernoulli(theta[0])); };
  return estimate(coin, Eigen::VectorXd::Constant(1, p), StochasticDerivative{}, {.samples = 1000});
}

Var<double> twice(const Var<double>& x) { return 2 * x * one(); }

void refuse() { of_coin(1.5); }
