// stoat/estimators/per_site.hpp: every draw with a method of its own.
#pragma once

#include <stoat/estimators/replay.hpp>

namespace stoat {

/// Each site is differentiated as the program says, draw(law, Method::replay), or by `otherwise` if it says nothing. That is
/// sound because the derivative is E[ d_c f + sum_i a_i d_c p_i ] for any a_i with the right mean given the history, and the
/// a_i may come from a score function at one site and from replays at another. One sweep carries them all; through sites marked
/// as surrogates it passes with straight-through slopes, which is biased.
struct PerSite {
  Method otherwise;
  int replays;  ///< per sample, of the sites that are replayed; 0: every alternative
  bool unbiased;

  /// With `surrogates` sites may be marked as such; without, they are refused.
  explicit PerSite(Method for_others = Method::score_function, int replay_count = 1, bool surrogates = false)
      : otherwise(for_others), replays(replay_count), unbiased(!surrogates) {}
  static constexpr bool uses_mean = true;
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
