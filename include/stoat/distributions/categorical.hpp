// stoat/distributions/categorical.hpp: one of K labels.
//
// Labels 0, ..., K-1 are unordered: a moving probability may send the draw to any other label, not only to a neighbour; see
// flow.hpp. Smoothed derivatives treat the label as a number and use the neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <stoat/distributions/flow.hpp>
#include <stoat/distributions/law.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// The plain form: probabilities w[k stride] / sum(). Parameters are the normalised probabilities P(0), ..., P(K-1).
template <class T>
struct CategoricalView {
  using Scalar = double;
  const T* w;
  std::int64_t size, stride;  ///< of them, and the distance from one to the next
  double total = 0;           ///< unless there is a bound
  double bound = 0;           ///< of the weights, if draws are proposed; else 0
  /// Sums of the first 1, ..., K weights, of which the last label may be drawn: for many draws.
  const double* cumulative = nullptr;

  static constexpr std::string_view name = "Categorical";
  int parameter_count() const { return static_cast<int>(size); }
  template <class F>
  const CategoricalView& map(F&&) const {
    return *this;
  }

  CategoricalView(const T* weights, std::int64_t n, std::int64_t step = 1, double largest = 0)
      : w(weights), size(n), stride(step), bound(largest) {
    if (bound == 0) total = added();
  }
  /// The values of a vector.
  template <class S>
  explicit CategoricalView(const Vector<S>& v) : CategoricalView(v.data(), v.size(), v.layout().row_stride) {}

  double weight(std::int64_t k) const { return static_cast<double>(detail::base_value(w[k * stride])); }
  double added() const {
    double sum = 0;
    for (std::int64_t k = 0; k < size; ++k) sum += weight(k);
    return sum;
  }
  double sum() const { return bound == 0 ? total : added(); }
  /// Proposals look at few of the weights: the others are not checked.
  bool valid() const { return bound == 0 ? cumulative || problem().empty() : size > 0; }
  std::string problem() const {
    if (size == 0) return "no probabilities";
    const double most = bound == 0 ? std::numeric_limits<double>::max() : bound;
    for (std::int64_t k = 0; k < size; ++k)
      if (!(weight(k) >= 0 && weight(k) <= most)) {
        std::string entry = "probabilities[";
        entry += std::to_string(k);
        entry += "]";
        std::ostringstream range;
        range << "[0, " << bound << ']';
        return outside(entry, weight(k), bound == 0 ? "[0, infinity)" : range.str());
      }
    if (!(sum() > 0) || !std::isfinite(sum())) return outside("sum of probabilities", sum(), "(0, infinity)");
    return {};
  }
  bool boundary() const {
    for (std::int64_t k = 0; k < size; ++k)
      if (weight(k) == 0) return true;
    return false;
  }
  double p(std::int64_t k) const { return weight(k) / sum(); }
  Support support() const { return {0, size - 1}; }
  double pmf(std::int64_t k) const { return k < 0 || k >= size ? 0.0 : p(k); }
  double cdf(std::int64_t k) const {
    const double all = sum();
    double below = 0;
    for (std::int64_t j = 0; j <= std::min<std::int64_t>(k, size - 1); ++j) below += weight(j) / all;
    return below;
  }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<std::int64_t>(j) <= k ? 1 : 0;
  }
  double survival(std::int64_t k) const {
    const double all = sum();
    double above = 0;
    for (std::int64_t j = size - 1; j > std::max<std::int64_t>(k, -1); --j) above += weight(j) / all;
    return above;
  }
  /// Makes draws by inversion cost log K from now on: `sums` get the sums of the first weights, and must live as long. For valid
  /// weights.
  void sum_up(std::vector<double>& sums) {
    sums.clear();
    double sum = 0;
    std::int64_t last = 0;
    for (std::int64_t k = 0; k < size; ++k) {
      if (weight(k) > 0) last = k;
      sums.push_back(sum += weight(k));
    }
    // Rounding must not carry a draw past the last label of positive probability.
    std::fill(sums.begin() + last, sums.end(), std::numeric_limits<double>::infinity());
    cumulative = sums.data();
  }
  std::int64_t quantile(double u) const {
    if (cumulative) return std::upper_bound(cumulative, cumulative + size, u * total) - cumulative;
    return bound == 0 ? inverted(u) : proposed(u);
  }
  std::int64_t inverted(double u) const {
    double left = u * sum();
    std::int64_t last = 0;
    for (std::int64_t k = 0; k < size; ++k) {
      const double here = weight(k);
      if (here > 0) {
        if (left < here) return k;
        last = k;  // if rounding carries u past the end, the last label of positive probability
      }
      left -= here;
    }
    return last;
  }
  /// Proposes labels, all alike, until one is accepted: with probability weight / bound. The first attempt is made of the bits of
  /// u, the others of words that u is the key of. -1 if there is something wrong with the weights.
  std::int64_t proposed(double u) const {
    const auto bits = static_cast<std::uint64_t>(u * 0x1p53);
    Generator words({.seed = 0, .run = bits >> 48, .purpose = Purpose::proposal}, bits & 0xffffffffffff);
    for (std::int64_t attempt = 0; attempt < 64 + size; ++attempt, u = words.uniform()) {
      const double place = u * static_cast<double>(size);
      const auto k = std::min(static_cast<std::int64_t>(place), size - 1);
      if (!(weight(k) >= 0 && weight(k) <= bound)) return -1;
      if ((place - static_cast<double>(k)) * bound < weight(k)) return k;
    }
    return problem().empty() ? inverted(u) : -1;  // a poor bound: the law is the same
  }
  void score(std::int64_t k, std::span<double> out) const {
    for (double& o : out) o = 0;
    out[static_cast<std::size_t>(k)] = 1 / p(k);
  }
  std::pair<std::size_t, double> only_score(std::int64_t k) const { return {static_cast<std::size_t>(k), 1 / p(k)}; }
  double mean() const {
    const double all = sum();
    double mean = 0;
    for (std::int64_t k = 1; k < size; ++k) mean += static_cast<double>(k) * (weight(k) / all);
    return mean;
  }
  void mean_derivative(std::span<double> out) const {
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<double>(j);
  }
  /// In P(j), the other probabilities giving way in proportion: (1 - P(j)) (f(j) - f(y)), y one of the other labels. It is k itself
  /// unless k = j.
  WeakDerivative weak_derivative(int j, std::int64_t k, double u) const {
    double others = 0;
    for (std::int64_t y = 0; y < size; ++y)
      if (y != j) others += weight(y);
    if (k == j) {
      double left = u * others;
      for (std::int64_t y = 0; y < size && left >= 0; ++y) {
        if (y == j || weight(y) == 0) continue;
        left -= weight(y);
        k = y;  // if rounding carries u past the end, the last one
      }
    }
    return {others / sum(), j, k};
  }
  /// visit(y, weights) for each label y that the flow leads to from k; weights(put) calls put(j, weight of P(j)).
  template <class Visit>
  void alternatives(std::int64_t k, Flow flow, Visit&& visit) const {
    if (flow == Flow::inversion && !boundary()) {
      const double half = 0.5 / p(k);
      if (k + 1 < size)
        visit(k + 1, [&](auto&& put) {
          for (std::int64_t j = 0; j <= k; ++j) put(static_cast<std::size_t>(j), -half);
        });
      if (k > 0)
        visit(k - 1, [&](auto&& put) {
          for (std::int64_t j = 0; j < k; ++j) put(static_cast<std::size_t>(j), half);
        });
      return;
    }
    const bool antisymmetric = flow == Flow::antisymmetric && !boundary();
    for (std::int64_t y = 0; y < size; ++y) {
      if (y == k) continue;
      visit(y, [&](auto&& put) {
        put(static_cast<std::size_t>(y), antisymmetric ? 0.5 : 1.0);
        if (antisymmetric) put(static_cast<std::size_t>(k), -0.5 * weight(y) / weight(k));
      });
    }
  }
  /// E (sum_y |K(x, y)| / P(x))^2 for probabilities that move at the rates t; see flow.hpp. In K log K operations.
  double flow_moment(Flow flow, std::span<const double> t) const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double total_rate = 0;
    for (const double r : t) total_rate += std::abs(r);
    if (total_rate == 0) return 0;
    if (!std::isfinite(total_rate) || (flow != Flow::independent && boundary())) return infinity;
    if (flow == Flow::antisymmetric) return antisymmetric_moment(t);
    const double all = sum();
    double moment = 0, below = 0;
    for (std::int64_t x = 0; x < size; ++x) {
      const double tx = t[static_cast<std::size_t>(x)], px = weight(x) / all;
      double sum = total_rate - std::abs(tx);  // of |K(x, y)| / P(x)
      if (flow == Flow::inversion) {
        sum = 0.5 * (std::abs(below) + (x + 1 < size ? std::abs(below + tx) : 0.0)) / px;
        below += tx;
      }
      moment += px * sum * sum;
    }
    return moment;
  }

 private:
  /// sum_y |K(x, y)| / P(x) = 1/2 sum_y P(y) |r(y) - r(x)| with r = t / P. In the order of r every term has a known sign, so that
  /// the sums of P and of t = P r over the labels before x give it.
  double antisymmetric_moment(std::span<const double> t) const {
    struct Label {
      double r, p, t;
    };
    static thread_local std::vector<Label> labels;
    labels.clear();
    const double all = sum();
    double total_p = 0, total_t = 0;
    for (std::int64_t k = 0; k < size; ++k) {
      const double pk = weight(k) / all, tk = t[static_cast<std::size_t>(k)];
      // A ratio that overflows, or a weight that is not a number: this flow is never the best one, and there is no order.
      if (!std::isfinite(tk / pk)) return std::numeric_limits<double>::infinity();
      labels.push_back({tk / pk, pk, tk});
      total_p += pk, total_t += tk;
    }
    std::sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.r < b.r; });
    double moment = 0, p_before = 0, t_before = 0;
    for (const Label& x : labels) {
      const double sum = 0.5 * (x.r * (2 * p_before + x.p - total_p) - (2 * t_before + x.t - total_t));
      moment += x.p * sum * sum;
      p_before += x.p, t_before += x.t;
    }
    return moment;
  }
};

template <class S>
CategoricalView(const Vector<S>&) -> CategoricalView<ValueOf<S>>;

/// n independent draws from one law. draw(Repeated) gives a std::vector of n draws, each a site of its own.
template <class L>
struct Repeated {
  L law;
  std::size_t n;
};

/// Categorical(weights): k with probability weights[k] / sum(weights), weights >= 0. `weights` given as an lvalue is
/// referred to, not copied: it must outlive the law.
template <class S>
class Categorical {
 public:
  using Scalar = S;

  explicit Categorical(const Vector<S>& weights) : borrowed_(&weights) {}
  explicit Categorical(Vector<S>&& weights) : owned_(std::move(weights)) {}

  /// The same law drawn in another way: labels are proposed, all alike, until one is accepted with probability weights[k] / bound.
  /// 0 <= weights[k] <= bound, 0 < bound < infinity; bound / mean weight attempts a draw, and no sum over all weights.
  ///
  /// This is the better coupling for replays where a single weight changes, as in the resampling of particles: a draw changes
  /// only if it proposes that label, in about 1 of K draws. By inversion one changed weight moves the boundaries of all labels
  /// after it, and the paths part for good. Inversion is better where labels are ordered and all weights move smoothly.
  /// Throws InvalidArgument for a bound out of range; a draw that meets a weight out of range throws Error.
  static Categorical weights(const Vector<S>& weights, double bound) { return Categorical(weights).bounded(bound); }
  static Categorical weights(Vector<S>&& weights, double bound) { return Categorical(std::move(weights)).bounded(bound); }

  /// n labels: draw(Categorical(w).repeated(n)) is n times draw(Categorical(w)), but looks at all K weights once instead of n
  /// times, and at log K of them (by proposals: bound / mean weight) a label. Throws InvalidArgument if n < 0.
  template <std::integral I>
  Repeated<Categorical> repeated(I n) const {
    if (std::cmp_less(n, 0)) throw InvalidArgument("Categorical: " + outside("repeated", static_cast<double>(n), "[0, infinity)"));
    return {*this, static_cast<std::size_t>(n)};
  }

  const Vector<S>& weights() const { return borrowed_ ? *borrowed_ : owned_; }
  auto plain() const {
    const Vector<S>& w = weights();
    return CategoricalView(w.data(), w.size(), w.layout().row_stride, bound_);
  }
  template <class F>
  auto map(F&&) const {
    return plain();
  }
  /// The probabilities as a vector on the tape.
  auto on_tape() const { return normalised(weights()); }

  S mean() const {
    const Vector<S> p = normalised(weights());
    S m = 0;
    for (Eigen::Index k = 1; k < p.size(); ++k) m += static_cast<double>(k) * p[k];
    return m;
  }

 private:
  Categorical&& bounded(double bound) && {
    if (!(bound > 0 && std::isfinite(bound))) throw InvalidArgument("Categorical: " + outside("bound", bound, "(0, infinity)"));
    bound_ = bound;
    return std::move(*this);
  }

  const Vector<S>* borrowed_ = nullptr;
  Vector<S> owned_;
  double bound_ = 0;
};
template <class S>
Categorical(const Vector<S>&) -> Categorical<S>;
template <DenseLike E>
  requires detail::is_column<E> Categorical(const E&)
->Categorical<ScalarOf<E>>;

/// Categorical(matrix): one label for each column of weights. draw() gives a DiscreteBlock, a vector of labels.
template <class S>
class Categorical<Matrix<S>> {
 public:
  using Scalar = Matrix<S>;
  explicit Categorical(Matrix<S> weights) : weights_(std::move(weights)) {}
  const Matrix<S>& weights() const { return weights_; }

 private:
  Matrix<S> weights_;
};
template <DenseLike E>
  requires(!detail::is_column<E>)
Categorical(const E&)
->Categorical<Matrix<ScalarOf<E>>>;
template <class S>
Categorical(Vector<S>&&) -> Categorical<S>;

/// CategoricalLogit(logits): k with probability softmax(logits)[k].
template <class S>
class CategoricalLogit : public Categorical<S> {
 public:
  explicit CategoricalLogit(const Vector<S>& logits) : Categorical<S>(softmax(logits)) {}
};
template <class S>
CategoricalLogit(const Vector<S>&) -> CategoricalLogit<S>;
template <DenseLike E>
CategoricalLogit(const E&) -> CategoricalLogit<ScalarOf<E>>;

}  // namespace stoat
