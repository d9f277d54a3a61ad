// examples/surrogate_gradients/sign_change.hpp: surrogate gradients of the wrong sign, and where descent along them ends.
#pragma once

#include <utility>
#include <vector>

#include "chapter.hpp"
#include "neuron.hpp"

namespace surrogate_gradients {

/// Slope of the sweeps over w in four_units() at (v1, v2, u1, u2) = (0.05, 0.1, 1, -1).
inline constexpr double sweep_beta = 100;

/// Values at evenly spaced w.
struct Sweep {
  std::vector<double> w, value;
};
/// The output of the network with slope beta, and the component w of its surrogate gradient (the true one if the slopes match), at
/// `points` values of w in [-0.2, 0.2]. Throw InvalidArgument for fewer than 2 points.
Sweep output_sweep(double beta, int points = 10001);
Sweep surrogate_sweep(double beta, double beta_sg, int points = 10001);
/// The running integral (rule of trapezoids), from 0.
Sweep integrated(const Sweep& sweep);

/// Where the values change sign, by linear interpolation; rounding noise around exact zeros does not count.
std::vector<double> zero_crossings(const Sweep& sweep);
/// w of the least and of the largest value.
double argmin(const Sweep& sweep);
double argmax(const Sweep& sweep);
/// The first and last w at which two sweeps differ in sign while |truth| > 1e-4, and whether they do everywhere between; (0, 0) if
/// nowhere.
struct Disagreement {
  double from = 0, to = 0;
  bool everywhere = true;
};
Disagreement disagreement(const Sweep& surrogate, const Sweep& truth);

/// w after 0, 1, ..., `steps` steps of gradient descent along the surrogate gradient, forward slope 100.
std::vector<double> descend(double w, double beta_sg, int steps, double rate = 5e-4);

/// The components (v1, v2) of the surrogate gradient at forward slope 20, w = 1, u = (1, -1).
std::pair<double, double> plane_surrogate(double v1, double v2, double beta_sg);
/// That field integrated over [-2, 2]^2 from the corner (-2, -2), on `size` points in each direction (rule of trapezoids): along v1
/// first and then along v2, or the other way round. Rows are v2, columns v1. Of a gradient both are the same. Throws
/// InvalidArgument for fewer than 2 points.
struct Surfaces {
  Eigen::MatrixXd v1_first, v2_first;
};
Surfaces plane_surfaces(double beta_sg, int size);

Chapter sign_change_chapter(const Options& options);

}  // namespace surrogate_gradients
