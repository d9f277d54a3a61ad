#include <stoat/distributions/zipf.hpp>

#include "inversion.hpp"

namespace stoat::detail {
namespace {

/// zipf_sum and its derivative in s.
Dual<double> sum_and_slope(double s, double m, double n) { return zipf_sum(Dual<double>(s, 1.0), m, n); }
/// E log X over the ranks m, ..., n.
double mean_log(double s, double m, double n) {
  const Dual<double> sum = sum_and_slope(s, m, n);
  return std::log(m) - sum.tangent() / sum.value();
}

}  // namespace

double zipf_mean_log(double s, double n) { return mean_log(s, 1, n); }

double zipf_mean_slope(double s, double n) {
  if (n == no_last_rank && s <= 2) return std::numeric_limits<double>::quiet_NaN();
  return (sum_and_slope(s - 1, 1, n) / sum_and_slope(s, 1, n)).tangent();
}

double zipf_slope(double s, double n, double k, double j) {
  // F = A / (A + B) for the sums up to k and from k + 1, so dF = F (1 - F) (mean log of B's ranks - mean log of A's)
  const double apart = mean_log(s, k + 1, n) - mean_log(s, 1, k);
  const double f = zipf_sum(s, 1, k) / zipf_sum(s, 1, n);
  const double rest = zipf_sum(s, k + 1, n);  // (1 - F) / pmf(k + 1)
  const double unit = j == 0 ? std::pow(k + 1, -s) / zipf_sum(s, 1, n) : std::pow((k + 1) / j, -s);
  return f * rest * unit * apart;
}

std::int64_t zipf_quantile(double s, double n, double u) {
  const double total = zipf_sum(s, 1, n);
  double left = u * total;
  for (double k = 1; k <= std::min(n, 32.0); ++k) {
    const double term = std::pow(k, -s);
    if (left < term) return static_cast<std::int64_t>(k);
    left -= term;
  }
  // Beyond: where the integral of x^-s from k + 1/2 on is (1 - u) H, then exactly.
  const double rest = (1 - u) * total, end = n + 0.5, c = 1 - s;
  const double x = n == no_last_rank    ? std::pow(-c * rest, 1 / c)
                   : std::abs(c) < 1e-8 ? end * std::exp(-rest)
                                        : end * std::exp(std::log1p(-c * rest * std::pow(end, -c)) / c);
  const Support support{1, n == no_last_rank ? Support::unbounded : static_cast<std::int64_t>(n)};
  const double start = x > 1 ? std::min(x, std::min(n, farthest)) : 1;  // also if x is not a number
  return search([&](std::int64_t k) { return zipf_sum(s, 1, static_cast<double>(k)) / total; }, support,
                static_cast<std::int64_t>(start), u);
}

}  // namespace stoat::detail
