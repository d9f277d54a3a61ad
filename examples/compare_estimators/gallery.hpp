// examples/compare_estimators/gallery.hpp: stochastic programs whose expected cost and gradient are known exactly.
#pragma once

#include <string>
#include <vector>

#include <stoat/stoat.hpp>

struct GalleryProgram {
  std::string name, description;
  stoat::Program<double> program;
  Eigen::VectorXd theta;
  stoat::Exact truth;  ///< truth.source says where the numbers come from
};

/// All programs, small ones first.
const std::vector<GalleryProgram>& gallery();
