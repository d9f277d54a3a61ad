// examples/game_of_life/program.hpp: a game of life whose cells sometimes disobey.
#pragma once

#include <cstdlib>
#include <vector>

#include <stoat/stoat.hpp>

namespace game_of_life {

using namespace stoat;

/// A square board, 2 * half + 1 cells wide, with nothing alive outside. theta = (probability that a cell of the first board is
/// alive). In each step a cell should be born next to 3 living of its 4 neighbours, and should die with 0, 1 or 4 of them. It
/// does what it should with probability 1 - disobedience, and the opposite otherwise. The outcome: cells alive after `steps`.
struct GameOfLife {
  int half = 12, steps = 10;
  double disobedience = 0.1;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const int side = 2 * half + 1, stride = side + 2;  // a border of dead cells
    std::vector<int> board(static_cast<std::size_t>(stride * stride));
    const auto cell = [&](int row, int column) { return static_cast<std::size_t>((row + 1) * stride + column + 1); };
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) board[cell(i, j)] = int(draw(Bernoulli(theta[0])));
    for (int t = 0; t < steps; ++t) {
      const std::vector<int> before = board;
      for (int i = 0; i < side; ++i)
        for (int j = 0; j < side; ++j) {
          const int living = before[cell(i - 1, j)] + before[cell(i + 1, j)] + before[cell(i, j - 1)] + before[cell(i, j + 1)];
          const bool alive = before[cell(i, j)] == 1;
          const bool change = alive ? living <= 1 || living == 4 : living == 3;
          if (draw(Bernoulli(change ? 1 - disobedience : disobedience))) board[cell(i, j)] = alive ? 0 : 1;
        }
    }
    S alive = 0;
    for (const int b : board) alive += b;
    return alive;
  }
};

}  // namespace game_of_life
