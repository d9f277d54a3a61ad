// examples/queue/chain.hpp: the expected cost of a customer, exactly.
#pragma once

#include "program.hpp"

namespace queue {

/// Exponential times have no memory, so the number of people right after an arrival is a Markov chain. Before the next arrival
/// each service ends with probability q = mu / (lambda + mu), and people spend A_i = (i + mu A_{i-1}) / (lambda + mu) hours here, i
/// being their number.
inline double expected(const Queue& model, const Eigen::VectorXd& theta) {
  const double arrivals = theta[0], services = theta[1], q = services / (arrivals + services);
  Eigen::VectorXd hours = Eigen::VectorXd::Zero(model.room + 1);
  for (int i = 1; i <= model.room; ++i) hours[i] = (i + services * hours[i - 1]) / (arrivals + services);
  Eigen::VectorXd before = Eigen::VectorXd::Unit(model.room + 1, 0);
  double cost = 0;
  for (int c = 0; c < model.customers; ++c) {
    cost += model.sent_away * before[model.room];
    Eigen::VectorXd here = Eigen::VectorXd::Zero(model.room + 1);
    here.tail(model.room) = before.head(model.room);
    here[model.room] += before[model.room];
    cost += model.hour * here.dot(hours);
    before.setZero();
    for (int i = 1; i <= model.room; ++i) {
      double chance = here[i];  // of so many services
      for (int j = i; j > 0; --j) {
        before[j] += chance * (1 - q);
        chance *= q;
      }
      before[0] += chance;
    }
  }
  return cost / model.customers;
}

}  // namespace queue
