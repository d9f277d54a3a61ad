// stoat/program/compound.hpp: draws with vectors as outcomes, thresholds of continuous draws, random clocks.
//
// A comparison `x < c` of a continuous draw jumps when a parameter moves x or c past each other, and no derivative along the
// path sees the jump. Here the comparison is drawn first, as a coin with probability F(c), and x after it, from its law given
// the outcome. The coin is an ordinary discrete site and x is differentiated along the path, so gradients are unbiased.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <stoat/distributions/bernoulli.hpp>
#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/categorical.hpp>
#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/multinomial.hpp>
#include <stoat/distributions/one_hot.hpp>
#include <stoat/distributions/table.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/program/site.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/tape/concatenate.hpp>

namespace stoat {

/// The outcome of draw(OneHot(weights)): a label, and its unit vector.
template <class S>
class OneHotDraw {
 public:
  OneHotDraw(Sampler<S>& sampler, std::size_t site, std::int64_t label, Eigen::Index size, Vector<S> mean)
      : sampler_(&sampler), site_(site), label_(label), size_(size), mean_(std::move(mean)) {}
  Eigen::Index size() const { return size_; }
  /// The label, to steer control flow, index and count.
  std::int64_t value() const {
    if constexpr (is_var<S>) return sampler_->number(site_, label_);
    else return label_;
  }
  /// The unit vector; in a mean-field run the probabilities.
  Vector<S> vector() const {
    if (mean_.size() > 0) return mean_;
    if constexpr (is_var<S>) return sampler_->unit_vector(site_, label_, size_);
    else return Vector<S>::filled(size_, 1, [&](S* out) { std::fill_n(out, size_, S(0)), out[label_] = 1; });
  }
  operator Vector<S>() const { return vector(); }
  S operator[](Eigen::Index j) const { return vector()[j]; }

 private:
  Sampler<S>* sampler_;
  std::size_t site_;
  std::int64_t label_;
  Eigen::Index size_;
  Vector<S> mean_;
};

/// The outcome of draw(Multinomial(n, weights)): a number for each label. The last one is what the others leave of n.
template <class S>
class Counts {
 public:
  Counts(std::int64_t n, std::vector<Discrete<S>> drawn, std::int64_t left) : drawn_(std::move(drawn)), total_(n), left_(left) {}
  std::int64_t size() const { return static_cast<std::int64_t>(drawn_.size()) + 1; }
  std::int64_t value(std::int64_t k) const { return k < size() - 1 ? drawn_[static_cast<std::size_t>(k)].value() : left_; }
  S operator[](std::int64_t k) const {
    if (k < size() - 1) return drawn_[static_cast<std::size_t>(k)].scalar();
    S left(static_cast<detail::BaseOf<S>>(total_));
    for (const Discrete<S>& x : drawn_) left -= x;
    return left;
  }
  Vector<S> vector() const {
    return Vector<S>::generate(size(), [&](Eigen::Index k) { return (*this)[k]; });
  }

 private:
  std::vector<Discrete<S>> drawn_;
  std::int64_t total_, left_;
};

/// The outcome of draw(Table(outcomes, weights)).
template <class S>
struct TableDraw {
  OneHotDraw<S> row;  ///< which row of the table
  S x;                ///< its outcome
};

/// The outcome of draw.split(law, c).
template <class S>
struct Split {
  Discrete<S> below;  ///< 1 if x < c
  S x;                ///< the value
};
/// The outcome of draw.split(law, cuts).
template <class S>
struct Interval {
  Discrete<S> interval;  ///< the number of cuts below x
  S x;                   ///< the value
};
/// The outcome of draw.race(a, b).
template <class S>
struct Race {
  Discrete<S> first;  ///< 1 if a < b
  S a, b;             ///< the two times
};
/// The outcome of draw.next_event(rate, horizon).
template <class S>
struct NextEvent {
  Discrete<S> happened;  ///< 1 if it came within the horizon
  S wait;                ///< until the event; meaningless if it did not happen
};
/// The outcome of draw.next_event(rates, horizon).
template <class S>
struct NextOfSeveral {
  Discrete<S> happened;  ///< 1 if one came within the horizon
  S wait;                ///< until the event; meaningless if none happened
  std::int64_t which;    ///< the clock that rang; -1 if none did
};

namespace detail {

/// A coin known by the probability of 0, which is small: 1 - q would lose it.
template <class S>
struct RareZero {
  using Scalar = S;
  S q;

  static constexpr std::string_view name = "threshold";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return RareZero<std::decay_t<decltype(f(q))>>{f(q)};
  }
  std::string problem() const { return q >= 0 && q <= 1 ? std::string() : outside("probability above", q, "[0, 1]"); }
  bool boundary() const { return q == 0 || q == 1; }
  Support support() const { return {0, 1}; }
  double pmf(std::int64_t k) const { return k == 0 ? q : k == 1 ? 1 - q : 0.0; }
  double cdf(std::int64_t k) const { return k < 0 ? 0.0 : k == 0 ? q : 1.0; }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { out[0] = k == 0 ? 1 : 0; }
  std::int64_t quantile(double u) const { return u >= q; }
  void score(std::int64_t k, std::span<double> out) const { out[0] = k == 0 ? 1 / q : -1 / (1 - q); }
  void up_rate(std::int64_t, std::span<double> out) const { out[0] = -1 / q; }
  void down_rate(std::int64_t, std::span<double> out) const { out[0] = 1 / (1 - q); }
  double mixture() const { return 1 - q; }
  MeasureValued<Binomial<double>> measure_valued(int) const { return {-1, Binomial<double>(0, q)}; }
  S log_probability(std::int64_t k) const { return k == 0 ? S(log(q)) : S(log1p(-q)); }
  S mean() const { return S(1 - q); }
  void mean_derivative(std::span<double> out) const { out[0] = -1; }
};

}  // namespace detail

/// What Sampler<S> offers beyond draws of one number. D is the sampler.
template <class D, class S>
class CompoundDraws {
 public:
  /// A continuous draw x and whether it lies below c, with P(x < c) = F(c); law and c may depend on parameters. Throws Error if
  /// c is NaN.
  template <ThresholdLaw L, class C>
    requires(!DenseLike<C>)
  Split<S> split(const L& law, const C& c) {
    const auto on = checked(law);
    const S cut(c);
    if (std::isnan(detail::number(cut))) self().complain(L::name, "split at NaN");
    const S p = on.cdf(cut), q = on.survival(cut);
    const Discrete<S> below = detail::number(p) <= 0.5 ? self()(Bernoulli<S>(p)) : self()(detail::RareZero<S>{q});
    const auto [u, v] = noise();
    // x has the cdf u p below and the survival v q above.
    if (below.value()) return {below, at(on, S(u * p), S(q + v * p))};
    return {below, at(on, S(p + u * q), S(v * q))};
  }
  /// A continuous draw x and the interval between sorted cuts that it lies in: `interval` is the number of cuts below x.
  template <ThresholdLaw L>
  Interval<S> split(const L& law, const Vector<S>& cuts) {
    const auto on = checked(law);
    const Eigen::Index n = cuts.size();
    std::vector<S> below{S(0)}, above{S(1)}, mass;
    for (Eigen::Index k = 0; k < n; ++k) {
      const S c = cuts[k];
      if (std::isnan(detail::number(c))) self().complain(L::name, "split at NaN");
      if (k > 0 && detail::number(c) < detail::number(S(cuts[k - 1])))
        self().complain(
            L::name, "split at cuts that do not increase, cuts[" + std::to_string(k) + "] < cuts[" + std::to_string(k - 1) + "]");
      below.push_back(on.cdf(c)), above.push_back(on.survival(c));
    }
    below.push_back(S(1)), above.push_back(S(0));
    // Differences of whichever tail is shorter; rounding must not make them negative.
    for (std::size_t k = 0; k + 1 < below.size(); ++k) {
      const S m = detail::number(below[k + 1]) <= 0.5 ? S(below[k + 1] - below[k]) : S(above[k] - above[k + 1]);
      mass.push_back(detail::number(m) < 0 ? S(0) : m);
    }
    const Vector<S> weights(mass);
    const Discrete<S> interval = self()(Categorical<S>(weights));
    const auto k = static_cast<std::size_t>(interval.value());
    const auto [u, v] = noise();
    return {interval, at(on, S(below[k] + u * mass[k]), S(above[k + 1] + v * mass[k]))};
  }
  /// Two independent continuous draws and which is smaller: b along the path, a split at it.
  template <ThresholdLaw A, ContinuousLaw B>
  Race<S> race(const A& a, const B& b) {
    const S y = self()(b);
    const Split<S> x = split(a, y);
    return {x.below, x.x, y};
  }
  /// The next event of a Poisson process of the given rate, if it comes within the horizon: a loop over these until none comes is
  /// a process on an interval. rate >= 0; a horizon <= 0 lets nothing happen.
  template <class R, class H>
    requires(!DenseLike<R>)
  NextEvent<S> next_event(const R& rate, const H& horizon) {
    const S r(rate), h(horizon);
    const Discrete<S> happened = arrival(r, h);
    return {happened, wait(r, h, happened)};
  }
  /// The first of several Poisson processes to have an event within the horizon (Gillespie 1977, the direct method): when, and
  /// which one. rates >= 0.
  template <class H>
  NextOfSeveral<S> next_event(const Vector<S>& rates, const H& horizon) {
    for (Eigen::Index i = 0; i < rates.size(); ++i)
      if (const double r = detail::number(S(rates[i])); !(r >= 0 && std::isfinite(r)))
        self().complain("next_event", outside("rates[" + std::to_string(i) + "]", r, "[0, infinity)"));
    const S total = rates.size() > 0 ? S(sum(rates)) : S(0), h(horizon);
    const Discrete<S> happened = arrival(total, h);
    const S w = wait(total, h, happened);
    return {happened, w, happened.value() ? self()(Categorical<S>(rates)).value() : -1};
  }

  /// One row of a table.
  template <class U>
  TableDraw<S> operator()(const Table<U>& law) {
    const OneHotDraw<S> row = self()(OneHot<U>(law.weights));
    return {row, S(dot(Vector<S>(law.outcomes), row.vector()))};
  }
  /// Numbers of labels in n draws.
  template <class U>
  Counts<S> operator()(const Multinomial<U>& law) {
    if (const std::string trouble = law.problem(); !trouble.empty()) self().complain(law.name, trouble);
    const auto size = static_cast<std::size_t>(law.weights.size());
    std::vector<S> rest(size);  // weight of labels k, k + 1, ...
    for (std::size_t k = size; k-- > 0;) {
      const S w(law.weights[static_cast<Eigen::Index>(k)]);
      rest[k] = k + 1 < size ? S(rest[k + 1] + w) : w;
    }
    std::vector<Discrete<S>> drawn;
    std::int64_t left = law.n;
    for (std::size_t k = 0; k + 1 < size; ++k) {
      const S w(law.weights[static_cast<Eigen::Index>(k)]);
      S p = detail::number(rest[k]) > 0 ? S(w / rest[k]) : S(0);
      if (detail::number(p) > 1) p = S(1);
      drawn.push_back(self()(Binomial<S>(left, p)));
      left -= drawn.back().value();
    }
    return {law.n, std::move(drawn), left};
  }

 private:
  D& self() { return static_cast<D&>(*this); }

  /// The law over S.
  template <class L>
  auto checked(const L& law) {
    auto on = law.map([](const auto& x) { return S(x); });
    if (const std::string trouble = detail::plain(on).problem(); !trouble.empty()) self().complain(L::name, trouble);
    return on;
  }
  /// u uniform in (0, 1) and 1 - u, both exact: neither tail is cut off.
  std::pair<double, double> noise() {
    const std::uint32_t low = self()();
    const double u = std::floor(uniform53(low, self()()) * 0x1p52) * 0x1p-52 + 0x1p-53;
    return {u, 1 - u};
  }
  /// The x with cdf p and survival q, p + q = 1, found from the smaller.
  template <class L>
  static S at(const L& law, const S& p, const S& q) {
    return detail::number(p) <= detail::number(q) ? S(law.quantile(p)) : S(law.upper_quantile(q));
  }
  /// Whether a Poisson process has an event within the horizon.
  Discrete<S> arrival(const S& rate, const S& horizon) {
    if (const double r = detail::number(rate); !(r >= 0 && std::isfinite(r)))
      self().complain("next_event", outside("rate", r, "[0, infinity)"));
    if (std::isnan(detail::number(horizon))) self().complain("next_event", "the horizon is NaN");
    if (detail::number(horizon) <= 0 || (std::isinf(detail::number(horizon)) && detail::number(rate) == 0))
      return self()(Bernoulli<S>(S(0)));
    if (std::isinf(detail::number(horizon))) return self()(Bernoulli<S>(S(1)));
    const S events = S(rate * horizon);
    if (detail::number(events) <= std::numbers::ln2) return self()(Bernoulli<S>(S(-expm1(-events))));
    return self()(detail::RareZero<S>{S(exp(-events))});
  }
  /// The waiting time, given that the event came within the horizon.
  S wait(const S& rate, const S& horizon, const Discrete<S>& happened) {
    const auto [u, v] = noise();
    if (!happened.value()) return horizon;
    // At rate 0, which a replay may reach, the time is uniform.
    if (detail::number(rate) == 0) return S(u * horizon);
    if (std::isinf(detail::number(horizon))) return S(-std::log(v) / rate);
    return S(-log1p(u * expm1(-rate * horizon)) / rate);
  }
};

}  // namespace stoat
