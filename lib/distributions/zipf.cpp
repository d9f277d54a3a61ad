#include <stoat/distributions/zipf.hpp>

#include <array>

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

constexpr int most_powers = 27;  // 26^-15 is negligible
/// k^-s from those of its divisors, which are in `power`.
double inverse_power(double s, int k, const std::array<double, most_powers>& power) {
  constexpr std::array<int, most_powers> divisor{0, 1, 1, 1, 2, 1, 2, 1, 2, 3, 2, 1, 2, 1, 2, 3, 2, 1, 2, 1, 2, 3, 2, 1, 2, 5, 2};
  const int d = divisor[static_cast<std::size_t>(k)];
  return d == 1 ? std::exp(-s * std::log(k)) : power[static_cast<std::size_t>(d)] * power[static_cast<std::size_t>(k / d)];
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
  // One by one up to where Euler and Maclaurin's formula holds, or where nothing is left.
  const int head = s < 16 ? static_cast<int>(s) + 10 : most_powers - 2;
  const int count = static_cast<int>(std::min<double>(n, head));
  std::array<double, most_powers> power;
  double total = 0;
  for (int k = 1; k <= count; ++k) total += power[static_cast<std::size_t>(k)] = inverse_power(s, k, power);
  const double M = head + 1.0, below = total;
  const bool ends = n < M || s >= 16;
  if (!ends) total += inverse_power(s, head + 1, power) * zipf_rest(s, M, n);
  double left = u * total;
  for (int k = 1; k <= count && (ends || u * total < below); ++k) {
    const double term = power[static_cast<std::size_t>(k)];
    if (left < term || term < negligible_probability || (ends && k == count)) return k;
    left -= term;
  }
  // Beyond, the integral of t^-s from k + 1/2 on is what is left above k, to s / (24 k) outcomes.
  const double rest = (1 - u) * total, end = n + 0.5, c = 1 - s;
  double x;
  if (n == no_last_rank) {
    x = std::pow(-c * rest, 1 / c);
  } else {
    const double share = rest * std::pow(end, -c), y = -c * share;
    x = end * std::exp(-share * (y == 0 ? 1 : std::log1p(y) / y));
  }
  x = std::min(x > M ? x : M, std::min(n, farthest));  // also if x is not a number
  const double k = std::floor(x), past = x - k - 0.5;
  if (std::abs(past) > s / (20 * k) + 1e-15 * k) return static_cast<std::int64_t>(past > 0 ? k + 1 : k);
  // Near the step between k and k + 1 what is left above k is summed.
  if (k >= n || k > 1e15 || rest > std::pow(k + 1, -s) * zipf_rest(s, k + 1, n)) return static_cast<std::int64_t>(k);
  return static_cast<std::int64_t>(k) + 1;
}

}  // namespace stoat::detail
