// examples/inventory/program.hpp: a stock that is filled up whenever it falls below a level.
#pragma once

#include <stoat/stoat.hpp>

namespace inventory {

using namespace stoat;

/// The (s, S) policy: a stock that is below theta[0] at the start of a week is filled up to theta[1], which costs a delivery.
/// Demand in a week is exponential with mean theta[2]; what is not there is sold all the same and delivered later. The outcome:
/// the mean cost of a week, for deliveries, for what is in stock at its end and for what is owed then.
struct Inventory {
  int weeks = 26;
  double delivery = 60, storage = 1, shortage = 9;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S stock = theta[1], cost = 0;
    bool low = false;
    for (int week = 0; week < weeks; ++week) {
      if (low) stock = theta[1], cost += delivery;
      // Whether this week's demand leaves less than theta[0] is a draw of its own, so that the gradient sees it change.
      const Split<S> demand = draw.split(Exponential(1 / theta[2]), stock - theta[0]);
      low = !demand.below;
      stock -= demand.x;
      cost += storage * max(stock, 0.0) + shortage * max(-stock, 0.0);
    }
    return cost / weeks;
  }
};

}  // namespace inventory
