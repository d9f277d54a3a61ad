// examples/surrogate_gradients/loops.hpp: surrogate gradients are not gradients.
//
// A field F is the gradient of some function if and only if its integral along every closed loop is 0.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "chapter.hpp"
#include "neuron.hpp"

namespace surrogate_gradients {

using Field = std::function<Eigen::VectorXd(const Eigen::VectorXd&)>;

/// The surrogate gradient of four_units() without noise: outputs sigma_beta, slopes sigma'_beta_sg. The true gradient if they
/// match.
Field surrogate_field(double beta, double beta_sg);
/// The output of that network.
double smooth_output(double beta, const Eigen::VectorXd& theta);

/// Two orthonormal directions through the origin of the five parameters.
struct Plane {
  Eigen::VectorXd first, second;
};
/// The plane of the paper's figure. It came from a routine whose random numbers changed since, hence constants.
Plane published_plane();
/// Random directions: the Gram-Schmidt basis of two normal vectors.
Plane random_plane(std::uint64_t seed, std::uint64_t index);
/// r (sin(angle) first + cos(angle) second), angle in radians.
Eigen::VectorXd on_circle(const Plane& plane, double radius, double angle);

inline constexpr double loop_radius = 1.8;

/// Running integrals of F along the circle from angle 0, after 0, 1, ..., `points` of as many equal arcs, by the rule of
/// rectangles, whose error on smooth periodic functions falls faster than every power. Throws InvalidArgument for fewer than 3
/// points.
std::vector<double> running_integral(const Field& field, const Plane& plane, int points, double radius = loop_radius);
/// The last of them: the integral along the whole circle.
double loop_integral(const Field& field, const Plane& plane, int points, double radius = loop_radius);

/// Where the output along the circle passes from one level to another, angle in degrees.
struct OutputStep {
  double angle, from, to;
};
std::vector<OutputStep> output_steps(const Plane& plane, double beta, double radius = loop_radius);

/// Loops along random planes.
struct RandomLoops {
  double mean = 0, error = 0;  ///< of |integral|
  double share = 0;            ///< of planes with |integral| > 0.001
};
RandomLoops random_loops(int planes, int points, double beta, double beta_sg, std::uint64_t seed);

/// Two neurons in a row, y = sigma_beta(u h), h = sigma_beta(w x), with slopes sigma'_beta_sg: dF_u/dw - dF_w/du. The first by the
/// Hessian driver: differentiating a function with slopes of one's own twice gives the Jacobian of its surrogate gradient, which is
/// not symmetric. The second from the formula of the paper.
double pair_curl(double u, double w, double x, double beta, double beta_sg);
double pair_curl_formula(double u, double w, double x, double beta, double beta_sg);
/// The same for a single layer of two inputs, y = sigma_beta(w . x) with slope sigma'_beta_sg.
double layer_curl(const Eigen::Vector2d& w, const Eigen::Vector2d& x, double beta, double beta_sg);
/// The same of the mean surrogate gradient where h is a coin and slopes match, by central differences, and its formula.
double stochastic_curl(double u, double w, double beta);
double stochastic_curl_formula(double u, double w, double beta);

Chapter loops_chapter(const Options& options);

}  // namespace surrogate_gradients
