// examples/epidemic/plain.hpp: the same people without stoat.
#pragma once

#include <cmath>
#include <vector>

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/uniform_int_distribution.hpp>

#include "network.hpp"

namespace epidemic {

struct PlainEpidemic {
  Network network;
  int people = 200;
  std::vector<double> trajectory;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta, std::vector<double>* shares = nullptr) const {
    enum Health { susceptible, infected, recovered };
    const auto places = network.size();
    const auto happens = [&](double p) { return boost::random::bernoulli_distribution<>(p)(generator); };
    const Eigen::VectorXd probability = (1 + (-theta.array()).exp()).inverse();
    std::vector<int> health(std::size_t(people), susceptible);
    std::vector<std::size_t> place(health.size());
    for (std::size_t a = 0; a < place.size(); ++a) place[a] = a % places;
    for (int& h : health) h = happens(probability[0]);

    double distance = 0;
    for (const double target : trajectory) {
      std::vector<int> contacts(places, 0);
      for (std::size_t a = 0; a < place.size(); ++a) {
        const std::vector<int>& ways = network[place[a]];
        place[a] = std::size_t(ways[boost::random::uniform_int_distribution<std::size_t>(0, ways.size() - 1)(generator)]);
        if (health[a] == infected) ++contacts[place[a]];
      }
      double sick = 0;
      for (std::size_t a = 0; a < place.size(); ++a) {
        double chance = 0;
        if (health[a] == infected) chance = probability[1];
        else if (health[a] == susceptible && contacts[place[a]] > 0)
          chance = 1 - std::pow(1 - probability[2 + Eigen::Index(place[a])], contacts[place[a]]);
        if (happens(chance)) ++health[a];
        sick += health[a] == infected;
      }
      if (shares) shares->push_back(sick / people);
      const double off = 100 * (sick / people - target);
      distance += off * off / double(trajectory.size());
    }
    return distance;
  }
};

}  // namespace epidemic
