// Finite differences for the tests of the tape.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace test {

/// Central difference, extrapolated twice: its error is about 1e-11 of the scale of f for a smooth f.
template <class F>
double difference(F&& f, double x, double step = 0) {
  const double h = step > 0 ? step : 4e-3 * (x == 0 ? 0.25 : std::abs(x));
  const auto d = [&](double s) { return (f(x + s) - f(x - s)) / (2 * s); };
  const double a = d(h), b = d(h / 2), c = d(h / 4);
  const double ab = (4 * b - a) / 3, bc = (4 * c - b) / 3;
  return (16 * bc - ab) / 15;
}

/// |a - b| within a tolerance relative to the larger one, or to `floor`; infinities and NaN must agree.
inline bool close(double a, double b, double tolerance, double floor = 1e-3) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= tolerance * std::max({std::abs(a), std::abs(b), floor});
}

}  // namespace test
