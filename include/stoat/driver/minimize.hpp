// stoat/driver/minimize.hpp: stochastic gradient descent on an expected cost.
#pragma once

#include <stoat/driver/estimate.hpp>
#include <stoat/optim/optimizer.hpp>

namespace stoat {

struct MinimizeOptions {
  int iterations = 500;
  std::uint64_t samples = 16;  ///< gradient draws per iteration
  std::uint64_t seed = 1;
  int threads = 0;
  double average = 0.2;  ///< theta is the mean over this last fraction of the iterations (Polyak); 0: the last iterate
  std::size_t max_draws = std::size_t{1} << 24;
  std::function<void(int iteration, double value)> progress{};
};

/// One iteration: the estimate at theta, before the step.
struct MinimizeStep {
  int iteration = 0;
  double value = 0, value_error = 0;
  Eigen::VectorXd theta, gradient;
  double work = 0;     ///< runs of the program so far
  double seconds = 0;  ///< so far
};

struct Minimum {
  Eigen::VectorXd theta;
  double value = 0, value_error = 0;  ///< mean estimated cost over the averaged iterations
  std::vector<MinimizeStep> trace;
  Work work;
  double seconds = 0;
};

/// Minimises E f over theta with fresh randomness in every iteration.
Minimum minimize(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator, Optimizer optimizer,
                 const MinimizeOptions& options = {});

}  // namespace stoat
