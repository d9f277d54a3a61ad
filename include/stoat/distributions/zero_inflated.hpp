// stoat/distributions/zero_inflated.hpp: a law of counts with more zeros than it has by itself.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

/// ZeroInflated(pi, law): 0 with probability pi in [0, 1), otherwise an outcome of the law. Parameters: pi, then the law's.
///
/// The jumps are those of the mixture, not those of its CDF, whose weights would be as large as 1 / pmf of the law:
/// in pi any outcome but 0 becomes 0 with weight 1 / (1 - pi); in the law's parameters an outcome that came from the law jumps
/// as the law does, so 0 does so with the weight (1 - pi) pmf_law(0) / pmf(0). up_rate and down_rate are those of the CDF.
template <class S, class L>
struct ZeroInflated {
  using Scalar = CommonScalar<S, typename L::Scalar>;
  S pi;
  L law;

  ZeroInflated(std::type_identity_t<S> zeros, L counts) : pi(zeros), law(counts) {}

  static constexpr std::string_view name = "ZeroInflated";
  static constexpr int parameters = 1 + L::parameters;
  template <class F>
  auto map(F&& f) const {
    const auto zeros = f(pi);
    const auto counts = law.map(f);
    return ZeroInflated<std::remove_const_t<decltype(zeros)>, std::remove_const_t<decltype(counts)>>(zeros, counts);
  }

  std::string problem() const {
    if (!(pi >= 0 && pi < 1)) return outside("pi", pi, "[0, 1)");
    const std::string text = stoat::problem(law);
    return text.empty() ? text : std::string(L::name) + ": " + text;
  }
  bool boundary() const { return stoat::boundary(law) || (pi == 0 && law.pmf(0) == 0); }
  Support support() const {
    const Support s = law.support();
    return {std::min<std::int64_t>(s.lower, 0), std::max<std::int64_t>(s.upper, 0)};
  }
  std::int64_t next(std::int64_t k) const {
    const Support s = law.support();
    const std::int64_t y = k < s.lower ? s.lower : k < s.upper ? stoat::next(law, k) : Support::unbounded;
    return k < 0 && y > 0 ? 0 : y;
  }
  std::int64_t previous(std::int64_t k) const {
    const Support s = law.support();
    const std::int64_t y = k > s.upper ? s.upper : k > s.lower ? stoat::previous(law, k) : -Support::unbounded;
    return k > 0 && y < 0 ? 0 : y;
  }
  double pmf(std::int64_t k) const { return (1 - pi) * law.pmf(k) + (k == 0 ? pi : 0.0); }
  double log_pmf(std::int64_t k) const { return k == 0 ? std::log(pmf(0)) : std::log1p(-pi) + stoat::log_pmf(law, k); }
  double cdf(std::int64_t k) const { return (1 - pi) * law.cdf(k) + (k >= 0 ? pi : 0.0); }
  double survival(std::int64_t k) const { return (1 - pi) * stoat::survival(law, k) + (k < 0 ? pi : 0.0); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    out[0] = k >= 0 ? stoat::survival(law, k) : -law.cdf(k);
    law.cdf_derivative(k, out.subspan(1));
    for (double& o : out.subspan(1)) o *= 1 - pi;
  }
  std::int64_t mode() const { return pmf(0) > (1 - pi) * law.pmf(stoat::mode(law)) ? 0 : stoat::mode(law); }
  std::int64_t quantile(double u) const {
    const double below = law.support().lower < 0 ? (1 - pi) * law.cdf(-1) : 0.0;
    if (u >= below && u - below < pi) return 0;
    return stoat::quantile(law, std::clamp((u < below ? u : u - pi) / (1 - pi), 0.0, 1 - 0x1p-53));
  }

  void score(std::int64_t k, std::span<double> out) const {
    out[0] = k == 0 ? (1 - law.pmf(0)) / pmf(0) : -1 / (1 - pi);
    from_law(k, out.subspan(1), [&](std::span<double> o) { stoat::score(law, k, o); });
  }
  template <class Visit>
  void alternatives(std::int64_t k, const Visit& visit) const {
    const double to_zero = 1 / (1 - pi);
    if (k != 0) visit(std::int64_t{0}, 0, std::span<const double>(&to_zero, 1));
    const double share = law_share(k);
    if (share == 0) return;
    stoat::alternatives(law, k, [&](std::int64_t y, auto first, std::span<const double> weights) {
      std::array<double, static_cast<std::size_t>(L::parameters)> shared;
      const auto end = std::transform(weights.begin(), weights.end(), shared.begin(), [&](double w) { return share * w; });
      visit(y, static_cast<int>(first) + 1, std::span<const double>(shared.begin(), end));
    });
  }
  double mixture() const { return stoat::mixture(law); }
  void smoothed_derivative(std::int64_t k, double alpha, std::span<double> out, std::span<double> scratch) const {
    out[0] = -static_cast<double>(k) / (1 - pi);
    from_law(k, out.subspan(1), [&](std::span<double> o) { stoat::smoothed_derivative(law, k, alpha, o, scratch.subspan(1)); });
  }
  Scalar mean() const requires requires(const L& l) { l.mean(); }
  { return Scalar((1 - pi) * law.mean()); }
  void mean_derivative(std::span<double> out) const requires requires(const L& l, std::span<double> o) { l.mean_derivative(o); }
  {
    law.mean_derivative(out.subspan(1));
    for (double& o : out.subspan(1)) o *= 1 - pi;
    out[0] = -law.mean();
  }

 private:
  /// The probability that an outcome k came from the law.
  double law_share(std::int64_t k) const { return k == 0 ? (1 - pi) * law.pmf(0) / pmf(0) : 1.0; }
  /// What the law says about its parameters at k, times that; 0 where the law has no k.
  template <class F>
  void from_law(std::int64_t k, std::span<double> out, const F& fill) const {
    const double share = law_share(k);
    if (!(share > 0)) return std::fill(out.begin(), out.end(), 0.0);
    fill(out);
    for (double& o : out) o *= share;
  }
};
template <class E, class L>
ZeroInflated(E&&, L) -> ZeroInflated<ScalarOf<E>, L>;

}  // namespace stoat
