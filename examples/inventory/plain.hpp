// examples/inventory/plain.hpp: the same stock without stoat.
#pragma once

#include <algorithm>

#include <Eigen/Core>
#include <boost/random/exponential_distribution.hpp>

namespace inventory {

struct PlainInventory {
  int weeks = 26;
  double delivery = 60, storage = 1, shortage = 9;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    boost::random::exponential_distribution<> demand(1 / theta[2]);
    double stock = theta[1], cost = 0;
    for (int week = 0; week < weeks; ++week) {
      if (stock < theta[0]) stock = theta[1], cost += delivery;
      stock -= demand(generator);
      cost += storage * std::max(stock, 0.0) + shortage * std::max(-stock, 0.0);
    }
    return cost / weeks;
  }
};

}  // namespace inventory
