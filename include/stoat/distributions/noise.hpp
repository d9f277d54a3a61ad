// stoat/distributions/noise.hpp: the parameter-free noise that laws transform.
//
// Each function takes two words of a Boost.Random-conforming generator of 32-bit words, and resolves both tails to 2^-65.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace stoat::detail {

/// A uniform number in (0, 1) as its distance p, in (0, 1/2], from the nearer end. p is never 0: neither log(p) nor 1/p overflows.
struct Tail {
  bool upper;
  double p;
};
template <class G>
Tail uniform_tail(G& generator) {
  const std::uint64_t low = generator();
  const std::uint64_t high = generator();
  const std::uint64_t bits = high << 32 | low;
  return {(bits >> 63) != 0, (static_cast<double>(bits & ~(std::uint64_t{1} << 63)) + 0.5) * 0x1p-64};
}

/// A standard exponential number, in (0, 45.1].
template <class G>
double standard_exponential(G& generator) {
  const Tail u = uniform_tail(generator);
  return u.upper ? -std::log(u.p) : -std::log1p(-u.p);
}

/// A standard Cauchy number, 1 / tan(pi u): finite.
template <class G>
double standard_cauchy(G& generator) {
  const Tail u = uniform_tail(generator);
  const double size = 1 / std::tan(std::numbers::pi * u.p);
  return u.upper ? size : -size;
}

}  // namespace stoat::detail
