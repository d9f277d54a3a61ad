// stoat/distributions/multinomial.hpp: how often each of K labels comes in n draws.
#pragma once

#include <concepts>
#include <utility>

#include <stoat/distributions/categorical.hpp>

namespace stoat {

/// Multinomial(n, weights): the numbers of labels 0, ..., K-1 among n <= 2^53 draws with probabilities weights / sum(weights).
/// draw(Multinomial(n, w)) gives Counts. It makes K - 1 sites, each the binomial law of one number given the ones before it, so
/// estimators see nothing but binomial draws.
template <class S>
struct Multinomial {
  using Scalar = S;
  std::int64_t n;
  Vector<S> weights;

  template <std::integral I>
  Multinomial(I trials, Vector<S> w) : n(static_cast<std::int64_t>(trials)), weights(std::move(w)) {}

  static constexpr std::string_view name = "Multinomial";
  std::string problem() const {
    if (std::string text = detail::trouble_of_trials(n); !text.empty()) return text;
    return CategoricalView(weights).problem();
  }
};
template <std::integral I, DenseLike E>
Multinomial(I, const E&) -> Multinomial<ScalarOf<E>>;

}  // namespace stoat
