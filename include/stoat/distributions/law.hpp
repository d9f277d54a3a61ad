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
//     static constexpr int parameters = 1;                    // differentiable parameters, in the order of map()
//     template <class F> auto map(F&& f) const { return Geometric<std::decay_t<decltype(f(p))>>{f(p)}; }
//
//     Support support() const;                                // {0, Support::unbounded}
//     double pmf(std::int64_t k) const;                       // P(X = k)
//     double cdf(std::int64_t k) const;                       // P(X <= k)
//     void cdf_derivative(std::int64_t k, std::span<double> out) const;   // d P(X <= k) / d parameter j
//     std::int64_t quantile(double u) const;                  // smallest k with u < cdf(k), for u in [0, 1)
//   };
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
// Optional members, used when present:
//   std::string problem() const;                 // empty when the parameters are valid, else "p = 1.2 is outside [0, 1]"
//   void score(k, out) const;                    // d log pmf(k) / d parameter j; default: from cdf_derivative
//   void up_rate(k, out), down_rate(k, out);     // the two rates above in closed form (default: the quotients)
//   double mixture() const;                      // alpha of least variance; default 1/2
//   bool boundary() const;                       // some outcome in the support has probability 0 at these parameters
//   S mean() const;                              // in S, so that a mean-field run can record it
//   void mean_derivative(out) const;             // d mean / d parameter j: the straight-through slope
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include <stoat/error.hpp>

namespace stoat {

/// The outcomes lower, lower + 1, ..., upper of a law.
struct Support {
  static constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max();
  std::int64_t lower = 0;
  std::int64_t upper = unbounded;
  constexpr bool contains(std::int64_t k) const { return lower <= k && k <= upper; }
  constexpr bool finite() const { return upper != unbounded; }
};

/// The plain form of a discrete law: what the engine needs to draw from it and to differentiate it.
template <class L>
concept PlainLaw = requires(const L& law, std::int64_t k, double u, std::span<double> out) {
  { L::name } -> std::convertible_to<std::string_view>;
  { law.support() } -> std::same_as<Support>;
  { law.pmf(k) } -> std::convertible_to<double>;
  { law.cdf(k) } -> std::convertible_to<double>;
  law.cdf_derivative(k, out);
  { law.quantile(u) } -> std::convertible_to<std::int64_t>;
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
///   std::string problem() const;
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

/// Rate of x -> x+1 per unit of each parameter: -dF(x)/dp_j / pmf(x). Zero at the upper end of the support.
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

/// Rate of x -> x-1 per unit of each parameter: dF(x-1)/dp_j / pmf(x). Zero at the lower end of the support.
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

/// The smoothed stochastic derivative d x / d parameter j at outcome k: each jump replaced by its mean at once.
template <PlainLaw L>
void smoothed_derivative(const L& law, std::int64_t k, double alpha, std::span<double> out, std::span<double> scratch) {
  up_rate(law, k, out);
  down_rate(law, k, scratch);
  for (std::size_t j = 0; j < out.size(); ++j) out[j] = mixed_rate(out[j], alpha) - mixed_rate(scratch[j], alpha);
}

}  // namespace stoat
