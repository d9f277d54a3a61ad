// stoat/distributions/dirichlet.hpp: random proportions.
#pragma once

#include <stoat/distributions/gamma.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// Dirichlet(concentration): proportions x_i > 0 of sum 1, with density proportional to prod_i x_i^(concentration_i - 1). All
/// concentrations are positive. Gamma draws divided by their sum, through their logarithms: x is never NaN, however small the
/// concentrations. Differentiated along the gamma draws.
template <class S>
struct Dirichlet {
  using Scalar = S;
  using Pathwise = void;
  Vector<S> concentration;

  explicit Dirichlet(const Vector<S>& weights) : concentration(weights) {}

  static constexpr std::string_view name = "Dirichlet";
  static constexpr bool rejection = true;
  Dirichlet<double> plain() const {
    return Dirichlet<double>(
        Vector<double>::generate(concentration.size(), [&](Eigen::Index i) { return detail::number(concentration[i]); }));
  }
  std::string problem() const {
    if (concentration.size() == 0) return "no concentrations";
    for (Eigen::Index i = 0; i < concentration.size(); ++i)
      if (const double c = concentration[i]; !(c > 0 && std::isfinite(c))) {
        std::string entry = "concentration[";
        entry += std::to_string(i);
        entry += "]";
        return outside(entry, c, "(0, infinity)");
      }
    return {};
  }
  template <class G>
  Vector<S> draw(G& generator) const {
    return softmax(Vector<S>::generate(concentration.size(),
                                       [&](Eigen::Index i) { return detail::log_gamma_draw(concentration[i], generator); }));
  }

  /// With respect to all components but one. -infinity where x is not on the simplex: a component below 0, or a sum that is not
  /// 1 within 1e-6.
  S log_density(const Vector<S>& x) const {
    if (x.size() != concentration.size()) detail::shape_mismatch("Dirichlet.log_density", x.size(), 1, concentration.size(), 1);
    double total = 0, least = 0;
    for (Eigen::Index i = 0; i < x.size(); ++i) total += detail::number(x[i]), least = std::min(least, detail::number(x[i]));
    if (least < 0 || !(std::abs(total - 1) <= 1e-6)) return S(-detail::infinity);
    S sum = lgamma(stoat::sum(concentration));
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      const S a = concentration[i];
      sum -= lgamma(a);
      if (detail::number(a) != 1 || detail::number(x[i]) != 0) sum += (a - 1) * log(x[i]);
    }
    return sum;
  }
  Vector<S> mean() const { return normalised(concentration); }
};
template <DenseLike A>
Dirichlet(const A&) -> Dirichlet<ScalarOf<A>>;

}  // namespace stoat
