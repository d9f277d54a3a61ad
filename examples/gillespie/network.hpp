// examples/gillespie/network.hpp: species and the reactions between them.
#pragma once

#include <Eigen/Core>

namespace gillespie {

/// Numbers of each species (row) that each reaction (column) uses up and makes.
struct Network {
  Eigen::MatrixXi used, made;
  Eigen::VectorXi start;

  /// Ways in which each reaction can choose what it uses, in order, when there is so much of each species.
  Eigen::VectorXd ways(const Eigen::VectorXi& number) const {
    Eigen::VectorXd ways = Eigen::VectorXd::Ones(used.cols());
    for (Eigen::Index r = 0; r < used.cols(); ++r)
      for (Eigen::Index s = 0; s < used.rows(); ++s)
        for (int k = 0; k < used(s, r); ++k) ways[r] *= number[s] - k;
    return ways;
  }
};

/// A gene: messengers are transcribed and decay, proteins are translated from messengers and decay.
inline Network gene_expression() {
  Network network{Eigen::MatrixXi(2, 4), Eigen::MatrixXi(2, 4), Eigen::Vector2i::Zero()};
  network.used << 0, 1, 1, 0, 0, 0, 0, 1;
  network.made << 1, 0, 1, 0, 0, 0, 1, 0;
  return network;
}

}  // namespace gillespie
