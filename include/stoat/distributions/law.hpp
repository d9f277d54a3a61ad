// stoat/distributions/law.hpp: what a discrete law is, and the stochastic derivative of any of them.
//
// A law is a small struct template over the scalar S of the program: Bernoulli<double> when a program is replayed,
// Bernoulli<Var<double>> when it is recorded. Its *plain form*, with S = double, answers numerical questions:
//
//   template <class S>
//   struct Geometric {                                        // failures before the first success
//     using Scalar = S;
//     S p;
//     static constexpr std::string_view name = "Geometric";
//     static constexpr int parameters = 1;                    // differentiable parameters, in the order of the calls of map()
//     template <class F> auto map(F&& f) const { return Geometric<std::decay_t<decltype(f(p))>>{f(p)}; }
//
//     Support support() const;                                // {0, Support::unbounded}
//     double pmf(std::int64_t k) const;                       // P(X = k)
//     double cdf(std::int64_t k) const;                       // P(X <= k)
//     void cdf_derivative(std::int64_t k, std::span<double> out) const;   // d P(X <= k) / d parameter j
//   };
//
// map() calls f once for each parameter; with several, construct with braces, which evaluate from left to right.
// A law without differentiable parameters has parameters = 0 and need not be a template: map() returns the law itself.
//
// Everything else follows. Writing X(p) = F_p^{-1}(u), an outcome x owns the interval [F(x-1), F(x)) of u. When a
// parameter moves, only the ends of the interval move, so the only first-order events are jumps to the neighbours
// (Arya, Schauer, Schaefer, Rackauckas 2022):
//
//   x -> x+1 at the rate  -dF(x)/dp   / pmf(x)      ("up")
//   x -> x-1 at the rate   dF(x-1)/dp / pmf(x)      ("down")
//
// Positive rates belong to the right derivative (p increases), negative ones to the left derivative. Both have the
// right mean, and so has alpha * right + (1 - alpha) * left for any alpha that does not depend on x.
//
// The same derivative is -sum_k dF(k)/dp (f(k+1) - f(k)). Where -dF(k)/dp is a constant times the pmf of a law of K that can be
// drawn from, it is the *measure-valued* one: weight * E[f(K+1) - f(K)] (Pflug 1989; Heidergott and Vazquez-Abad 2008).
//
// Each of the following members is optional; the free function of the same name uses it when present:
//   bool valid() const;                          // problem().empty(), where that can be told faster
//   std::string problem() const;                 // empty when the parameters are valid, else "p = 1.2 is outside [0, 1]"
//   std::int64_t quantile(double u) const;       // smallest k with u < cdf(k), for u in [0, 1); default: a search in the cdf
//   std::int64_t mode() const;                   // where that search starts: an outcome of high probability
//   double ratio(k) const;                       // pmf(k+1) / pmf(k) for k in the support, if it is above 1 before the mode and
//                                                // below 1 after it: Truncated then draws without the cdf
//   double log_pmf(k) const;                     // log P(X = k), also where P underflows; default: log of pmf
//   double survival(k) const;                    // P(X > k) without cancellation; default: 1 - cdf(k)
//   void score(k, out) const;                    // d log pmf(k) / d parameter j; default: from cdf_derivative
//   std::pair<std::size_t, double> only_score(k) const;   // where and what it is, if all its other entries are 0
//   void up_rate(k, out), down_rate(k, out);     // the two rates above in closed form (default: the quotients)
//   double mixture() const;                      // alpha of least variance; default 1/2
//   bool boundary() const;                       // some outcome in the support has probability 0 at these parameters
//   std::int64_t next(k), previous(k) const;     // the neighbours of k where the support has gaps; default k + 1 and k - 1
//   void alternatives(k, visit) const;           // the jumps that replays use, if they are not those to the neighbours
//   MeasureValued<Law> measure_valued(int j) const;   // the decomposition above for parameter j; weight NaN: it has none
//   WeakDerivative weak_derivative(j, k, u) const;    // one draw of it, where it is not of this form: unordered labels
//   S mean() const;                              // in S, so that a mean-field run can record it
//   void mean_derivative(out) const;             // d mean / d parameter j: the straight-through slope
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>

#include <stoat/error.hpp>

namespace stoat {

/// The outcomes lower, lower + 1, ..., upper of a law.
struct Support {
  static constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max();  ///< as `upper`: no end
  std::int64_t lower = 0;
  std::int64_t upper = unbounded;
  constexpr bool contains(std::int64_t k) const { return lower <= k && k <= upper; }
  constexpr bool finite() const { return upper != unbounded; }
};

/// The plain form of a discrete law: what the engine needs to draw from it and to differentiate it.
template <class L>
concept PlainLaw = requires(const L& law, std::int64_t k, std::span<double> out) {
  { L::name } -> std::convertible_to<std::string_view>;
  { law.support() } -> std::same_as<Support>;
  { law.pmf(k) } -> std::convertible_to<double>;
  { law.cdf(k) } -> std::convertible_to<double>;
  law.cdf_derivative(k, out);
};

/// A discrete law over any scalar: maps to a plain law.
template <class L>
concept DiscreteLaw = requires(const L& law) {
  typename L::Scalar;
  {
    law.map([](const auto&) { return 0.0; })
    } -> PlainLaw;
};

/// A continuous law, drawn by a differentiable transformation of parameter-free noise (reparameterisation):
///   template <class Noise> S draw(Noise& noise) const;   // noise: a Boost.Random-conforming generator of 32-bit words
///   bool valid() const;                          // problem().empty(), where that can be told faster
//   std::string problem() const;
template <class L>
concept ContinuousLaw = requires {
  typename L::Scalar;
  typename L::Pathwise;
};

/// Number of differentiable parameters of a plain law.
template <PlainLaw L>
constexpr int parameter_count(const L& law) {
  if constexpr (requires {
                  { law.parameter_count() } -> std::convertible_to<int>;
                })
    return law.parameter_count();
  else return L::parameters;
}

/// Empty when the parameters of the law are valid, otherwise what is wrong with them.
template <PlainLaw L>
std::string problem(const L& law) {
  if constexpr (requires { law.problem(); }) return law.problem();
  else return {};
}

/// True if some outcome of the support has probability 0 at these parameters and may gain some when they move.
template <PlainLaw L>
bool boundary(const L& law) {
  if constexpr (requires { law.boundary(); }) return law.boundary();
  else return false;
}

/// An outcome of high probability, where searches start: the lower end of the support unless the law names a better one.
template <PlainLaw L>
std::int64_t mode(const L& law) {
  if constexpr (requires { law.mode(); }) return law.mode();
  else return law.support().lower > -Support::unbounded ? law.support().lower : std::min<std::int64_t>(law.support().upper, 0);
}

/// log P(X = k)
template <PlainLaw L>
double log_pmf(const L& law, std::int64_t k) {
  if constexpr (requires { law.log_pmf(k); }) return law.log_pmf(k);
  else return std::log(law.pmf(k));
}

/// P(X > k)
template <PlainLaw L>
double survival(const L& law, std::int64_t k) {
  if constexpr (requires { law.survival(k); }) return law.survival(k);
  else return 1 - law.cdf(k);
}

namespace detail {

/// The complaint about a parameter that makes counts whose neighbours double precision cannot tell apart.
inline std::string uncountable(std::string_view name, double value) {
  return outside(name, value, "what can be counted in double precision: outcomes up to 2^53");
}
/// The same about a number of trials.
inline std::string trouble_of_trials(std::int64_t n) {
  if (n < 0) return outside("n", static_cast<double>(n), "[0, infinity)");
  return n <= std::int64_t{1} << 53 ? std::string() : uncountable("n", static_cast<double>(n));
}

/// The smallest k of the support with u < cdf(k): in steps that double from `start` until k is between two of them, then by
/// halving. At most 200 evaluations, whatever the cdf. If rounding keeps it at or below u: the outcome where it stops growing.
template <class Cdf>
std::int64_t search(const Cdf& cdf, Support support, std::int64_t start, double u) {
  constexpr std::int64_t end = std::int64_t{1} << 62;  // no outcome of an unbounded support is drawn beyond
  if (support.lower == -Support::unbounded) support.lower = -end;
  if (!support.finite()) support.upper = end;
  u = std::max(u, 0x1p-54);  // u stands for [u, u + 2^-53): 0 is no reason to go where the cdf is 1e-300
  const auto distance = [](std::int64_t a, std::int64_t b) {
    return static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a);
  };
  std::int64_t low = std::clamp(start, support.lower, support.upper), high = low;
  std::uint64_t step = 1;
  if (u < cdf(low)) {
    do {
      if (low == support.lower) return low;
      high = low;
      low = distance(support.lower, low) > step ? low - static_cast<std::int64_t>(step) : support.lower;
      step *= 2;
    } while (u < cdf(low));
  } else {
    do {
      if (high == support.upper) {
        const double top = cdf(high);
        return top > 0x1p-54 ? search(cdf, support, start, std::nextafter(top, 0.0)) : high;
      }
      low = high;
      high = distance(high, support.upper) > step ? high + static_cast<std::int64_t>(step) : support.upper;
      step *= 2;
    } while (!(u < cdf(high)));
  }
  while (distance(low, high) > 1) {
    const std::int64_t middle = std::midpoint(low, high);
    (u < cdf(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace detail

/// The smallest k with u < cdf(k), for u in [0, 1).
template <PlainLaw L>
std::int64_t quantile(const L& law, double u) {
  if constexpr (requires { law.quantile(u); }) return law.quantile(u);
  else return detail::search([&](std::int64_t k) -> double { return law.cdf(k); }, law.support(), mode(law), u);
}

/// The neighbours of k: k + 1 and k - 1 unless the support has gaps.
template <PlainLaw L>
std::int64_t next(const L& law, std::int64_t k) {
  if constexpr (requires { law.next(k); }) return law.next(k);
  else return k + 1;
}
template <PlainLaw L>
std::int64_t previous(const L& law, std::int64_t k) {
  if constexpr (requires { law.previous(k); }) return law.previous(k);
  else return k - 1;
}

/// Rate of x -> next(x) per unit of each parameter: -dF(x)/dp_j / pmf(x). Zero at the upper end of the support.
template <PlainLaw L>
void up_rate(const L& law, std::int64_t k, std::span<double> out) {
  if (k >= law.support().upper) {
    for (double& o : out) o = 0;
  } else if constexpr (requires { law.up_rate(k, out); }) {
    law.up_rate(k, out);
  } else {
    law.cdf_derivative(k, out);
    const double p = law.pmf(k);
    for (double& o : out) o = -o / p;
  }
}

/// Rate of x -> previous(x) per unit of each parameter: dF(x-1)/dp_j / pmf(x). Zero at the lower end of the support.
template <PlainLaw L>
void down_rate(const L& law, std::int64_t k, std::span<double> out) {
  if (k <= law.support().lower) {
    for (double& o : out) o = 0;
  } else if constexpr (requires { law.down_rate(k, out); }) {
    law.down_rate(k, out);
  } else {
    law.cdf_derivative(k - 1, out);
    const double p = law.pmf(k);
    for (double& o : out) o = o / p;
  }
}

/// d log pmf(k) / d parameter j. Where pmf(k) is 0 the score does not exist; the default then returns NaN or infinity.
template <PlainLaw L>
void score(const L& law, std::int64_t k, std::span<double> out) {
  if constexpr (requires { law.score(k, out); }) {
    law.score(k, out);
  } else {
    // d pmf(k) = dF(k) - dF(k-1), so the score is -(up rate) - (down rate).
    up_rate(law, k, out);
    for (double& o : out) o = -o;
    std::array<double, 16> fixed;
    if (out.size() > fixed.size())
      throw InvalidArgument(std::string(L::name) + ": a law with more than 16 parameters must provide score()");
    const std::span<double> down(fixed.data(), out.size());
    down_rate(law, k, down);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] -= down[j];
  }
}

/// The weight alpha of the right derivative in alpha * right + (1 - alpha) * left that the law prefers for replays.
template <PlainLaw L>
double mixture(const L& law) {
  if constexpr (requires { law.mixture(); }) return law.mixture();
  else return 0.5;
}

/// The part of a rate that alpha * right + (1 - alpha) * left keeps: right derivatives have positive rates.
constexpr double mixed_rate(double rate, double alpha) { return rate > 0 ? alpha * rate : (1 - alpha) * rate; }

namespace detail {
/// The jumps to the neighbours, alpha * right + (1 - alpha) * left with the law's alpha.
template <PlainLaw L, class Visit>
void neighbours(const L& law, std::int64_t k, const Visit& visit) {
  std::array<double, static_cast<std::size_t>(L::parameters)> rate;
  const double alpha = mixture(law);
  const auto jump = [&](std::int64_t y) {
    for (double& r : rate) r = mixed_rate(r, alpha);
    if (std::any_of(rate.begin(), rate.end(), [](double r) { return r != 0; })) visit(y, 0, std::span<const double>(rate));
  };
  if (k < law.support().upper) up_rate(law, k, rate), jump(next(law, k));
  if (k > law.support().lower) down_rate(law, k, rate), jump(previous(law, k));
}
}  // namespace detail

/// visit(y, first, weights) for every other outcome y that a moving parameter may send x = k to:
///   d E f(X) / d parameter (first + j) = E[sum over y of weights[j] (f(y) - f(x))].
/// By default these are the neighbours.
template <PlainLaw L, class Visit>
void alternatives(const L& law, std::int64_t k, const Visit& visit) {
  if constexpr (requires { law.alternatives(k, visit); }) law.alternatives(k, visit);
  else detail::neighbours(law, k, visit);
}

/// d E f(X) / d parameter = weight * E[f(K+1) - f(K)] with K drawn from `law`, a plain law.
template <class Law>
struct MeasureValued {
  double weight;
  Law law;
};

/// The measure-valued derivative in parameter j, for laws that have one. Its weight is NaN for a parameter that has none.
template <PlainLaw L>
auto measure_valued(const L& law, int j) requires requires {
  law.measure_valued(j);
}
{ return law.measure_valued(j); }

/// One draw of a measure-valued derivative: d E f(X) / d parameter = E[weight (f(plus) - f(minus))].
struct WeakDerivative {
  double weight;
  std::int64_t plus, minus;
};

/// A draw for parameter j that is coupled to the outcome k of the law itself, so that k is often one of the two: K is drawn by
/// inversion of a number that k owns, the one that divides its interval as u in [0, 1) divides [0, 1).
template <PlainLaw L>
WeakDerivative weak_derivative(const L& law, int j, std::int64_t k, double u) requires(
    requires { law.weak_derivative(j, k, u); } || requires { law.measure_valued(j); }) {
  if constexpr (requires { law.weak_derivative(j, k, u); }) {
    return law.weak_derivative(j, k, u);
  } else {
    const auto m = law.measure_valued(j);
    if (std::isnan(m.weight)) return {m.weight, k, k};
    const double below = k > law.support().lower ? law.cdf(k - 1) : 0.0;
    const std::int64_t drawn = quantile(m.law, std::min(below + u * law.pmf(k), 1 - 0x1p-53));
    return {m.weight, drawn + 1, drawn};
  }
}

/// The smoothed stochastic derivative d x / d parameter j at outcome k: each jump replaced by its mean at once.
template <PlainLaw L>
void smoothed_derivative(const L& law, std::int64_t k, double alpha, std::span<double> out, std::span<double> scratch) {
  if constexpr (requires { law.smoothed_derivative(k, alpha, out, scratch); }) {
    law.smoothed_derivative(k, alpha, out, scratch);
  } else {
    up_rate(law, k, out);
    down_rate(law, k, scratch);
    const double up = static_cast<double>(next(law, k) - k), down = static_cast<double>(k - previous(law, k));
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = up * mixed_rate(out[j], alpha) - down * mixed_rate(scratch[j], alpha);
  }
}

}  // namespace stoat
