// examples/variational_inference/subsets.hpp: sums over all subsets of columns.
#pragma once

#include <cmath>
#include <functional>

#include "program.hpp"

namespace variational_inference {

/// Sum of f(z, log p(z) p(y | z)) over all z.
inline double sum_over_subsets(const Selection& model, const std::function<double(const Eigen::VectorXd&, double)>& f) {
  const Eigen::Index n = model.design.cols();
  double sum = 0;
  for (unsigned subset = 0; subset < 1u << n; ++subset) {
    Eigen::VectorXd z(n);
    for (Eigen::Index i = 0; i < n; ++i) z[i] = subset >> i & 1;
    double log_joint = -0.5 / (model.noise * model.noise) * (model.y - model.design * z).squaredNorm();
    for (Eigen::Index i = 0; i < n; ++i) log_joint -= std::log1p(std::exp(z[i] == 1 ? -model.prior : model.prior));
    sum += f(z, log_joint);
  }
  return sum;
}

/// log p(y)
inline double log_evidence(const Selection& model) {
  return std::log(sum_over_subsets(model, [](const Eigen::VectorXd&, double log_joint) { return std::exp(log_joint); }));
}

/// The expected outcome of the program.
inline double free_energy(const Selection& model, const Eigen::VectorXd& theta) {
  return sum_over_subsets(model, [&](const Eigen::VectorXd& z, double log_joint) {
    double log_q = 0;
    for (Eigen::Index i = 0; i < z.size(); ++i) log_q -= std::log1p(std::exp(z[i] == 1 ? -theta[i] : theta[i]));
    return std::exp(log_q) * (log_q - log_joint);
  });
}

}  // namespace variational_inference
