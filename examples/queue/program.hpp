// examples/queue/program.hpp: a counter with a queue in front of it.
#pragma once

#include <stoat/stoat.hpp>

namespace queue {

using namespace stoat;

/// Customers come with rate theta[0] to a counter that serves with rate theta[1], one at a time; who finds `room` others is sent
/// away. The outcome: mean cost of a customer, of the hours that people spend here before the last gap between arrivals is over,
/// and of those who were sent away. Which event comes first is drawn before its time, so that the gradient sees the order change.
struct Queue {
  int customers = 50, room = 6;
  double hour = 1, sent_away = 5;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Exponential gap(theta[0]), service(theta[1]);
    S cost = 0, busy = 0;  // until the present service ends
    int here = 0;
    for (int c = 0; c < customers; ++c) {
      if (here == room) cost += sent_away;
      else if (++here == 1) busy = draw(service);
      const Split<S> next = draw.split(gap, busy);
      S left = next.x;  // until the next customer comes
      bool served = !next.below;
      while (served) {
        cost += hour * here * busy;
        left -= busy;
        if (--here == 0) break;
        const Split<S> another = draw.split(service, left);
        busy = another.x, served = bool(another.below);
      }
      cost += hour * here * left;
      busy -= left;
    }
    return cost / customers;
  }
};

}  // namespace queue
