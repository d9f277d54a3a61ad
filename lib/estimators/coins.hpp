// coins.hpp: draws with the outcomes 0 and 1, whatever their law.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <stoat/program/trace.hpp>

namespace stoat::detail {

/// Throws unless every draw whose parameters depend on theta has the two outcomes 0 and 1, both possible.
template <class T>
void require_coins(Trace<T>& trace, const char* name) {
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    if (!trace.active(i)) continue;
    const Site& s = trace.site(i);
    const Support support = s.law->support(s.plain);
    if (support.lower != 0 || support.upper != 1)
      throw Refusal(std::string(name) + ": the draw of site " + std::to_string(i) + " is from " + std::string(s.law->name) +
                    "; only coins, with the outcomes 0 and 1, are possible");
  }
}

/// Two probabilities of outcome 1 that differ by rounding alone.
template <class T>
bool same_chance(double a, double b) {
  return std::abs(a - b) <= 1e3 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::min(a, b);
}

/// Seeds a derivative in the log-odds of a coin at the parameters of its law: d log-odds = d log P(1) - d log P(0).
template <class T>
void seed_log_odds(Trace<T>& trace, std::size_t i, double a, std::vector<double>& score) {
  if (a == 0) return;
  const Site& s = trace.site(i);
  score.resize(2 * s.count);
  const auto one = std::span(score).first(s.count), zero = std::span(score).last(s.count);
  s.law->score(s.plain, 1, one);
  s.law->score(s.plain, 0, zero);
  for (std::uint32_t j = 0; j < s.count; ++j) trace.seed(i, j, static_cast<T>(a * (one[j] - zero[j])));
}

}  // namespace stoat::detail
