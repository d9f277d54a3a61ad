// stoat/distributions/discrete_uniform.hpp: an integer of an interval, all equally likely.
#pragma once

#include <stoat/distributions/law.hpp>

namespace stoat {

/// DiscreteUniform(a, b): each of a, a + 1, ..., b with the same probability. The bounds may be outcomes of earlier draws; there
/// are no differentiable parameters. At most 2^53 outcomes: each owns its share of the 2^53 uniform numbers, to within one.
struct DiscreteUniform {
  using Scalar = double;
  std::int64_t a, b;

  template <std::integral I, std::integral J>
  DiscreteUniform(I lowest, J highest) : a(static_cast<std::int64_t>(lowest)), b(static_cast<std::int64_t>(highest)) {}

  static constexpr std::string_view name = "DiscreteUniform";
  static constexpr int parameters = 0;
  template <class F>
  DiscreteUniform map(F&&) const {
    return *this;
  }

  std::string problem() const {
    return b >= a && b != Support::unbounded &&
                   static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a) < (std::uint64_t{1} << 53)
               ? std::string()
               : outside("b", static_cast<double>(b), "[a, a + 2^53) for a = " + std::to_string(a));
  }
  Support support() const { return {a, b}; }
  double pmf(std::int64_t k) const { return support().contains(k) ? 1 / size() : 0.0; }
  double cdf(std::int64_t k) const { return k < a ? 0.0 : k >= b ? 1.0 : (distance(a, k) + 1) / size(); }
  double survival(std::int64_t k) const { return k < a ? 1.0 : k >= b ? 0.0 : distance(k, b) / size(); }
  void cdf_derivative(std::int64_t, std::span<double>) const {}
  std::int64_t quantile(double u) const {
    double k = std::floor(u * size());
    if (std::fma(u, size(), -k) < 0) k -= 1;  // the product was rounded up to an integer
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(k));
  }

  void score(std::int64_t, std::span<double>) const {}
  double mean() const { return static_cast<double>(a) / 2 + static_cast<double>(b) / 2; }
  void mean_derivative(std::span<double>) const {}

 private:
  /// Differences of two integers may need 64 bits without a sign.
  static double distance(std::int64_t from, std::int64_t to) {
    return static_cast<double>(static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from));
  }
  double size() const { return distance(a, b) + 1; }
};

}  // namespace stoat
