// stoat/program/plain_sampler.hpp: the draws of a run on plain numbers or Duals.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <stoat/program/block.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/program/draws.hpp>
#include <stoat/program/reservoir.hpp>
#include <stoat/program/sampler_base.hpp>
#include <stoat/program/site.hpp>

namespace stoat {

/// The draws of a plain run; of one on Duals, with a reservoir of what the outcomes might have been.
template <class S>
class Sampler : public SamplerBase,
                public Draws<Sampler<S>, S>,
                public std::conditional_t<is_dual<S>, detail::Reservoir, detail::NoReservoir> {
 public:
  using SamplerBase::operator();
  using Draws<Sampler<S>, S>::operator();

  /// Draws that an operation makes inside: the next sites, with these plain laws.
  template <PlainLaw P>
  void inside(std::span<const P> laws, std::span<std::int64_t> outcomes) {
    decide_block(
        laws.size(), [&](std::size_t i) -> const P& { return laws[i]; },
        [&](std::size_t i, std::span<const std::int64_t> k) {
          std::copy(k.begin(), k.end(), outcomes.begin() + static_cast<std::ptrdiff_t>(i));
        });
  }

  /// Adds to the cost of the run, now: the total is what the program returns and all that was added. Estimators that know when
  /// a cost arose hold no later draw responsible for it.
  template <class E>
  void cost(const E& c) {
    cost_ += S(c);
  }

  void begin(const DrawPlan& plan) {
    SamplerBase::begin(plan);
    cost_ = 0;
  }
  const S& added_cost() const { return cost_; }

 private:
  friend CompoundDraws<Sampler<S>, S>;
  friend Draws<Sampler<S>, S>;

  template <class L, class U>
  Discrete<S> draw(const L& law, U&& u) {
    const std::int64_t k = decide(detail::plain(law), u);
    if constexpr (is_dual<S>) this->offer(law, site_, k);
    visited(k);
    return Discrete<S>(k);
  }
  template <class L>
  auto block(const L& law) {
    const auto p = detail::first_parameter(law);
    constexpr int C = detail::columns_of<std::remove_cvref_t<decltype(p)>>;
    const std::size_t first = site_, n = static_cast<std::size_t>(p.size());
    const auto packed = law.map([](const auto& x) { return detail::packed(x); });
    return DiscreteBlock<S, C>(*this, first, Dense<S, C>::filled(p.rows(), p.cols(), [&](S* out) {
      decide_block(
          n, [&](std::size_t i) { return detail::plain_entry(packed, static_cast<Eigen::Index>(i)); },
          [&](std::size_t i, std::span<const std::int64_t> k) {
            for (std::size_t j = 0; j < k.size(); ++j) {
              out[i + j] = static_cast<S>(k[j]);
              if constexpr (is_dual<S>)
                this->offer(detail::entry_of(packed, static_cast<Eigen::Index>(i + j)), first + i + j, k[j]);
            }
          });
    }));
  }
  template <class U>
  DiscreteBlock<S, 1> columns(const Matrix<U>& w) {
    const std::size_t first = site_;
    return {*this, first, Vector<S>::filled(w.cols(), 1, [&](S* out) {
              for (Eigen::Index j = 0; j < w.cols(); ++j) {
                const std::int64_t k = decide(CategoricalView(w.col(j)), [this] { return this->uniform(); });
                if constexpr (is_dual<S>) this->offer(Categorical<U>(Vector<U>(w.col(j))), site_, k);
                visited(k);
                out[j] = static_cast<S>(k);
              }
            })};
  }

  S cost_ = 0;
};

}  // namespace stoat
