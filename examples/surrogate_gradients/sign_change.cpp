#include "sign_change.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <stoat/driver/report.hpp>

#include "loops.hpp"

namespace surrogate_gradients {
namespace {

using report::digits;

constexpr double plane_betas[] = {2, 4, 20};  // the last is the true gradient

Eigen::VectorXd sweep_parameters(double w) {
  Eigen::VectorXd theta(5);
  theta << w, 0.05, 0.1, 1, -1;
  return theta;
}

template <class F>
Sweep sweep_of(int points, const F& f) {
  if (points < 2) throw InvalidArgument("sweep: " + outside("points", points, "[2, infinity)"));
  Sweep sweep;
  for (int i = 0; i < points; ++i) {
    sweep.w.push_back(0.4 * i / (points - 1) - 0.2);
    sweep.value.push_back(f(sweep.w.back()));
  }
  return sweep;
}

double least(const Sweep& s) { return *std::min_element(s.value.begin(), s.value.end()); }
double largest(const Sweep& s) { return *std::max_element(s.value.begin(), s.value.end()); }

/// The values on the line through (old0, new0) and (old1, new1).
Sweep mapped(Sweep s, double old0, double new0, double old1, double new1) {
  for (double& y : s.value) y = new0 + (y - old0) * (new1 - new0) / (old1 - old0);
  return s;
}
Sweep between_0_and_1(const Sweep& s) { return mapped(s, least(s), 0, largest(s), 1); }
/// With the ends of another sweep.
Sweep with_ends_of(const Sweep& other, const Sweep& s) {
  return mapped(s, s.value.front(), other.value.front(), s.value.back(), other.value.back());
}
Sweep over_range(Sweep s) {
  const double range = largest(s) - least(s);
  for (double& y : s.value) y /= range;
  return s;
}

Curve curve(const std::string& title, const std::string& style, const Sweep& s) {
  Curve c{title, style, {}};
  for (std::size_t i = 0; i < s.w.size(); ++i) c.points.push_back({s.w[i], s.value[i]});
  return c;
}

Figure sweep_figure() {
  const int points = 801;
  const Sweep output = between_0_and_1(output_sweep(sweep_beta, points)), truth = surrogate_sweep(sweep_beta, sweep_beta, points);
  Figure figure{
      "sign_change",
      "A sweep of w in the network with slope 100. Above, its output; the output of the smooth network that has the slope of the "
      "surrogate, and the integrated surrogate gradient, both scaled to the same ends. Below, derivatives over their range. With "
      "slope 15 the surrogate gradient is negative everywhere: descent runs past the minimum without a stop. With slope 30 it "
      "vanishes at 0.0088, which is no critical point.",
      900,
      680,
      2,
      {}};
  const std::string zero = "set xrange [-0.2:0.2]\nset xtics 0.1\nset xzeroaxis lw 0.8 lt -1\n";
  for (const double beta : {15.0, 30.0}) {
    const std::string name = "slope " + digits(beta);
    figure.panels.push_back(
        {"surrogate of " + name,
         "w",
         "output, scaled",
         zero + "set yrange [-0.05:1.6]\nset ytics 0, 0.5, 1",
         {curve("network, slope 100", line("black"), output),
          curve("smooth network, " + name, line(colour::grey, 2, "'-'"), with_ends_of(output, output_sweep(beta, points))),
          curve("integrated surrogate gradient", line(colour::orange, 2.5),
                with_ends_of(output, integrated(surrogate_sweep(sweep_beta, beta, points))))}});
  }
  for (const double beta : {15.0, 30.0})
    figure.panels.push_back({"",
                             "w",
                             "derivative over its range",
                             zero + "set yrange [-1.15:0.95]",
                             {curve("true derivative", line("black"), over_range(truth)),
                              curve("surrogate gradient, slope " + digits(beta), line(colour::orange, 2.5),
                                    over_range(surrogate_sweep(sweep_beta, beta, points)))}});
  return figure;
}

Figure descent_figure(int steps) {
  Figure figure{
      "descent",
      "Gradient descent on w from four starts. Along the surrogate gradient of slope 30 all arrive at 0.0088, where the true "
      "derivative is 15; of slope 15 all go on to the right for ever. Along the true derivative those that start near it go to the "
      "minimum (dashed, -0.0131); the others stay on their plateaus, the left one for more than 20 000 steps.",
      980,
      340,
      3,
      {}};
  for (const double beta : {30.0, 15.0, sweep_beta}) {
    Panel panel{beta == sweep_beta ? "true derivative" : "surrogate slope " + digits(beta),
                "steps",
                beta == 30 ? "w" : "",
                "set yrange [-0.22:0.42]\nset xrange [0:" + std::to_string(steps) + "]\nset xtics " + std::to_string(steps / 2) +
                    "\nunset key",
                {{"", line(colour::grey, 1, "'-'"), {{0, -0.01312}, {static_cast<double>(steps), -0.01312}}}}};
    const char* const colours[] = {colour::blue, colour::green, colour::orange, colour::violet};
    const double starts[] = {-0.15, -0.05, 0.05, 0.15};
    for (int k = 0; k < 4; ++k) {
      const std::vector<double> path = descend(starts[k], beta, steps);
      Curve c{"", line(colours[k]), {}};
      for (std::size_t i = 0; i < path.size(); i += 1 + path.size() / 400) c.points.push_back({static_cast<double>(i), path[i]});
      panel.curves.push_back(std::move(c));
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Figure plane_figure(const std::vector<Surfaces>& surfaces) {
  Figure figure{
      "plane",
      "The network with slope 20 over (v1, v2), w = 1, u = (1, -1). Surfaces: the surrogate gradient integrated from the lower "
      "left "
      "corner, along v1 first (above) or along v2 first (below). Where the surrogate has its own slope the two surfaces differ, so "
      "neither is its potential. Arrows: -50 times the surrogate gradient at (1.7, -1.3), where the true gradient is 0 to 18 "
      "digits (a dot) and the surrogate still points downhill.",
      980,
      680,
      3,
      {}};
  for (const bool v1_first : {true, false})
    for (std::size_t k = 0; k < surfaces.size(); ++k) {
      const double beta_sg = plane_betas[k];
      const Eigen::MatrixXd& surface = v1_first ? surfaces[k].v1_first : surfaces[k].v2_first;
      const int size = static_cast<int>(surface.rows()), every = (size - 1) / 80;
      const std::string way = v1_first ? "v1 first" : "v2 first";
      Panel panel{beta_sg == 20 ? "true gradient, " + way : "surrogate slope " + digits(beta_sg) + ", " + way,
                  "v1",
                  "v2",
                  "set size ratio 1\nset xrange [-2:2]\nset yrange [-2:2]\nset xtics 1\nset ytics 1\nunset grid\nunset key\n"
                  "set palette defined (0 '#274766', 0.5 '#9db4cc', 1 '#f4f6f8')\nset format cb '%.2g'\nset colorbox user origin "
                  "graph 1.03, graph 0 size graph 0.05, graph 1\nset rmargin 8",
                  {{"", "with image", {}}}};
      for (int j = 0; j < size; j += every)
        for (int i = 0; i < size; i += every)
          panel.curves[0].points.push_back({4.0 * i / (size - 1) - 2, 4.0 * j / (size - 1) - 2, surface(j, i)});
      const auto [f1, f2] = plane_surrogate(1.7, -1.3, beta_sg);
      panel.curves.push_back({"",
                              std::string("with vectors head filled size 0.1, 20 lw 2.5 lc rgb '") + colour::orange + "'",
                              {{1.7, -1.3, -50 * f1, -50 * f2}}});
      panel.curves.push_back({"", std::string("with points pt 7 ps 0.7 lc rgb '") + colour::orange + "'", {{1.7, -1.3}}});
      figure.panels.push_back(std::move(panel));
    }
  return figure;
}

Table sweep_table() {
  const Sweep truth = surrogate_sweep(sweep_beta, sweep_beta);
  Table table{"Sweep of w, forward slope 100. The true derivative is that of slope 100", {}};
  table.rows.push_back({"surrogate slope", "zero at w", "least", "largest", "wrong sign from", "to", "minimum of the integral",
                        "minimum of the smooth network"});
  for (const double beta_sg : {15.0, 30.0, 60.0, 100.0}) {
    const Sweep s = surrogate_sweep(sweep_beta, beta_sg);
    const std::vector<double> zeros = zero_crossings(s);
    const Disagreement d = disagreement(s, truth);
    table.rows.push_back({digits(beta_sg), zeros.empty() ? "none" : digits(zeros[0], 4), digits(least(s), 7), digits(largest(s), 7),
                          d.from == d.to ? "-" : digits(d.from, 3), d.from == d.to ? "-" : digits(d.to, 4),
                          digits(argmin(integrated(s)), 4), digits(argmin(output_sweep(beta_sg)), 4)});
  }
  return table;
}

Table plane_table(const std::vector<Surfaces>& surfaces) {
  Table table{"At v = (1.7, -1.3), forward slope 20: surrogate gradients, and how far the two integrated surfaces are apart", {}};
  table.rows.push_back({"surrogate slope", "d/dv1", "d/dv2", "largest difference", "range of a surface"});
  for (std::size_t k = 0; k < surfaces.size(); ++k) {
    const auto [f1, f2] = plane_surrogate(1.7, -1.3, plane_betas[k]);
    const Eigen::MatrixXd &a = surfaces[k].v1_first, &b = surfaces[k].v2_first;
    table.rows.push_back({digits(plane_betas[k]), digits(f1, 7), digits(f2, 7), digits((a - b).cwiseAbs().maxCoeff(), 2),
                          digits(a.maxCoeff() - a.minCoeff(), 3)});
  }
  return table;
}

}  // namespace

Sweep output_sweep(double beta, int points) {
  return sweep_of(points, [&](double w) { return smooth_output(beta, sweep_parameters(w)); });
}

Sweep surrogate_sweep(double beta, double beta_sg, int points) {
  const Field field = surrogate_field(beta, beta_sg);
  return sweep_of(points, [&](double w) { return field(sweep_parameters(w))[0]; });
}

Sweep integrated(const Sweep& sweep) {
  Sweep integral = sweep;
  integral.value[0] = 0;
  for (std::size_t i = 1; i < sweep.w.size(); ++i)
    integral.value[i] = integral.value[i - 1] + (sweep.value[i] + sweep.value[i - 1]) / 2 * (sweep.w[i] - sweep.w[i - 1]);
  return integral;
}

std::vector<double> zero_crossings(const Sweep& s) {
  std::vector<double> zeros;
  for (std::size_t i = 1; i < s.w.size(); ++i)
    if (s.value[i - 1] * s.value[i] < 0)
      zeros.push_back(s.w[i - 1] + (s.w[i] - s.w[i - 1]) * s.value[i - 1] / (s.value[i - 1] - s.value[i]));
  return zeros;
}

double argmin(const Sweep& s) {
  return s.w[static_cast<std::size_t>(std::min_element(s.value.begin(), s.value.end()) - s.value.begin())];
}
double argmax(const Sweep& s) {
  return s.w[static_cast<std::size_t>(std::max_element(s.value.begin(), s.value.end()) - s.value.begin())];
}

Disagreement disagreement(const Sweep& surrogate, const Sweep& truth) {
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < truth.w.size(); ++i)
    if (std::abs(truth.value[i]) > 1e-4 && surrogate.value[i] * truth.value[i] < 0) wrong.push_back(i);
  if (wrong.empty()) return {};
  return {truth.w[wrong.front()], truth.w[wrong.back()], wrong.back() - wrong.front() + 1 == wrong.size()};
}

std::vector<double> descend(double w, double beta_sg, int steps, double rate) {
  const Field field = surrogate_field(sweep_beta, beta_sg);
  std::vector<double> path{w};
  for (int i = 0; i < steps; ++i) path.push_back(path.back() - rate * field(sweep_parameters(path.back()))[0]);
  return path;
}

std::pair<double, double> plane_surrogate(double v1, double v2, double beta_sg) {
  Eigen::VectorXd theta(5);
  theta << 1, v1, v2, 1, -1;
  const Eigen::VectorXd gradient = surrogate_field(20, beta_sg)(theta);
  return {gradient[1], gradient[2]};
}

Surfaces plane_surfaces(double beta_sg, int size) {
  if (size < 2) throw InvalidArgument("plane_surfaces: " + outside("size", size, "[2, infinity)"));
  const double step = 4.0 / (size - 1);
  Eigen::MatrixXd f1(size, size), f2(size, size);
  for (int i = 0; i < size; ++i)
    for (int j = 0; j < size; ++j) std::tie(f1(j, i), f2(j, i)) = plane_surrogate(i * step - 2, j * step - 2, beta_sg);
  Surfaces s{Eigen::MatrixXd::Zero(size, size), Eigen::MatrixXd::Zero(size, size)};
  for (int k = 1; k < size; ++k) {
    s.v1_first(0, k) = s.v1_first(0, k - 1) + step / 2 * (f1(0, k - 1) + f1(0, k));
    s.v2_first(k, 0) = s.v2_first(k - 1, 0) + step / 2 * (f2(k - 1, 0) + f2(k, 0));
  }
  for (int k = 1; k < size; ++k) {
    s.v1_first.row(k) = s.v1_first.row(k - 1) + step / 2 * (f2.row(k - 1) + f2.row(k));
    s.v2_first.col(k) = s.v2_first.col(k - 1) + step / 2 * (f1.col(k - 1) + f1.col(k));
  }
  return s;
}

Chapter sign_change_chapter(const Options& options) {
  std::vector<Surfaces> surfaces;
  for (const double beta_sg : plane_betas) surfaces.push_back(plane_surfaces(beta_sg, options.quick ? 241 : 961));
  return {
      "Wrong signs, and descent to nowhere",
      "<p>In the network with slope 100 every slope of back-propagation is replaced by that of a flatter neuron. On an interval "
      "next to "
      "the minimum the surrogate gradient then has the wrong sign. Descent along it stops where it vanishes, which need not be "
      "where "
      "the output has a minimum, or does not stop at all.</p><p>There is another side to this. On plateaus, where the true "
      "gradient "
      "is 0 to many digits, the surrogate gradient still knows a direction: that is how surrogate gradients enable learning.</p>",
      {sweep_table(), plane_table(surfaces)},
      {sweep_figure(), descent_figure(options.quick ? 2000 : 4000), plane_figure(surfaces)}};
}

}  // namespace surrogate_gradients
