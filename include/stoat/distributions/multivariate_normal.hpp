// stoat/distributions/multivariate_normal.hpp: the Gaussian law of a vector, reparameterised.
#pragma once

#include <boost/random/normal_distribution.hpp>

#include <stoat/distributions/continuous.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// MultivariateNormal(mean, covariance): mean + L z with z independent standard normals and covariance = L L^T, of which the
/// lower triangle is read. The covariance is factorised once, when the law is made; one that is not positive definite is a
/// problem(), and an InvalidArgument when it is drawn from. from_cholesky(mean, L) starts from L, lower triangular with positive
/// diagonal.
template <class S>
class MultivariateNormal {
 public:
  using Scalar = S;
  using Pathwise = void;
  static constexpr std::string_view name = "MultivariateNormal";
  static constexpr bool rejection = true;

  MultivariateNormal(const Vector<S>& mean, const Matrix<S>& covariance) : MultivariateNormal(mean, covariance, false) {}
  static MultivariateNormal from_cholesky(const Vector<S>& mean, const Matrix<S>& factor) { return {mean, factor, true}; }

  /// The plain form, which knows whether the parameters are valid.
  MultivariateNormal<double> plain() const {
    if constexpr (std::same_as<S, double>) return *this;
    else return {copy_of(mean_), Matrix<double>(copy_of(factor_)), trouble_};
  }
  std::string problem() const { return trouble_; }

  template <class G>
  Vector<S> draw(G& generator) const {
    check();
    boost::random::normal_distribution<double> normal;
    Eigen::VectorX<detail::BaseOf<S>> z(mean_.size());
    for (auto& e : z) e = static_cast<detail::BaseOf<S>>(normal(generator));
    return mean_ + factor_ * Vector<S>(z);
  }
  S log_density(const Vector<S>& x) const {
    check();
    const Vector<S> z = solve_lower(factor_, x - mean_);
    return S(-0.5 * squared_norm(z) - sum(log(factor_.diagonal())) - static_cast<double>(x.size()) * detail::log_root_two_pi);
  }
  const Vector<S>& mean() const { return mean_; }
  /// The lower triangular L with L L^T = covariance.
  const Matrix<S>& factor() const { return factor_; }

 private:
  template <class>
  friend class MultivariateNormal;

  MultivariateNormal(const Vector<S>& mean, const Matrix<S>& factor, std::string trouble)
      : mean_(mean), factor_(factor), trouble_(std::move(trouble)) {}
  MultivariateNormal(const Vector<S>& mean, const Matrix<S>& matrix, bool factorised)
      : mean_(mean), factor_(matrix), trouble_(problem_of(mean, matrix, factorised)) {
    if (!trouble_.empty() || factorised) return;
    try {
      factor_ = cholesky(matrix);
    } catch (const Error& e) { trouble_ = std::string("covariance is not positive definite (") + e.what() + ")"; }
  }
  static std::string problem_of(const Vector<S>& mean, const Matrix<S>& matrix, bool factorised) {
    const Eigen::Index n = mean.size();
    if (matrix.rows() != n || matrix.cols() != n)
      detail::shape_mismatch(factorised ? "MultivariateNormal: factor" : "MultivariateNormal: covariance", matrix.rows(),
                             matrix.cols(), n, n);
    for (Eigen::Index i = 0; i < n; ++i)
      if (const double m = detail::number(mean[i]); !std::isfinite(m))
        return outside("mean[" + std::to_string(i) + "]", m, "(-infinity, infinity)");
    for (Eigen::Index j = 0; j < n; ++j)
      for (Eigen::Index i = factorised ? 0 : j; i < n; ++i) {
        const double v = detail::number(matrix(i, j));
        const bool above = i < j, on = i == j;
        if (above ? v == 0 : std::isfinite(v) && (v > 0 || !on || !factorised)) continue;
        const char* const range = above              ? "{0}: it must be lower triangular"
                                  : on && factorised ? "(0, infinity)"
                                                     : "(-infinity, infinity)";
        return outside((factorised ? "factor(" : "covariance(") + std::to_string(i) + ", " + std::to_string(j) + ")", v, range);
      }
    return {};
  }
  void check() const {
    if (!trouble_.empty()) throw InvalidArgument("MultivariateNormal: " + trouble_);
  }
  template <int C>
  static Dense<double, C> copy_of(const Dense<S, C>& a) {
    Eigen::Matrix<double, Eigen::Dynamic, C> m(a.rows(), a.cols());
    for (Eigen::Index j = 0; j < a.cols(); ++j)
      for (Eigen::Index i = 0; i < a.rows(); ++i) m(i, j) = detail::number(a(i, j));
    return m;
  }

  Vector<S> mean_;
  Matrix<S> factor_;
  std::string trouble_;
};
template <DenseLike A, DenseLike B>
MultivariateNormal(const A&, const B&) -> MultivariateNormal<CommonScalar<A, B>>;

}  // namespace stoat
