// examples/epidemic/program.hpp: people who meet at places and infect each other.
#pragma once

#include <vector>

#include <stoat/stoat.hpp>

#include "network.hpp"

namespace epidemic {

using namespace stoat;

/// theta = logits of the probabilities that a person is infected at first, that an infected one recovers in a step, and, for each
/// place, that an infected person infects another one there in a step. In each step everybody takes any way of the network; who
/// is infected, and who recovers, is decided after that. The outcome: mean squared distance of the infected share to a
/// trajectory, in percent.
struct Epidemic {
  Network network;
  int people = 200;
  std::vector<double> trajectory;  // infected share in each step

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    enum Health { susceptible, infected, recovered };
    const auto places = network.size();
    const Vector<S> probability = logistic(theta);
    std::vector<int> health(std::size_t(people), susceptible);
    std::vector<std::size_t> place(health.size());
    for (std::size_t a = 0; a < place.size(); ++a) place[a] = a % places;
    for (int& h : health) h = int(draw(Bernoulli(probability[0])));

    S distance = 0;
    for (const double target : trajectory) {
      std::vector<int> contacts(places, 0);
      for (std::size_t a = 0; a < place.size(); ++a) {
        const std::vector<int>& ways = network[place[a]];
        place[a] = std::size_t(ways[std::size_t(draw(DiscreteUniform(0, int(ways.size()) - 1)))]);
        if (health[a] == infected) ++contacts[place[a]];
      }
      double sick = 0;
      for (std::size_t a = 0; a < place.size(); ++a) {
        S chance = 0;  // of the next state of health; everybody draws, so that random numbers stay with their owners
        if (health[a] == infected) chance = probability[1];
        else if (health[a] == susceptible && contacts[place[a]] > 0)
          chance = 1 - pow(1 - probability[2 + Eigen::Index(place[a])], contacts[place[a]]);
        if (draw(Bernoulli(chance))) ++health[a];
        sick += health[a] == infected;
      }
      const double off = 100 * (sick / people - target);
      distance += off * off / double(trajectory.size());
    }
    return distance;
  }
};

}  // namespace epidemic
