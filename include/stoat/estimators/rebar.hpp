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

/// RELAX (Grathwohl, Choi, Wu, Roeder and Duvenaud 2018) with eta f(s(.)) + r in place of eta f(s(.)), where the learnt correction
/// r is a constant: a baseline. Pilot runs choose the temperature among the given ones, and eta and r for each of them by least
/// squares of the estimate over all components. Unbiased, as pilots and samples share no run. Refuses what Rebar refuses.
struct Relax {
  std::vector<double> temperatures = {0.25, 0.5, 1, 2};
  int pilots = 200;  ///< >= 4
  static constexpr bool unbiased = true;
  std::string name() const { return "Relax"; }
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  STOAT_SAMPLE;
};

}  // namespace stoat
