// examples/influenza/report.hpp: what the showcase found out, as tables, pictures and a page.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/report.hpp>

#include "outbreak.hpp"

namespace influenza {

/// A descent by one estimator.
struct Fit {
  std::string estimator;
  bool unbiased = true;
  Eigen::VectorXd theta;
  double loss = 0, loss_error = 0;           ///< at theta, by fresh plain runs
  double runs = 0, seconds = 0;              ///< work of the descent
  Eigen::VectorXd gradient, gradient_error;  ///< by this estimator, at the same theta for all of them
  double work_variance = 0;                  ///< variance of a gradient draw times the runs it costs
  struct Point {
    double runs, loss;
  };
  std::vector<Point> curve;
};

/// A number with its standard error, its 90 % interval and the bias of the method: mean of the refits - value.
struct Quantity {
  std::string name, unit;
  double value = 0, error = 0, lower = 0, upper = 0, bias = 0;
};

/// Many outbreaks simulated at one theta, day by day.
struct Band {
  int runs = 0;
  int died_out = 0;  ///< of the runs
  int inside = 0;    ///< observations between the 5 % and the 95 % quantile
  Counts mean{}, lower{}, median{}, upper{};
  std::vector<Counts> examples;  ///< the first few
};

struct Result {
  Scale scale = Scale::roots;
  std::vector<Fit> fits;
  std::vector<Eigen::VectorXd> refits;
  std::vector<Quantity> summary;
  Band band;
  const Fit& best() const { return fits.front(); }
};

/// Fewer boys in bed at the peak than in any outbreak that took off.
bool died_out(const Counts& counts);

Band simulated_band(const Eigen::VectorXd& theta, std::uint64_t seed, int runs);

/// The parameters and what follows from them, with errors from the spread of the refits (0 if there are none).
std::vector<Quantity> summarise(const Eigen::VectorXd& theta, const std::vector<Eigen::VectorXd>& refits);

/// Writes fit.csv, trajectories.csv, loss.csv, influenza.svg, loss.svg and index.html; returns the absolute path of the page.
std::filesystem::path write_report(const Result& result, const std::filesystem::path& folder);

}  // namespace influenza
