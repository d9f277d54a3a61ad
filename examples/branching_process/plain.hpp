// examples/branching_process/plain.hpp: the same families without stoat.
#pragma once

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/poisson_distribution.hpp>

namespace branching_process {

struct PlainBranchingProcess {
  int founders = 3, generations = 10;

  template <class Generator>
  bool survives(Generator& generator, const Eigen::VectorXd& theta, int generation) const {
    if (generation == generations) return true;
    if (!boost::random::bernoulli_distribution<>(theta[0])(generator)) return false;
    const int children = boost::random::poisson_distribution<>(theta[1])(generator);
    for (int c = 0; c < children; ++c)
      if (survives(generator, theta, generation + 1)) return true;
    return false;
  }

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    for (int f = 0; f < founders; ++f)
      if (survives(generator, theta, 0)) return 0;
    return 1;
  }
};

}  // namespace branching_process
