// site_choice.hpp: what estimators share that replay chosen sites.
#pragma once

#include <string>

#include <boost/random/normal_distribution.hpp>

#include <stoat/program/trace.hpp>

namespace stoat::detail {

/// One tangent sweep: unit vectors for up to four parameters (exact norms), random normal directions beyond.
template <class T>
void sweep_tangents(Trace<T>& trace, Generator& choices) {
  static thread_local Eigen::Matrix<T, Eigen::Dynamic, 4> directions;
  const Eigen::Index d = trace.parameters();
  directions.setZero(d, 4);
  if (d <= 4) {
    for (Eigen::Index j = 0; j < d; ++j) directions(j, j) = 1;
  } else {
    boost::random::normal_distribution<double> normal(0, 0.5);  // four directions: E|norm|^2 = |d_c p|^2
    for (Eigen::Index j = 0; j < d; ++j)
      for (int l = 0; l < 4; ++l) directions(j, l) = static_cast<T>(normal(choices));
  }
  trace.tangents(directions);
}

/// "StochasticDerivative(4)", "StochasticDerivative(all)"
inline std::string with_count(const char* name, int replays) {
  return std::string(name) + (replays == 0 ? "(all)" : "(" + std::to_string(replays) + ")");
}

}  // namespace stoat::detail
