// examples/gillespie/plain.hpp: the same reactions without stoat.
#pragma once

#include <boost/random/discrete_distribution.hpp>
#include <boost/random/exponential_distribution.hpp>

#include "network.hpp"

namespace gillespie {

struct PlainGillespie {
  Network network;
  double time = 8, target = 30;
  Eigen::Index observed = 1;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const Eigen::MatrixXi change = network.made - network.used;
    Eigen::VectorXi number = network.start;
    double left = time;
    for (;;) {
      const Eigen::VectorXd rates = theta.cwiseProduct(network.ways(number));
      if (rates.sum() == 0) break;
      left -= boost::random::exponential_distribution<>(rates.sum())(generator);
      if (left < 0) break;
      number += change.col(boost::random::discrete_distribution<>(rates.begin(), rates.end())(generator));
    }
    return (number[observed] - target) * (number[observed] - target);
  }
};

}  // namespace gillespie
