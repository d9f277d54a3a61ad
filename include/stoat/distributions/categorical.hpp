// stoat/distributions/categorical.hpp: one of K labels.
//
// Labels 0, ..., K-1 are unordered: a moving probability may send the draw to any other label, not only to a neighbour. The
// flow used for replays is the independent one, "the fresh label y with weight d P(y)", which reaches labels of probability
// 0 whose probability is moving. Smoothed derivatives treat the label as a number and use the neighbours.
#pragma once

#include <memory>

#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// The plain form: probabilities w[k] / total. Parameters are the normalised probabilities P(0), ..., P(K-1).
template <class T>
struct CategoricalView {
  using Scalar = double;
  const T* w;
  int size;
  double total;

  static constexpr std::string_view name = "Categorical";
  int parameter_count() const { return size; }
  template <class F>
  const CategoricalView& map(F&&) const {
    return *this;
  }

  CategoricalView(const T* weights, int n) : w(weights), size(n), total(0) {
    for (int k = 0; k < n; ++k) total += static_cast<double>(w[k]);
  }

  std::string problem() const {
    if (size == 0) return "no probabilities";
    for (int k = 0; k < size; ++k)
      if (!(w[k] >= 0) || !std::isfinite(static_cast<double>(w[k]))) {
        std::string entry = "probabilities[";
        entry += std::to_string(k);
        entry += "]";
        return outside(entry, static_cast<double>(w[k]), "[0, infinity)");
      }
    if (!(total > 0) || !std::isfinite(total)) return outside("sum of probabilities", total, "(0, infinity)");
    return {};
  }
  bool boundary() const {
    for (int k = 0; k < size; ++k)
      if (w[k] == 0) return true;
    return false;
  }
  double p(std::int64_t k) const { return static_cast<double>(w[k]) / total; }
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
  std::int64_t quantile(double u) const {
    double left = u * total;
    std::int64_t last = 0;
    for (int k = 0; k < size; ++k) {
      const double weight = static_cast<double>(w[k]);
      if (weight > 0) {
        if (left < weight) return k;
        last = k;  // if rounding carries u past the end, the last label of positive probability
      }
      left -= weight;
    }
    return last;
  }
  void score(std::int64_t k, std::span<double> out) const {
    for (double& o : out) o = 0;
    out[static_cast<std::size_t>(k)] = 1 / p(k);
  }
  void mean_derivative(std::span<double> out) const {
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<double>(j);
  }
  /// visit(outcome, first parameter, weights): see SiteLaw::alternatives.
  template <class Visit>
  void alternatives(std::int64_t k, Visit&& visit) const {
    constexpr double one = 1;
    for (int y = 0; y < size; ++y)
      if (y != k) visit(std::int64_t{y}, y, std::span<const double>(&one, 1));
  }
};

/// Categorical(weights): k with probability weights[k] / sum(weights), weights >= 0. `weights` given as an lvalue is
/// referred to, not copied: it must outlive the law.
template <class S>
class Categorical {
 public:
  using Scalar = S;

  explicit Categorical(const Vector<S>& weights) : borrowed_(&weights) {}
  explicit Categorical(Vector<S>&& weights) : owned_(std::move(weights)) {}

  const Vector<S>& weights() const { return borrowed_ ? *borrowed_ : owned_; }
  auto plain() const {
    const Vector<S>& w = weights();
    return CategoricalView(w.data(), static_cast<int>(w.size()));
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
  const Vector<S>* borrowed_ = nullptr;
  Vector<S> owned_;
};
template <class S>
Categorical(const Vector<S>&) -> Categorical<S>;
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

}  // namespace stoat
