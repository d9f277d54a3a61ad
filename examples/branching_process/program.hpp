// examples/branching_process/program.hpp: whether families die out.
#pragma once

#include <cstdint>

#include <stoat/stoat.hpp>

namespace branching_process {

using namespace stoat;

/// Every individual lives to breed with probability theta[0] and then has Poisson(theta[1]) children. The outcome: 1 if the
/// founders have no descendants after some generations, else 0.
struct BranchingProcess {
  int founders = 3, generations = 10;

  // A family tree. The label tells an individual from all others, whoever else there is: when a replay adds a child or takes one
  // away, all others keep their random numbers.
  template <class S>
  bool survives(Sampler<S>& draw, const Vector<S>& theta, int generation, std::uint64_t label) const {
    if (generation == generations) return true;
    if (!draw(Bernoulli(theta[0]), 2 * label)) return false;
    const auto children = draw(Poisson(theta[1]), 2 * label + 1).value();
    for (std::int64_t c = 0; c < children; ++c)
      if (survives(draw, theta, generation + 1, 32 * label + static_cast<std::uint64_t>(c))) return true;
    return false;
  }

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    for (int f = 0; f < founders; ++f)
      if (survives(draw, theta, 0, static_cast<std::uint64_t>(f) + 1)) return S(0);
    return S(1);
  }
};

}  // namespace branching_process
