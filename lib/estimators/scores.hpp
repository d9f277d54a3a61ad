// scores.hpp: d log P of the outcomes of a run, seeded at the parameters of its sites.
#pragma once

#include <string>
#include <vector>

#include <stoat/program/trace.hpp>

namespace stoat::detail {

/// Throws where an outcome of probability 0 would become possible when theta moves: the score does not see it.
template <class T>
void refuse_boundaries(Trace<T>& trace, const char* name) {
  static thread_local Alternatives a;
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (!trace.active(i) || !s.law->boundary(s.plain)) continue;
    a.clear();
    trace.alternatives(i, Flow::independent, a);
    for (const Alternative& y : a.list)
      if (s.pmf(y.outcome) == 0 && trace.moves(i, a.of(y)))
        throw Refusal(std::string(name) + ": at site " + std::to_string(i) + " the outcome " + std::to_string(y.outcome) + " of " +
                      std::string(s.law->name) + " has probability 0, which moves with theta; the score function misses that term");
  }
}

/// Adds a * d log P(x_i) to the adjoints of the parameters of every site.
template <class T>
void seed_scores(Trace<T>& trace, double a, std::vector<double>& score) {
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    score.resize(s.count);
    s.law->score(s.plain, s.outcome, score);
    for (std::uint32_t j = 0; j < s.count; ++j)
      if (score[j] != 0) trace.seed(i, j, static_cast<T>(a * score[j]));
  }
}

}  // namespace stoat::detail
