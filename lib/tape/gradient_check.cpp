#include <stoat/tape/gradient_check.hpp>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <numeric>
#include <ostream>

namespace stoat {
namespace detail {

namespace {

struct Difference {
  double value = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::infinity();
};

/// Central differences at shrinking steps, extrapolated to step 0; the best of all by its own error estimate (Ridders 1982).
/// Where the slopes on the two sides stay apart there is a kink, and their distance is the error.
template <class F>
Difference ridders(F&& f, double centre, double step) {
  constexpr int rows = 12;
  constexpr double shrink = 1.6;
  double previous[rows], current[rows];
  Difference best;
  double first_gap = 0, gap = 0;
  int usable = 0;
  for (int tries = 0; tries < 40 && usable < rows; ++tries, step /= shrink) {
    const double right = f(step), left = f(-step), slope = (right - left) / (2 * step);
    if (!std::isfinite(slope)) {
      // A step out of the domain: start again with a smaller one.
      usable = 0;
      continue;
    }
    gap = std::abs((right - centre) - (centre - left)) / step;
    if (usable == 0) first_gap = gap;
    current[0] = slope;
    double factor = shrink * shrink;
    for (int k = 1; k <= usable; ++k, factor *= shrink * shrink) {
      current[k] = (factor * current[k - 1] - previous[k - 1]) / (factor - 1);
      const double error = std::max(std::abs(current[k] - current[k - 1]), std::abs(current[k] - previous[k - 1]));
      if (error < best.error) best = {current[k], error};
    }
    if (usable > 1 && std::abs(current[usable] - previous[usable - 1]) > 4 * best.error) break;  // rounding takes over
    std::copy_n(current, usable + 1, previous);
    ++usable;
  }
  if (gap > 0.5 * first_gap && gap > 1e-3 * std::abs(best.value) && usable > 2) best.error = std::max(best.error, gap);
  return best;
}

}  // namespace

GradientCheck checked_gradient(const std::function<double(const Eigen::VectorXd&)>& f, const Eigen::VectorXd& x, GradientCheck c,
                               const GradientCheckOptions& options) {
  const Eigen::Index n = x.size();
  c.differences.resize(n), c.difference_error.resize(n), c.deviation.resize(n);
  for (Eigen::Index j = 0; j < n; ++j) {
    Eigen::VectorXd at = x;
    const Difference d = ridders(
        [&](double step) {
          at[j] = x[j] + step;
          return f(at);
        },
        c.value, options.step > 0 ? options.step : 0.1 * std::max(std::abs(x[j]), 0.1));
    c.differences[j] = d.value;
    c.difference_error[j] = d.error;
  }
  const double scale = n > 0 ? c.reverse.cwiseAbs().maxCoeff() : 0;
  c.passed = std::isfinite(c.value);
  for (Eigen::Index j = 0; j < n; ++j) {
    const double size = std::max({std::abs(c.reverse[j]), 1e-3 * scale, std::numeric_limits<double>::min()});
    const double modes = std::abs(c.reverse[j] - c.forward[j]);
    const double differences = std::max(0.0, std::abs(c.reverse[j] - c.differences[j]) - 2 * c.difference_error[j]);
    c.deviation[j] = std::max(modes, differences) / size;
    // Differences that do not know their own value prove nothing.
    const bool good =
        c.deviation[j] <= options.tolerance && c.difference_error[j] <= 1e3 * options.tolerance * std::max(size, 1e-3);
    c.passed = c.passed && good;
    if (!(c.deviation[j] <= c.deviation[c.worst])) c.worst = j;
  }
  return c;
}

}  // namespace detail

std::ostream& operator<<(std::ostream& out, const GradientCheck& c) {
  const auto flags = out.flags();
  const auto precision = out.precision();
  out << (c.passed ? "gradient check passed" : "gradient check FAILED") << ", value " << c.value << ", " << c.reverse.size()
      << " components, worst deviation first\n"
      << std::setw(9) << "component" << std::setw(22) << "reverse" << std::setw(22) << "forward" << std::setw(22) << "differences"
      << std::setw(12) << "+-" << std::setw(12) << "deviation" << '\n';
  std::vector<Eigen::Index> order(static_cast<std::size_t>(c.reverse.size()));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Eigen::Index a, Eigen::Index b) { return c.deviation[a] > c.deviation[b]; });
  constexpr std::size_t most = 20;
  for (std::size_t k = 0; k < std::min(order.size(), most); ++k) {
    const Eigen::Index j = order[k];
    out << std::setw(9) << j << std::setprecision(14) << std::setw(22) << c.reverse[j] << std::setw(22) << c.forward[j]
        << std::setw(22) << c.differences[j] << std::setprecision(2) << std::setw(12) << c.difference_error[j] << std::setw(12)
        << c.deviation[j] << '\n';
  }
  if (order.size() > most) out << "and " << order.size() - most << " more\n";
  out.flags(flags);
  out.precision(precision);
  return out;
}

}  // namespace stoat
