// examples/common/showcase.hpp: a stochastic program with what is worth saying about it, and the runner that says it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <Eigen/Core>
#include <boost/random/mersenne_twister.hpp>
#include <stoat/driver/compare.hpp>
#include <stoat/driver/minimize.hpp>
#include <stoat/estimators/replay.hpp>

#include "chapter.hpp"

namespace showcase {

/// Score functions, replays without and with a surrogate as control, and biased surrogates.
std::vector<stoat::AnyEstimator> usual_estimators();

/// From a poor start to a good end.
struct Descent {
  stoat::Program<double> program;         ///< whose expected cost is minimised: often the showcase's, in unbounded parameters
  Eigen::VectorXd start;                  ///< poor
  stoat::AnyEstimator estimator;          ///< of the gradient
  stoat::Optimizer optimizer;             ///< and its rate
  int iterations = 200;                   ///< steps
  std::uint64_t samples = 16;             ///< gradient draws of a step
  std::string cost = "expected cost";     ///< its name, with its unit
  std::vector<std::string> parameters{};  ///< their names; empty: theta[0], theta[1], ...
  std::function<double()> known{};        ///< an expected cost to compare with, such as the least, ...
  std::string known_source{};             ///< ... and what it is; empty: none
};

/// What a run found out, for figures of the program's own.
struct Findings {
  stoat::Estimate estimate;
  stoat::Minimum minimum;
  bool quick = false;
  std::uint64_t seed = 1;
};

struct Showcase {
  std::string name;   ///< of its folder
  std::string title;  ///< of the page
  std::string text;   ///< what is simulated: HTML paragraphs
  stoat::Program<double> program;
  Eigen::VectorXd theta;                  ///< where value and gradient are estimated
  std::vector<std::string> parameters{};  ///< their names; empty: theta[0], theta[1], ...
  /// One run of the plain twin: an independent witness of the expected cost.
  std::function<double(const Eigen::VectorXd& theta, boost::random::mt19937& generator)> plain;
  /// Exact value and gradient. Without: finite differences of plain runs on common random numbers, with their errors.
  std::function<stoat::Exact()> truth{};
  double difference_step = 0.02;   ///< of those; see stoat::FiniteDifference
  stoat::AnyEstimator estimator;   ///< of the gradient: all parameters from one set of alternatives
  std::uint64_t samples = 10'000;  ///< gradient draws; the comparison takes a quarter of them for each estimator
  std::vector<stoat::AnyEstimator> estimators =
      usual_estimators();  ///< to be compared; finite differences join them if parameters are few
  Descent descent;
  std::function<std::vector<Figure>(const Findings&)> figures{};  ///< of the program's own
};

/// theta -> program(theta + directions * t), a program in t. One column of `directions` for each component of t.
stoat::Program<double> along(const stoat::Program<double>& program, const Eigen::VectorXd& theta,
                             const Eigen::MatrixXd& directions);

/// Value and gradient of a smooth function that is known without noise, by central differences of fourth order.
stoat::Exact differentiated(const std::function<double(const Eigen::VectorXd&)>& value, const Eigen::VectorXd& theta,
                            const std::string& source, double step = 1e-3);

/// Estimates, compares and minimises as the options in argv say (--quick, --samples, --seed, --threads, --out, --help); prints
/// tables and writes a page with figures. Returns the exit code: 0, 1 after an error, 2 if an option is wrong.
int run(const Showcase& showcase, int argc, const char* const* argv);

}  // namespace showcase
