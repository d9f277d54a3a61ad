// examples/gillespie/program.hpp: chemical reactions, one by one.
#pragma once

#include <stoat/stoat.hpp>

#include "network.hpp"

namespace gillespie {

using namespace stoat;

/// Mass-action kinetics by the direct method (Gillespie 1977): each reaction happens at theta[r] times the number of ways in which
/// it can choose what it uses. The outcome: squared distance to a target of the number of one species when the time is over.
struct Gillespie {
  Network network;
  double time = 8, target = 30;
  Eigen::Index observed = 1;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Eigen::MatrixXi change = network.made - network.used;
    Eigen::VectorXi number = network.start;
    S left = time;
    for (;;) {
      const Vector<S> rates = cwise_product(theta, Vector<double>(network.ways(number)));
      const NextOfSeveral<S> next = draw.next_event(rates, left);
      if (!next.happened) break;
      left -= next.wait;
      number += change.col(next.which);
    }
    return square(number[observed] - target);
  }
};

}  // namespace gillespie
