// stoat/distributions/truncated.hpp: a law given that its outcome lies in an interval.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

/// Truncated(law, lower, upper): the law conditioned on lower <= X <= upper. Either end may be infinite: -Support::unbounded and
/// Support::unbounded. Parameters: the law's. Accurate as far out in a tail as the law's survival() and cdf() are, while
/// its own probabilities there exceed 1e-308; few outcomes are summed instead. The mean is a sum over the outcomes that
/// matter, NaN if these are more than 2^20 on one side of the mode. With the interval cut at k into A and B, d F(k) = (dA B - A dB)
/// / (A + B)^2.
template <class L>
struct Truncated {
  using Scalar = typename L::Scalar;
  L law;
  std::int64_t lower, upper;

  template <std::integral I, std::integral J>
  Truncated(L untruncated, I lowest, J highest)
      : law(untruncated), lower(static_cast<std::int64_t>(lowest)), upper(static_cast<std::int64_t>(highest)) {
    if constexpr (Number<Scalar>)
      if (stoat::problem(law).empty()) measure();
  }

  static constexpr std::string_view name = "Truncated";
  static constexpr int parameters = L::parameters;
  template <class F>
  auto map(F&& f) const {
    const auto inner = law.map(f);
    return Truncated<std::remove_const_t<decltype(inner)>>(inner, lower, upper);
  }

  std::string problem() const {
    if (const std::string text = stoat::problem(law); !text.empty()) return std::string(L::name) + ": " + text;
    if (lower > upper) return outside("upper", static_cast<double>(upper), "[lower, infinity] for lower = " + end(lower));
    if (mass() >= std::numeric_limits<double>::min()) return {};
    return std::string(L::name) + " has no probability on [" + end(lower) + ", " + end(upper) + "]";
  }
  /// With the mode in the interval there is no need to know its probability.
  bool valid() const { return (relative_ && lower <= stoat::mode(law) && stoat::mode(law) <= upper) || problem().empty(); }
  bool boundary() const { return stoat::boundary(law); }
  Support support() const {
    const Support s = law.support();
    return {std::max(lower, s.lower), std::min(upper, s.upper)};
  }
  std::int64_t next(std::int64_t k) const { return stoat::next(law, k); }
  std::int64_t previous(std::int64_t k) const { return stoat::previous(law, k); }
  double pmf(std::int64_t k) const { return support().contains(k) ? law.pmf(k) / mass() : 0.0; }
  double ratio(std::int64_t k) const requires requires(const L& l) { l.ratio(k); }
  { return law.ratio(k); }
  double log_pmf(std::int64_t k) const { return support().contains(k) ? stoat::log_pmf(law, k) - std::log(mass()) : std::log(0.0); }
  double cdf(std::int64_t k) const {
    const Support s = support();
    return k < s.lower ? 0.0 : k >= s.upper ? 1.0 : between(s.lower, k) / mass();
  }
  double survival(std::int64_t k) const {
    const Support s = support();
    return k < s.lower ? 1.0 : k >= s.upper ? 0.0 : between(k + 1, s.upper) / mass();
  }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { slope(k, mass(), out); }
  std::int64_t mode() const { return std::clamp(stoat::mode(law), support().lower, support().upper); }
  std::int64_t quantile(double u) const {
    const Support s = support();
    if constexpr (has_ratios)
      if (relative_) return by_ratios(s, u);
    // The law's own quantile has the resolution of u: good enough unless the interval is far out in a tail.
    const double mass = this->mass();
    if (mass > 0.01) {
      const double before = s.lower > law.support().lower ? law.cdf(s.lower - 1) : 0.0;
      return std::clamp(stoat::quantile(law, std::min(before + u * mass, 1 - 0x1p-53)), s.lower, s.upper);
    }
    return detail::search([&](std::int64_t k) { return cdf(k); }, s, mode(), u);
  }

  void score(std::int64_t k, std::span<double> out) const {
    stoat::score(law, k, out);
    const Parameters d = between_derivative(support().lower, support().upper);
    for (std::size_t j = 0; j < d.size(); ++j) out[j] -= d[j] / mass();
  }
  void up_rate(std::int64_t k, std::span<double> out) const {
    slope(k, law.pmf(k), out);
    for (double& o : out) o = -o;
  }
  void down_rate(std::int64_t k, std::span<double> out) const { slope(k - 1, law.pmf(k), out); }
  double mixture() const { return stoat::mixture(law); }
  /// Its derivatives are numbers, so it can be differentiated once.
  Scalar mean() const requires(Number<Scalar> || is_dual<Scalar> || Number<ValueOf<Scalar>>) {
    if constexpr (Number<Scalar>) {
      return static_cast<Scalar>(moments().mean);
    } else {
      const auto m = map([](const auto& x) { return static_cast<double>(value(x)); }).moments();
      Scalar sum(m.mean);
      std::size_t j = 0;
      law.map([&](const auto& x) {
        if constexpr (!Number<std::remove_cvref_t<decltype(x)>>) sum += m.slope[j] * (x - value(x));
        ++j;
        return 0.0;
      });
      return sum;
    }
  }
  void mean_derivative(std::span<double> out) const {
    const Moments m = moments();
    std::copy(m.slope.begin(), m.slope.end(), out.begin());
  }
  /// The neighbours within the interval, whatever jumps the law itself prefers.
  template <class Visit>
  void alternatives(std::int64_t k, const Visit& visit) const {
    detail::neighbours(*this, k, visit);
  }

 private:
  using Parameters = std::array<double, static_cast<std::size_t>(L::parameters)>;
  struct Moments {
    double mean;
    Parameters slope;
  };
  template <class>
  friend struct Truncated;

  /// E X and d E X. Outcomes of less than 1e-20 of probability altogether are left out.
  Moments moments() const {
    const Support s = support();
    const std::int64_t centre = mode();
    Moments m{static_cast<double>(centre), {}};
    const bool jumps = boundary();  // the derivative then needs outcomes that have no probability yet, nor a score
    const auto add = [&](std::int64_t k) {
      const double p = pmf(k), x = static_cast<double>(k - centre);
      if (p == 0) return;
      Parameters d, scratch;
      if (jumps) stoat::smoothed_derivative(*this, k, mixture(), d, scratch);
      else score(k, d);
      m.mean += p * x;
      for (std::size_t j = 0; j < d.size(); ++j) m.slope[j] += p * (jumps ? 1 : x) * d[j];
    };
    constexpr std::int64_t most = std::int64_t{1} << 20;
    std::int64_t high = centre, low = centre;
    for (add(centre); high < s.upper; add(++high))
      if ((high - centre) % 64 == 63 && (survival(high) < 1e-20 || high - centre > most)) break;
    for (; low > s.lower; add(--low))
      if ((centre - low) % 64 == 63 && (cdf(low - 1) < 1e-20 || centre - low > most)) break;
    if (std::max(high - centre, centre - low) > most) {
      m.mean = std::numeric_limits<double>::quiet_NaN();
      m.slope.fill(m.mean);
    }
    return m;
  }
  static std::string end(std::int64_t k) {
    return k == Support::unbounded ? "infinity" : k == -Support::unbounded ? "-infinity" : std::to_string(k);
  }
  /// Few enough to add up one by one, where a difference of two CDFs would cancel.
  static bool few(std::int64_t first, std::int64_t last) {
    return static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first) < 32;
  }

  /// P(first <= X <= last) under the law.
  double between(std::int64_t first, std::int64_t last) const {
    if (first > last) return 0;
    const Support s = law.support();
    if (few(first, last)) {
      double sum = 0;
      for (std::int64_t k = first; k <= last; ++k) sum += law.pmf(k);
      return sum;
    }
    // No law is asked beyond the ends of its support.
    if (first <= s.lower) return last >= s.upper ? 1.0 : law.cdf(last);
    if (last >= s.upper) return stoat::survival(law, first - 1);
    const double before = law.cdf(first - 1);
    return before < 0.5 ? law.cdf(last) - before : stoat::survival(law, first - 1) - stoat::survival(law, last);
  }
  Parameters between_derivative(std::int64_t first, std::int64_t last) const {
    Parameters sum{}, term;
    const Support s = law.support();
    if (first > last) return sum;
    if (few(first, last) && !stoat::boundary(law)) {
      for (std::int64_t k = first; k <= last; ++k) {
        const double p = law.pmf(k);
        if (p == 0) continue;
        stoat::score(law, k, term);
        for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += p * term[j];
      }
      return sum;
    }
    if (last < s.upper) law.cdf_derivative(last, sum);
    if (first > s.lower) {
      law.cdf_derivative(first - 1, term);
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] -= term[j];
    }
    return sum;
  }
  /// d F(k) * mass / unit
  void slope(std::int64_t k, double unit, std::span<double> out) const {
    const Support s = support();
    for (double& o : out) o = 0;
    if (k < s.lower || k >= s.upper) return;
    const double a = between(s.lower, k) / mass(), b = between(k + 1, s.upper) / mass();
    const Parameters da = between_derivative(s.lower, k), db = between_derivative(k + 1, s.upper);
    for (std::size_t j = 0; j < da.size(); ++j) out[j] = (da[j] * b - a * db[j]) / unit;
  }

  static constexpr bool has_ratios = requires(const L& l, std::int64_t k) { l.ratio(k); };
  static constexpr double negligible = 1e-20;  // beside the mode

  /// The mass of the interval: by the ratios if on each side of the mode fewer outcomes than `most` matter.
  void measure() {
    const Support s = support();
    if constexpr (has_ratios) {
      if (s.lower > s.upper) return;
      constexpr std::int64_t most = 512;
      const std::int64_t centre = mode();
      const auto done = [&](std::int64_t k, double p) { return p <= negligible || std::abs(k - centre) >= most; };
      std::int64_t low = centre, high = centre;
      double p = 1, q = 1;
      while (low > s.lower && !done(low, p)) below_ += p /= law.ratio(--low);
      mass_ = below_ + 1;
      while (high < s.upper && !done(high, q)) mass_ += q *= law.ratio(high++);
      relative_ = (low == s.lower || p <= negligible) && (high == s.upper || q <= negligible);
      if (relative_) return;
    }
    mass_ = between(s.lower, s.upper);
  }
  /// Walks from the mode to where u of the mass is below.
  std::int64_t by_ratios(const Support& s, double u) const {
    std::int64_t k = mode();
    double left = std::max(u, 0x1p-54) * mass_ - below_, p = 1;
    if (left < 0) {
      while (k > s.lower && left < 0 && p > negligible) left += p /= law.ratio(--k);
      return k;
    }
    for (; k < s.upper && left >= p && p > negligible; ++k) {
      left -= p;
      p *= law.ratio(k);
    }
    return k;
  }
  double mass() const { return relative_ ? mass_ * law.pmf(mode()) : mass_; }

  double mass_ = 0, below_ = 0;  ///< of the interval and of its outcomes below the mode
  bool relative_ = false;        ///< in units of the pmf at the mode
};

}  // namespace stoat
