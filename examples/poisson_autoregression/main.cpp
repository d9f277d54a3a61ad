// examples/poisson_autoregression/main.cpp: where a series of counts began, from its end.
#include <cmath>

#include <common/showcase.hpp>

#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace poisson_autoregression;

namespace {

/// theta of the whole model from the first rate alone, whose logarithm is minimised over.
struct FirstRate {
  PoissonAutoregression model;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    return model(draw, Vector<S>{exp(t[0]), S(0.25), S(0.9), S(0.51)});
  }
};

/// E rate_{t+1} = a + (b + c) E rate_t.
double mean_rate(const Eigen::VectorXd& theta, int steps) {
  double rate = theta[0];
  for (int t = 0; t < steps; ++t) rate = theta[1] + (theta[2] + theta[3]) * rate;
  return rate;
}

}  // namespace

int main(int argc, char** argv) {
  const PoissonAutoregression model;
  const Eigen::VectorXd theta = Eigen::Vector4d(5.42, 0.25, 0.9, 0.51);
  return showcase::run(
      {.name = "poisson_autoregression",
       .title = "Where a series of counts began",
       .text =
           "<p>A count is Poisson with a rate that remembers the last count and the last rate. How does the rate after ten counts "
           "depend on the first rate and on the three coefficients? Then: which first rate explains best that the tenth count was "
           "140?</p>",
       .program = model,
       .theta = theta,
       .parameters = {"first rate", "a", "b", "c"},
       .plain = [](const Eigen::VectorXd& t, auto& generator) { return PlainPoissonAutoregression{}(generator, t); },
       .truth =
           [theta] {
             return showcase::differentiated([](const Eigen::VectorXd& t) { return mean_rate(t, 10); }, theta,
                                             "recursion of means");
           },
       .estimator = DebiasedSurrogate{1},
       .samples = 20'000,
       .descent = {.program = FirstRate{PoissonAutoregression{.steps = 9, .observed = 140}},
                   .start = Eigen::VectorXd::Constant(1, std::log(20.5)),
                   .estimator = StochasticDerivative{4},
                   .optimizer = Adam{0.02},
                   .iterations = 400,
                   .samples = 32,
                   .cost = "minus likelihood",
                   .parameters = {"log first rate"}}},
      argc, argv);
}
