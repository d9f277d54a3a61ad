// lib/estimators/sites.hpp: what estimators do at the sites of a trace.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <boost/random/normal_distribution.hpp>

#include <stoat/program/trace.hpp>

namespace stoat::detail {

/// Directions that tell the norms of gradients: unit vectors for up to four parameters (exactly), random normal ones beyond.
template <class T>
const typename Trace<T>::Directions& tangent_directions(const Trace<T>& trace, Generator& choices) {
  static thread_local typename Trace<T>::Directions directions;
  const Eigen::Index d = trace.parameters();
  directions.setZero(d, 4);
  if (d <= 4) {
    for (Eigen::Index j = 0; j < d; ++j) directions(j, j) = 1;
  } else {
    boost::random::normal_distribution<double> normal(0, 0.5);  // four directions: E|norm|^2 = |d_c p|^2
    for (Eigen::Index j = 0; j < d; ++j)
      for (int l = 0; l < 4; ++l) directions(j, l) = static_cast<T>(normal(choices));
  }
  return directions;
}
/// One tangent sweep along these.
template <class T>
void sweep_tangents(Trace<T>& trace, Generator& choices) {
  trace.tangents(tangent_directions(trace, choices));
}

/// False if an alternative is impossible and cannot become possible: its term is exactly 0.
template <class T>
bool can_happen(Trace<T>& trace, const Alternatives& a, const Alternative& y) {
  return trace.site(y.site).pmf(y.outcome) > 0 || trace.moves(y.site, a.of(y));
}

/// The change of the cost under an alternative. May cut the sweeps.
template <class T>
double change(Trace<T>& trace, const Alternatives& a, const Alternative& y) {
  if (!can_happen(trace, a, y)) return 0;
  return static_cast<double>(trace.replay(y.site, y.outcome)) - static_cast<double>(trace.cost());
}

/// Throws where an outcome of probability 0 would become possible when theta moves: the score does not see it.
template <class T>
void refuse_boundary(Trace<T>& trace, std::size_t i, const Site& s, const char* name) {
  static thread_local Alternatives a;
  if (s.count == 0 || !s.law->boundary(s.plain)) return;
  a.clear();
  trace.alternatives(i, Flow::independent, a);
  for (const Alternative& y : a.list)
    if (s.pmf(y.outcome) == 0 && trace.moves(i, a.of(y)))
      throw Refusal(std::string(name) + ": at site " + std::to_string(i) + " the outcome " + std::to_string(y.outcome) + " of " +
                    std::string(s.law->name) + " has probability 0, which moves with theta; the score function misses that term");
}

template <class T>
void refuse_boundaries(Trace<T>& trace, const char* name) {
  trace.visit_sites([&trace, name](std::size_t first, std::size_t end) {
    const void* last = nullptr;
    for (std::size_t i = first; i < end; ++i) {
      const Site& s = trace.site(i);
      if (s.plain != last) refuse_boundary(trace, i, s, name);  // once for draws that repeat a law
      last = s.plain;
    }
  });
}

/// d mean / d parameter of a site whose law offers a mean. Of a coin it is that of its probability: its own mean_derivative may be
/// a surrogate's.
inline void mean_derivative(const Site& s, std::span<double> out) {
  const Support support = s.law->support(s.plain);
  if (support.lower == 0 && support.upper == 1) s.law->pmf_derivative(s.plain, 1, out);
  else s.law->mean_derivative(s.plain, out);
}

/// Adds weight(i) * d log P(x_i) to the adjoints of the parameters of the sites i = first, ..., end - 1.
template <class T, class Weigh>
void seed_scores(Trace<T>& trace, std::size_t first, std::size_t end, const Weigh& weight) {
  static thread_local std::vector<double> score;
  for (std::size_t i = first; i < end; ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    const double a = weight(i);
    if (s.law->only_score) {
      const auto [j, value] = s.law->only_score(s.plain, s.outcome);
      trace.seed(s, j, static_cast<T>(a * value));
      continue;
    }
    score.resize(s.count);
    s.law->score(s.plain, s.outcome, score);
    for (std::uint32_t j = 0; j < s.count; ++j)
      if (score[j] != 0) trace.seed(s, j, static_cast<T>(a * score[j]));
  }
}
/// The same for all sites, those in segments included.
template <class T, class Weigh>
void seed_scores(Trace<T>& trace, const Weigh& weight) {
  trace.visit_sites([&trace, weight](std::size_t first, std::size_t end) { seed_scores(trace, first, end, weight); });
}

/// "UnorderedSet(4)", "UnorderedSet(all)"
inline std::string with_count(const char* name, int count) {
  return std::string(name) + (count == 0 ? "(all)" : "(" + std::to_string(count) + ")");
}

}  // namespace stoat::detail
