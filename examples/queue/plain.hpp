// examples/queue/plain.hpp: the same counter without stoat.
#pragma once

#include <Eigen/Core>
#include <boost/random/exponential_distribution.hpp>

namespace queue {

struct PlainQueue {
  int customers = 50, room = 6;
  double hour = 1, sent_away = 5;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    boost::random::exponential_distribution<> gap(theta[0]), service(theta[1]);
    double cost = 0, busy = 0;
    int here = 0;
    for (int c = 0; c < customers; ++c) {
      if (here == room) cost += sent_away;
      else if (++here == 1) busy = service(generator);
      double left = gap(generator);
      while (busy < left) {
        cost += hour * here * busy;
        left -= busy;
        if (--here == 0) break;
        busy = service(generator);
      }
      cost += hour * here * left;
      busy -= left;
    }
    return cost / customers;
  }
};

}  // namespace queue
