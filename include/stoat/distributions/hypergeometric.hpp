// stoat/distributions/hypergeometric.hpp: successes among draws without replacement.
#pragma once

#include <stoat/distributions/law.hpp>

namespace stoat {

namespace detail {
double hypergeometric_log_pmf(std::int64_t population, std::int64_t successes, std::int64_t draws, std::int64_t k);
double hypergeometric_cdf(std::int64_t population, std::int64_t successes, std::int64_t draws, std::int64_t k);
double hypergeometric_survival(std::int64_t population, std::int64_t successes, std::int64_t draws, std::int64_t k);
std::int64_t hypergeometric_quantile(std::int64_t population, std::int64_t successes, std::int64_t draws, double u);
}  // namespace detail

/// Hypergeometric(population, successes, draws): successes among `draws` items taken without replacement from `population` of
/// which `successes` are some. pmf(k) = C(successes, k) C(population - successes, draws - k) / C(population, draws). The numbers
/// may be outcomes of earlier draws; there are no differentiable parameters. cdf costs O(standard deviation).
struct Hypergeometric {
  using Scalar = double;
  std::int64_t population, successes, draws;

  template <std::integral I, std::integral J, std::integral K>
  Hypergeometric(I items, J good, K taken)
      : population(static_cast<std::int64_t>(items)),
        successes(static_cast<std::int64_t>(good)),
        draws(static_cast<std::int64_t>(taken)) {}

  static constexpr std::string_view name = "Hypergeometric";
  static constexpr int parameters = 0;
  template <class F>
  Hypergeometric map(F&&) const {
    return *this;
  }

  std::string problem() const {
    const auto check = [](std::string_view what, std::int64_t n, std::int64_t most) {
      return n >= 0 && n <= most ? std::string() : outside(what, static_cast<double>(n), "[0, " + std::to_string(most) + "]");
    };
    if (std::string text = check("population", population, std::int64_t{1} << 53); !text.empty()) return text;
    if (std::string text = check("successes", successes, population); !text.empty()) return text;
    return check("draws", draws, population);
  }
  Support support() const { return {std::max<std::int64_t>(0, draws - (population - successes)), std::min(successes, draws)}; }
  double pmf(std::int64_t k) const { return std::exp(log_pmf(k)); }
  double ratio(std::int64_t k) const {
    return static_cast<double>(successes - k) / static_cast<double>(k + 1) * static_cast<double>(draws - k) /
           static_cast<double>(population - successes - draws + k + 1);
  }
  double log_pmf(std::int64_t k) const { return detail::hypergeometric_log_pmf(population, successes, draws, k); }
  double cdf(std::int64_t k) const { return detail::hypergeometric_cdf(population, successes, draws, k); }
  double survival(std::int64_t k) const { return detail::hypergeometric_survival(population, successes, draws, k); }
  void cdf_derivative(std::int64_t, std::span<double>) const {}
  std::int64_t mode() const {
    const double k =
        (static_cast<double>(draws) + 1) * (static_cast<double>(successes) + 1) / (static_cast<double>(population) + 2);
    return std::clamp(static_cast<std::int64_t>(k), support().lower, support().upper);
  }
  std::int64_t quantile(double u) const { return detail::hypergeometric_quantile(population, successes, draws, u); }

  void score(std::int64_t, std::span<double>) const {}
  double mean() const {
    return population == 0 ? 0.0 : static_cast<double>(draws) * (static_cast<double>(successes) / static_cast<double>(population));
  }
  void mean_derivative(std::span<double>) const {}
};

}  // namespace stoat
