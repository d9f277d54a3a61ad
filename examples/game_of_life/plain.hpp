// examples/game_of_life/plain.hpp: the same simulation without stoat.
#pragma once

#include <cstddef>
#include <vector>

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>

namespace game_of_life {

struct PlainGameOfLife {
  int half = 12, steps = 10;
  double disobedience = 0.1;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const int side = 2 * half + 1, stride = side + 2;
    std::vector<int> board(static_cast<std::size_t>(stride * stride));
    const auto cell = [&](int row, int column) { return static_cast<std::size_t>((row + 1) * stride + column + 1); };
    boost::random::bernoulli_distribution<> first(theta[0]), obeys(1 - disobedience), disobeys(disobedience);
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) board[cell(i, j)] = first(generator);
    for (int t = 0; t < steps; ++t) {
      const std::vector<int> before = board;
      for (int i = 0; i < side; ++i)
        for (int j = 0; j < side; ++j) {
          const int living = before[cell(i - 1, j)] + before[cell(i + 1, j)] + before[cell(i, j - 1)] + before[cell(i, j + 1)];
          const bool alive = before[cell(i, j)] == 1;
          const bool change = alive ? living <= 1 || living == 4 : living == 3;
          if (change ? obeys(generator) : disobeys(generator)) board[cell(i, j)] = alive ? 0 : 1;
        }
    }
    double alive = 0;
    for (const int b : board) alive += b;
    return alive;
  }
};

}  // namespace game_of_life
