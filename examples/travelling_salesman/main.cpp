// examples/travelling_salesman/main.cpp: a policy that learns a short tour.
#include <cmath>

#include <common/showcase.hpp>
#include <stoat/estimators/score_function.hpp>

#include "plain.hpp"
#include "program.hpp"
#include "tours.hpp"

using namespace stoat;
using namespace travelling_salesman;

namespace {

constexpr Eigen::Index cities = 8;

/// Eight cities in a square of side 1.
Eigen::Matrix2Xd map() {
  Eigen::Matrix2Xd place(2, cities);
  place << 0.1, 0.9, 0.4, 0.8, 0.2, 0.6, 0.95, 0.3,  //
      0.2, 0.1, 0.7, 0.8, 0.9, 0.4, 0.5, 0.45;
  return place;
}

/// A logit of -2 for each unit of length: near cities are somewhat preferred.
Eigen::VectorXd nearby(const Eigen::MatrixXd& distance) { return -2 * distance.reshaped(); }

/// The tour that goes to the city with the largest logit each time.
std::vector<std::vector<double>> likeliest_tour(const Eigen::VectorXd& theta) {
  const Eigen::Map<const Eigen::MatrixXd> preference(theta.data(), cities, cities);
  std::vector<bool> seen(cities);
  std::vector<std::vector<double>> points;
  const auto visit = [&](Eigen::Index c) {
    seen[static_cast<std::size_t>(c)] = true;
    points.push_back({map()(0, c), map()(1, c)});
  };
  Eigen::Index here = 0;
  visit(here);
  for (Eigen::Index k = 1; k < cities; ++k) {
    Eigen::Index best = -1;
    for (Eigen::Index c = 0; c < cities; ++c)
      if (!seen[static_cast<std::size_t>(c)] && (best < 0 || preference(c, here) > preference(best, here))) best = c;
    visit(here = best);
  }
  points.push_back(points.front());
  return points;
}

}  // namespace

int main(int argc, char** argv) {
  Tour tour;
  tour.distance = Eigen::MatrixXd::NullaryExpr(cities, cities,
                                               [](Eigen::Index i, Eigen::Index j) { return (map().col(i) - map().col(j)).norm(); });
  const PlainTour plain{tour.distance};
  const Eigen::VectorXd start = nearby(tour.distance);
  return showcase::run({.name = "travelling_salesman",
                        .title = "A policy that learns a short tour",
                        .text = "<p>A tour through eight cities is drawn city by city, with a logit for every pair of cities. How "
                                "does its expected length "
                                "depend on the 64 logits, and which make it short?</p>",
                        .program = tour,
                        .theta = start,
                        .plain = [plain](const Eigen::VectorXd& t, auto& generator) { return plain(generator, t); },
                        .truth = [tour, start] { return expected_length(tour, start); },
                        .estimator = StochasticDerivative{4},
                        .samples = 20'000,
                        .descent = {.program = tour,
                                    .start = start,
                                    .estimator = LeaveOneOut{4},
                                    .optimizer = Adam{0.1},
                                    .iterations = 200,
                                    .samples = 16,
                                    .cost = "length of the tour",
                                    .known = [&] { return shortest(tour); },
                                    .known_source = "shortest of all tours"},
                        .figures = [start](const showcase::Findings& found) -> std::vector<showcase::Figure> {
                          namespace colour = showcase::colour;
                          const auto panel = [](const std::string& title, const char* ink, const Eigen::VectorXd& theta) {
                            return showcase::Panel{
                                title,
                                "",
                                "",
                                "set size ratio -1\nset xrange [0:1]\nset yrange [0:1]",
                                {{"", "with linespoints pt 7 lw 2 lc rgb '" + std::string(ink) + "'", likeliest_tour(theta)}}};
                          };
                          return {{"tours",
                                   "The tour that always goes to the likeliest city, before and after.",
                                   760,
                                   380,
                                   2,
                                   {panel("start", colour::orange, start), panel("end", colour::blue, found.minimum.theta)}}};
                        }},
                       argc, argv);
}
