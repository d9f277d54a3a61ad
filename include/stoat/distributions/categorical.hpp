// stoat/distributions/categorical.hpp: one of K labels.
//
// Labels 0, ..., K-1 are unordered: a moving probability may send the draw to any other label, not only to a neighbour; see
// flow.hpp. Smoothed derivatives treat the label as a number and use the neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <stoat/distributions/flow.hpp>
#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// The plain form: probabilities w[k stride] / total. Parameters are the normalised probabilities P(0), ..., P(K-1).
template <class T>
struct CategoricalView {
  using Scalar = double;
  const T* w;
  std::int64_t size, stride;
  double total = 0;

  static constexpr std::string_view name = "Categorical";
  int parameter_count() const { return static_cast<int>(size); }
  template <class F>
  const CategoricalView& map(F&&) const {
    return *this;
  }

  CategoricalView(const T* weights, std::int64_t n, std::int64_t step = 1) : w(weights), size(n), stride(step) {
    for (std::int64_t k = 0; k < n; ++k) total += weight(k);
  }
  /// The values of a vector.
  template <class S>
  explicit CategoricalView(const Vector<S>& v) : CategoricalView(v.data(), v.size(), v.layout().row_stride) {}

  double weight(std::int64_t k) const { return static_cast<double>(detail::base_value(w[k * stride])); }
  std::string problem() const {
    if (size == 0) return "no probabilities";
    for (std::int64_t k = 0; k < size; ++k)
      if (!(weight(k) >= 0) || !std::isfinite(weight(k))) {
        std::string entry = "probabilities[";
        entry += std::to_string(k);
        entry += "]";
        return outside(entry, weight(k), "[0, infinity)");
      }
    if (!(total > 0) || !std::isfinite(total)) return outside("sum of probabilities", total, "(0, infinity)");
    return {};
  }
  bool boundary() const {
    for (std::int64_t k = 0; k < size; ++k)
      if (weight(k) == 0) return true;
    return false;
  }
  double p(std::int64_t k) const { return weight(k) / total; }
  Support support() const { return {0, size - 1}; }
  double pmf(std::int64_t k) const { return k < 0 || k >= size ? 0.0 : p(k); }
  double cdf(std::int64_t k) const {
    double sum = 0;
    for (std::int64_t j = 0; j <= std::min<std::int64_t>(k, size - 1); ++j) sum += p(j);
    return sum;
  }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<std::int64_t>(j) <= k ? 1 : 0;
  }
  double survival(std::int64_t k) const {
    double sum = 0;
    for (std::int64_t j = size - 1; j > std::max<std::int64_t>(k, -1); --j) sum += p(j);
    return sum;
  }
  std::int64_t quantile(double u) const {
    double left = u * total;
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
  void score(std::int64_t k, std::span<double> out) const {
    for (double& o : out) o = 0;
    out[static_cast<std::size_t>(k)] = 1 / p(k);
  }
  double mean() const {
    double sum = 0;
    for (std::int64_t k = 1; k < size; ++k) sum += static_cast<double>(k) * p(k);
    return sum;
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
    return {others / total, j, k};
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
        if (antisymmetric) put(static_cast<std::size_t>(k), -0.5 * p(y) / p(k));
      });
    }
  }
  /// E (sum_y |K(x, y)| / P(x))^2 for probabilities that move at the rates t; see flow.hpp.
  double flow_moment(Flow flow, std::span<const double> t) const {
    if (flow != Flow::independent && boundary()) return std::numeric_limits<double>::infinity();
    double moment = 0, below = 0, total_rate = 0;
    for (const double r : t) total_rate += std::abs(r);
    if (total_rate == 0) return 0;
    for (std::int64_t x = 0; x < size; ++x) {
      const double tx = t[static_cast<std::size_t>(x)], px = p(x);
      double sum = 0;  // of |K(x, y)| / P(x)
      if (flow == Flow::inversion) {
        sum = 0.5 * (std::abs(below) + (x + 1 < size ? std::abs(below + tx) : 0.0)) / px;
        below += tx;
      } else if (flow == Flow::independent) {
        sum = total_rate - std::abs(tx);
      } else {
        for (std::int64_t y = 0; y < size; ++y)
          if (y != x) sum += 0.5 * std::abs(t[static_cast<std::size_t>(y)] - p(y) * tx / px);
      }
      moment += px * sum * sum;
    }
    return moment;
  }
};

template <class S>
CategoricalView(const Vector<S>&) -> CategoricalView<ValueOf<S>>;

/// Categorical(weights): k with probability weights[k] / sum(weights), weights >= 0. `weights` given as an lvalue is
/// referred to, not copied: it must outlive the law.
template <class S>
class Categorical {
 public:
  using Scalar = S;

  explicit Categorical(const Vector<S>& weights) : borrowed_(&weights) {}
  explicit Categorical(Vector<S>&& weights) : owned_(std::move(weights)) {}

  const Vector<S>& weights() const { return borrowed_ ? *borrowed_ : owned_; }
  auto plain() const { return CategoricalView(weights()); }
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
  const Vector<S>* borrowed_ = nullptr;
  Vector<S> owned_;
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
