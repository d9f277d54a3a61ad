// examples/queue/main.cpp: what to charge, and how fast to serve.
#include <algorithm>
#include <cmath>

#include <common/showcase.hpp>

#include "chain.hpp"
#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace queue;

namespace {

/// Loss of an hour. A price keeps customers away, and speed costs wages. t = (price, logarithm of the services in an hour).
struct Business {
  Queue counter;

  template <class S>
  static S arrivals(const S& price) {
    return 12 * exp(-price / 3);
  }
  template <class S>
  static S loss(const S& price, const S& services, const S& cost) {
    return arrivals<S>(price) * (cost - price) + 0.5 * services;
  }
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S services = exp(t[1]);
    return loss<S>(t[0], services, counter(draw, Vector<S>{arrivals<S>(t[0]), services}));
  }
  double expected(double price, double services) const {
    return loss(price, services, queue::expected(counter, Eigen::Vector2d(arrivals(price), services)));
  }
};

/// On a fine grid.
double least_loss(const Business& business) {
  double least = business.expected(1, 1);
  for (double price = 0; price < 8; price += 0.05)
    for (double services = 0.5; services < 20; services += 0.1) least = std::min(least, business.expected(price, services));
  return least;
}

}  // namespace

int main(int argc, char** argv) {
  const Queue counter;
  const Business business{counter};
  const Eigen::VectorXd theta = Eigen::Vector2d(4, 5);
  return showcase::run(
      {.name = "queue",
       .title = "What to charge, and how fast to serve",
       .text = "<p>Fifty customers come to a counter, four an hour; it serves five an hour, one at a time, and sends away who "
               "finds six "
               "others. How does the mean cost of a customer, for waiting and for being sent away, depend on the two rates?</p>",
       .program = counter,
       .theta = theta,
       .parameters = {"arrivals", "services"},
       .plain = [](const Eigen::VectorXd& t, auto& generator) { return PlainQueue{}(generator, t); },
       .truth =
           [counter, theta] {
             return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(counter, t); }, theta, "Markov chain");
           },
       .estimator = StochasticDerivative{4},
       .samples = 20'000,
       .descent = {.program = business,
                   .start = Eigen::Vector2d(0.5, 1),
                   .estimator = StochasticDerivative{4},
                   .optimizer = Adam{0.05},
                   .iterations = 300,
                   .samples = 32,
                   .cost = "loss of an hour",
                   .parameters = {"price", "log services"},
                   .known = [&] { return least_loss(business); },
                   .known_source = "least, on a grid of the Markov chain"}},
      argc, argv);
}
