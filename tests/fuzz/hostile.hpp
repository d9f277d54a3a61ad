// tests/fuzz/hostile.hpp: entry points of the library fed with numbers that they do not expect.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <stoat/error.hpp>

namespace fuzz {

/// Numbers that make trouble, and a few that do not.
inline const std::vector<double>& hostile_numbers() {
  using Limits = std::numeric_limits<double>;
  static const std::vector<double> numbers{Limits::quiet_NaN(),
                                           Limits::infinity(),
                                           -Limits::infinity(),
                                           -1,
                                           -1e-300,
                                           -0.0,
                                           0,
                                           Limits::denorm_min(),
                                           1e-300,
                                           1e-17,
                                           0.5,
                                           1,
                                           1 + Limits::epsilon(),
                                           2,
                                           3.7,
                                           1e10,
                                           1e17,
                                           1e300,
                                           Limits::max()};
  return numbers;
}
/// The same for integers.
inline const std::vector<int>& hostile_integers() {
  static const std::vector<int> numbers{std::numeric_limits<int>::min(), -7, -1, 0, 1, 2, 3, 1000};
  return numbers;
}

/// What became of a call: an error of the library, or the numbers that it returned.
struct Outcome {
  std::string error{};  ///< empty: none
  std::vector<double> numbers{};
  bool finite() const {
    for (const double x : numbers)
      if (!std::isfinite(x)) return false;
    return true;
  }
  bool nan() const {
    for (const double x : numbers)
      if (std::isnan(x)) return true;
    return false;
  }
  bool names(const std::string& culprit) const { return error.find(culprit) != std::string::npos; }
};

/// Any other exception fails the test.
inline Outcome outcome_of(const std::function<std::vector<double>()>& call) {
  try {
    return {{}, call()};
  } catch (const stoat::Error& e) { return {e.what()}; } catch (const stoat::InvalidArgument& e) {
    return {e.what()};
  }
}

/// The call must end in an error with these words.
inline void refuses(const std::string& words, const std::function<void()>& call) {
  const Outcome outcome = outcome_of([&] { return call(), std::vector<double>{}; });
  CHECK_MESSAGE(outcome.names(words), "\"" << words << "\" is not in \"" << outcome.error << "\"");
}

/// A knob of something: every value outside [lower, upper] must be refused with its name in the message; with every other one the
/// call must succeed with finite numbers; where the value is so large or small that powers of it overflow, it may end in infinity
/// or in an error.
struct Knob {
  const char* name;
  double lower, upper;
  std::function<std::vector<double>(double)> call;
  bool without_lower = false, without_upper = false;  ///< the ends themselves are outside
};
inline void check(const Knob& knob, const std::vector<double>& values) {
  CAPTURE(std::string(knob.name));
  for (const double x : values) {
    CAPTURE(x);
    const bool good =
        (knob.without_lower ? x > knob.lower : x >= knob.lower) && (knob.without_upper ? x < knob.upper : x <= knob.upper);
    const Outcome outcome = outcome_of([&] { return knob.call(x); });
    const bool extreme = x != 0 && (std::abs(x) < 1e-100 || std::abs(x) > 1e100);
    if (good) CHECK_MESSAGE((outcome.error.empty() ? outcome.finite() || (extreme && !outcome.nan()) : extreme), outcome.error);
    else CHECK_MESSAGE(outcome.names(knob.name), "refused with \"" << outcome.error << "\"");
  }
}
inline std::vector<double> as_numbers(const std::vector<int>& integers) { return {integers.begin(), integers.end()}; }

}  // namespace fuzz
