// stoat/estimators/rebar.hpp: score functions with the relaxed cost as control variate. Unbiased.
#pragma once

#include <vector>

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// REBAR (Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein 2017): with relaxed values s(z) of the draws b = H(z), and s(z~) with
/// z~ drawn anew given b,
///   (f(b) - eta f(s(z~))) d log P(b) + d_c f(b) + eta (d f(s(z)) - d f(s(z~))).
/// Unbiased for every eta and temperature > 0. Refuses draws whose probabilities depend on relaxed draws, and what GumbelSoftmax
/// refuses. One plain run and three recordings.
struct Rebar {
  double temperature = 0.5;
  double eta = 1;
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

/// RELAX (Grathwohl, Choi, Wu, Roeder and Duvenaud 2018): eta f(s(.)) + r(.) in place of eta f(s(.)). The free part r is a constant
/// (a baseline) and, with hidden > 0, a network of the relaxed values of all draws, with one hidden layer of so many tanh units.
/// Pilot runs choose the temperature among the given ones, and eta and the constant for each of them by least squares of the
/// estimate over all components. The network is trained at that temperature by the gradient of the squared estimate in its weights;
/// then eta, the constant and the size of the network are fitted once more. Unbiased whatever was learnt, as pilots and samples
/// share no run. Refuses what Rebar refuses; a network also refuses programs whose draws that move are not the same in every run.
struct Relax {
  std::vector<double> temperatures = {0.25, 0.5, 1, 2};  ///< to choose from, each > 0
  int pilots = 200;                                      ///< runs of each fit, >= 4
  int hidden = 0;                                        ///< units of the network; 0: none
  int training = 2000;                                   ///< runs that train the network, one a step; 2 to 500000
  static constexpr bool unbiased = true;
  std::string name() const;
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  STOAT_SAMPLE;
};

}  // namespace stoat
