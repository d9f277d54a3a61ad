// The game of life on 9 cells: the truth from all 512 boards.
#include <doctest/doctest.h>

#include <bit>

#include <game_of_life/plain.hpp>
#include <game_of_life/program.hpp>

#include "agreement.hpp"

using namespace game_of_life;

namespace {

constexpr unsigned boards = 512;

Eigen::VectorXd at(double p) { return Eigen::VectorXd::Constant(1, p); }

/// Cells alive next to cell c of a board of 3 x 3, bit by bit.
int living_neighbours(unsigned board, int c) {
  const int row = c / 3, column = c % 3;
  int n = 0;
  if (row > 0) n += board >> (c - 3) & 1;
  if (row < 2) n += board >> (c + 3) & 1;
  if (column > 0) n += board >> (c - 1) & 1;
  if (column < 2) n += board >> (c + 1) & 1;
  return n;
}

/// Expected number of cells alive after some steps, for every first board: backwards through the Markov chain.
Eigen::VectorXd expected_life(int steps) {
  Eigen::MatrixXd transition(boards, boards);
  for (unsigned from = 0; from < boards; ++from)
    for (unsigned to = 0; to < boards; ++to) {
      double p = 1;
      for (int c = 0; c < 9; ++c) {
        const int n = living_neighbours(from, c);
        const bool alive = from >> c & 1, expected = alive ? n == 2 || n == 3 : n == 3;
        p *= (to >> c & 1) == expected ? 0.9 : 0.1;
      }
      transition(from, to) = p;
    }
  Eigen::VectorXd life(boards);
  for (unsigned b = 0; b < boards; ++b) life[b] = std::popcount(b);
  for (int t = 0; t < steps; ++t) life = transition * life;
  return life;
}

stoat::Exact truth(int steps, double p) {
  const Eigen::VectorXd life = expected_life(steps);
  stoat::Exact truth;
  truth.gradient = at(0);
  truth.source = "all boards";
  for (unsigned b = 0; b < boards; ++b) {
    const int n = std::popcount(b);
    const double chance = std::pow(p, n) * std::pow(1 - p, 9 - n);
    truth.value += life[b] * chance;
    truth.gradient[0] += life[b] * chance * (n / p - (9 - n) / (1 - p));
  }
  return truth;
}

}  // namespace

TEST_CASE("the game of life on 9 cells has the published expectations") {
  struct Known {
    int steps;
    double p, value, derivative;
  };
  const Known known[] = {{1, 0.5, 2.65, 8.30},
                         {3, 0.5, 1.3760339216, 3.0040770652},
                         {3, 0.3, 0.9989457866, 0.9055942611},
                         {2, 0.5, 1.74836, 5.097584},
                         {10, 0.5, 0.9508198006, 0.1444636450}};
  for (const Known& k : known) {
    const stoat::Exact t = truth(k.steps, k.p);
    CHECK(t.value == doctest::Approx(k.value).epsilon(1e-9));
    CHECK(t.gradient[0] == doctest::Approx(k.derivative).epsilon(1e-9));
  }
}

TEST_CASE("one step of it, enumerated") {
  const stoat::Exact x = stoat::enumerate(GameOfLife{.half = 1, .steps = 1}, at(0.5));
  CHECK(x.value == doctest::Approx(2.65).epsilon(1e-11));
  CHECK(x.gradient[0] == doctest::Approx(8.30).epsilon(1e-11));
}

TEST_CASE("three steps of it, estimated, and its plain twin") {
  for (const double p : {0.3, 0.5}) {
    const stoat::Exact t = truth(3, p);
    agreement::check_estimates(GameOfLife{.half = 1, .steps = 3}, at(p), t, 20'000);
    agreement::check_plain(PlainGameOfLife{.half = 1, .steps = 3}, at(p), t.value, 100'000);
  }
}

TEST_CASE("on 49 cells score function and replays agree with the published derivative") {
  // 39.68 +- .06 by differences of independent runs (expectation 12.66).
  const stoat::Estimate e = stoat::estimate(GameOfLife{.half = 3, .steps = 3}, at(0.5), stoat::StochasticDerivative{16},
                                            {.samples = 10'000, .seed = 2024});
  CHECK(std::abs(e.gradient[0] - 39.68) < agreement::bound * std::hypot(e.gradient_error[0], 0.06));
  CHECK(e.gradient_error[0] < 0.5);
  CHECK(std::abs(e.value - 12.66) < agreement::bound * e.value_error + 0.005);
}
