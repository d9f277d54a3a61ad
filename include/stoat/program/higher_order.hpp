// stoat/program/higher_order.hpp: programs run on Duals, for forward derivatives and for those of higher order.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <stoat/program/log_probability.hpp>
#include <stoat/program/sampler.hpp>

namespace stoat {

/// A program that is compiled for Duals as well: what ForwardTriple, HessianVectorProduct and Dice need, and others need not pay
/// for. Order: of the highest derivative, 2 to 4; each takes about as long to compile as the last.
template <class F, int Order>
class WithDuals {
  static_assert(2 <= Order && Order <= 4, "stoat: with_duals<Order>: derivatives of programs go from order 2 to 4");

 public:
  explicit WithDuals(F f) : f_(std::move(f)) {}
  static constexpr int order = Order;
  std::size_t data() const {
    if constexpr (requires { f_.data(); }) return f_.data();
    else return 0;
  }
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    return S(f_(draw, theta));
  }

 private:
  F f_;
};
template <int Order = 2, class F>
WithDuals<F, Order> with_duals(F f) {
  return WithDuals<F, Order>(std::move(f));
}

/// The draws of a recorded run on Duals: outcomes are constants, and the sampler adds up their log-probabilities and the costs.
template <class T, int N>
class Sampler<Var<Dual<T, N>>> : public SamplerBase, public Draws<Sampler<Var<Dual<T, N>>>, Var<Dual<T, N>>> {
 public:
  using S = Var<Dual<T, N>>;
  using SamplerBase::operator();
  using Draws<Sampler<S>, S>::operator();

  template <class E>
  void cost(const E& c) {
    add(S(c));
  }
  void add(const S& cost) {
    const S behind = log_probability_ - detail::base_value(log_probability_.value());
    costs_.push_back({cost, S(exp(behind))});
  }

  void begin(const DrawPlan& plan) {
    SamplerBase::begin(plan);
    log_probability_ = 0;
    boundary_ = false;
    costs_.clear();
  }
  /// The costs so far, each with the factor exp(L - value of L), L the log-probability of the draws before it: 1, with the
  /// derivatives of the probability relative to its value.
  const std::vector<std::pair<S, S>>& costs() const { return costs_; }
  /// True if a law so far had an outcome of probability 0.
  bool boundary() const { return boundary_; }

  std::int64_t number(std::size_t, std::int64_t outcome) const { return outcome; }
  S variable(std::size_t, std::int64_t outcome) const { return S(static_cast<detail::BaseOf<S>>(outcome)); }
  Vector<S> unit_vector(std::size_t, std::int64_t label, Eigen::Index size) const {
    return Vector<S>::generate(size, [label](Eigen::Index j) { return S(j == label ? 1.0 : 0.0); });
  }

 private:
  friend CompoundDraws<Sampler<S>, S>;
  friend Draws<Sampler<S>, S>;

  template <class L, class U>
  Discrete<S> draw(const L& law, U&& u) {
    const auto p = detail::plain(law);
    const std::size_t site = site_;
    const std::int64_t k = decide(p, u);
    if constexpr (detail::HasLogProbability<L>) {
      const S l = detail::log_probability_of<S>(law, k);
      if (l.active()) log_probability_ += l, boundary_ = boundary_ || stoat::boundary(p);
    } else {
      throw Refusal("derivatives of higher order: " + std::string(p.name) + " offers no log_probability() " + where());
    }
    visited(k);
    return {*this, site, k};
  }
  template <class L>
  auto block(const L& law) {
    const auto p = detail::first_parameter(law);
    constexpr int C = detail::columns_of<std::remove_cvref_t<decltype(p)>>;
    const std::size_t first = site_;
    const auto entry = [&](Eigen::Index i, Eigen::Index j = 0) {
      return S((*this)(law.map([i, j](const auto& x) { return S(x(i, j)); })).value());
    };
    if constexpr (C == 1) return DiscreteBlock<S, C>(*this, first, Dense<S, C>::generate(p.rows(), entry));
    else return DiscreteBlock<S, C>(*this, first, Dense<S, C>::generate(p.rows(), p.cols(), entry));
  }
  template <class U>
  DiscreteBlock<S, 1> columns(const Matrix<U>& w) {
    const std::size_t first = site_;
    return {*this, first,
            Vector<S>::generate(w.cols(), [&](Eigen::Index j) { return S((*this)(Categorical<U>(Vector<U>(w.col(j)))).value()); })};
  }

  S log_probability_ = 0;
  bool boundary_ = false;
  std::vector<std::pair<S, S>> costs_;
};

}  // namespace stoat
