// examples/scaling/measure.hpp: time and memory of a gradient draw.
#pragma once

#include <span>

#include <stoat/estimators/estimator.hpp>

#include "sizes.hpp"

namespace scaling {

/// Times are of the processor, in seconds, once warm; memory is what the process grew by at its peak, in bytes.
struct Point {
  double sites = 0, parameters = 0;
  double run = 0, draw = 0;                ///< time of a plain run, and of a gradient draw
  double run_memory = 0, draw_memory = 0;  ///< of plain runs, and with gradient draws
};

/// Plain runs and gradient draws in turns for so many seconds, at least one of each after one to get warm. They happen in a process
/// of their own, whose peak of memory tells of them alone. Throws Error if that process fails.
Point measure(const Sized& sized, const stoat::AnyEstimator& estimator, double seconds, std::uint64_t seed,
              const stoat::LoopOptions& loops = {});

/// The exponent of y ~ x^slope: least squares in logarithms.
double slope(std::span<const double> x, std::span<const double> y);

}  // namespace scaling
