#include "loops.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <stoat/driver/report.hpp>

#include "multilayer.hpp"

namespace surrogate_gradients {
namespace {

using report::digits;

constexpr double step_beta = 1e4;  // so steep that outputs are steps
constexpr double surrogate_betas[] = {1, 5, 20};
constexpr const char* colours[] = {colour::blue, colour::orange, colour::red};

Eigen::VectorXd vector(std::initializer_list<double> values) {
  return Eigen::Map<const Eigen::VectorXd>(values.begin(), static_cast<Eigen::Index>(values.size()));
}

double slope(double beta, double z) { return Sigmoid{beta}.derivative(z); }
double second_slope(double beta, double z) { return beta * slope(beta, z) * (1 - 2 * Sigmoid{beta}.value(z)); }

/// Points against the angle in degrees; `values` are those after 0, 1, ... equal arcs, at most 1500 of them kept.
Curve along_circle(const std::string& title, const std::string& style, const std::vector<double>& values) {
  Curve c{title, style, {}};
  const std::size_t arcs = values.size() - 1, stride = std::max<std::size_t>(1, arcs / 1500);
  for (std::size_t k = 0; k <= arcs; k += stride)
    c.points.push_back({360.0 * static_cast<double>(k) / static_cast<double>(arcs), values[k]});
  return c;
}

std::vector<double> outputs(const Plane& plane, double beta, int points) {
  std::vector<double> y;
  for (int k = 0; k <= points; ++k)
    y.push_back(smooth_output(beta, on_circle(plane, loop_radius, 2 * std::numbers::pi * k / points)));
  return y;
}

/// The output of the step network over the plane, with the circle.
Panel plane_panel(const Plane& plane, int size) {
  Panel panel{"output on the plane",
              "along d1",
              "along d2",
              "set size ratio 1\nset palette defined (0 '#e8edf3', 0.5 '#9db4cc', 1 '#35597d')\nunset colorbox\nset cbrange [0:1]\n"
              "set xrange [-2.5:2.5]\nset yrange [-2.5:2.5]\nunset grid\nunset key",
              {{"", "with image", {}}, {"", line(colour::orange, 2.5), {}}}};
  for (int j = 0; j < size; ++j) {
    for (int i = 0; i < size; ++i) {
      const double a = 5.0 * (i + 0.5) / size - 2.5, b = 5.0 * (j + 0.5) / size - 2.5;
      panel.curves[0].points.push_back({a, b, smooth_output(step_beta, a * plane.first + b * plane.second)});
    }
  }
  for (int k = 0; k <= 120; ++k) {
    const double angle = 2 * std::numbers::pi * k / 120;
    panel.curves[1].points.push_back({loop_radius * std::sin(angle), loop_radius * std::cos(angle)});
  }
  return panel;
}

Figure loop_figure(const Plane& plane, int points) {
  const std::string common = "set xrange [0:360]\nset xtics 90\n";
  Panel output{"output along the circle",
               "angle (degrees)",
               "y",
               common + "set yrange [-0.05:1.4]\nset ytics 0, 0.5, 1",
               {along_circle("without noise", line("black"), outputs(plane, step_beta, 1500)),
                along_circle("smooth network, slope 5", line(colour::grey, 2, "'-'"), outputs(plane, 5, 1500))}};
  Panel surrogate{
      "integral of surrogate gradients", "angle (degrees)", "integral", common + "set key bottom left\nset xzeroaxis", {}};
  Panel control{"integral of true gradients", "angle (degrees)", "integral", common + "set yrange [*:1.4]\nset xzeroaxis", {}};
  for (int i = 0; i < 3; ++i) {
    const double beta = surrogate_betas[i];
    surrogate.curves.push_back(
        along_circle("slope " + digits(beta), line(colours[i]), running_integral(surrogate_field(step_beta, beta), plane, points)));
    control.curves.push_back(
        along_circle("slope " + digits(beta), line(colours[i]), running_integral(surrogate_field(beta, beta), plane, 1500)));
  }
  return {
      "loops",
      "Once around a circle in the plane of the paper's figure. Top right, the output without noise returns to where it started. "
      "Bottom left, the integrals of surrogate gradients of that network do not. Bottom right, those of the gradients of smooth "
      "networks do.",
      900,
      720,
      2,
      {plane_panel(plane, 161), output, surrogate, control}};
}

/// The stochastic network with matching slopes: even its mean surrogate gradient is no gradient.
Figure stochastic_figure(const Plane& plane, int points) {
  const Program<double> program = stochastic_network(5, 5);
  const auto curve = [&](const char* title, const std::string& style, const Field& field) {
    return along_circle(title, style, running_integral(field, plane, points));
  };
  return {
      "stochastic_loop",
      "The same circle in the stochastic network of slope 5, surrogate and escape function matching, all expectations exact. The "
      "gradient "
      "of E[y] returns to 0; the mean surrogate gradient does not.",
      560,
      340,
      1,
      {Panel{"",
             "angle (degrees)",
             "integral",
             "set xrange [0:360]\nset xtics 90\nset xzeroaxis\nset offsets 0, 0, graph 0.2, 0",
             {curve("gradient of E[y]", line("black"), [&](const Eigen::VectorXd& t) { return enumerate(program, t).gradient; }),
              curve("mean surrogate gradient", line(colour::orange),
                    [&](const Eigen::VectorXd& t) { return expected_surrogate(program, t).mean; })}}}};
}

Table loop_table(const Plane& plane, int points) {
  Table table{"Integral along the circle, " + std::to_string(points) + " points", {{"forward slope"}}};
  for (const double beta_sg : surrogate_betas) table.rows[0].push_back("surrogate slope " + digits(beta_sg));
  for (const double beta : {1.0, 5.0, 20.0, 100.0, 1000.0, 1e4}) {
    table.rows.push_back({digits(beta, 5)});
    for (const double beta_sg : surrogate_betas)
      table.rows.back().push_back(digits(loop_integral(surrogate_field(beta, beta_sg), plane, points), 5));
  }
  return table;
}

Table random_table(const Options& options) {
  const int planes = options.quick ? 20 : 200;
  Table table{"The same on " + std::to_string(planes) + " random planes, forward slope 10000", {}};
  table.rows.push_back({"surrogate slope", "mean |integral|", "+-", "planes with |integral| > 0.001"});
  for (const double beta_sg : surrogate_betas) {
    const RandomLoops r = random_loops(planes, 3000, step_beta, beta_sg, options.seed);
    table.rows.push_back({digits(beta_sg), digits(r.mean, 3), digits(r.error, 2), digits(100 * r.share, 3) + " %"});
  }
  return table;
}

Table curl_table() {
  Table table{"Two neurons in a row, u = 0.8, w = 0.3: dF_u/dw - dF_w/du of the surrogate gradient F", {}};
  table.rows.push_back({"", "by differentiating F", "by the formula"});
  for (const auto& [beta, beta_sg] : {std::pair{20.0, 5.0}, {5.0, 20.0}, {5.0, 5.0}})
    table.rows.push_back({"no noise, slope " + digits(beta) + ", surrogate " + digits(beta_sg),
                          digits(pair_curl(0.8, 0.3, 1, beta, beta_sg), 9),
                          digits(pair_curl_formula(0.8, 0.3, 1, beta, beta_sg), 9)});
  table.rows.push_back(
      {"stochastic, slopes 5", digits(stochastic_curl(0.8, 0.3, 5), 7), digits(stochastic_curl_formula(0.8, 0.3, 5), 7)});
  table.rows.push_back({"one layer, slope 20, surrogate 5", digits(layer_curl({0.8, 0.3}, {1, -0.5}, 20, 5), 3), "0"});
  return table;
}

}  // namespace

Field surrogate_field(double beta, double beta_sg) {
  return [unit = neuron(Sigmoid{beta}, Sigmoid{beta_sg})](const Eigen::VectorXd& theta) {
    return value_and_gradient([&](const auto& t) { return four_units(t, unit); }, theta).second;
  };
}

double smooth_output(double beta, const Eigen::VectorXd& theta) {
  return four_units(Vector<double>(theta), [&](double z) { return Sigmoid{beta}.value(z); });
}

Plane published_plane() {
  return {vector({0.09305991, 0.5905991, -0.30914232, 0.4299941, -0.60172135}),
          vector({-0.14934348, 0.25011492, 0.26179737, -0.78792286, -0.47516188})};
}

Plane random_plane(std::uint64_t seed, std::uint64_t index) {
  const Eigen::VectorXd z = standard_normal(10, seed, index), a = z.head(5).normalized();
  return {a, (z.tail(5) - a.dot(z.tail(5)) * a).normalized()};
}

Eigen::VectorXd on_circle(const Plane& plane, double radius, double angle) {
  return radius * (std::sin(angle) * plane.first + std::cos(angle) * plane.second);
}

std::vector<double> running_integral(const Field& field, const Plane& plane, int points, double radius) {
  if (points < 3) throw InvalidArgument("running_integral: " + outside("points", points, "[3, infinity)"));
  const double arc = 2 * std::numbers::pi / points;
  std::vector<double> integral{0};
  for (int k = 0; k < points; ++k) {
    const Eigen::VectorXd tangent = on_circle(plane, radius, k * arc + std::numbers::pi / 2);
    integral.push_back(integral.back() + arc * field(on_circle(plane, radius, k * arc)).dot(tangent));
  }
  return integral;
}

double loop_integral(const Field& field, const Plane& plane, int points, double radius) {
  return running_integral(field, plane, points, radius).back();
}

std::vector<OutputStep> output_steps(const Plane& plane, double beta, double radius) {
  const int points = 7200;
  const auto output = [&](double degrees) {
    return smooth_output(beta, on_circle(plane, radius, degrees * std::numbers::pi / 180));
  };
  const auto level = [](double y) { return std::round(2 * y) / 2; };
  std::vector<OutputStep> steps;
  for (int k = 0; k < points; ++k) {
    double low = 360.0 * k / points, high = 360.0 * (k + 1) / points;
    const double from = level(output(low)), to = level(output(high));
    if (from == to) continue;
    for (int i = 0; i < 40; ++i) {
      const double middle = (low + high) / 2;
      (level(output(middle)) == from ? low : high) = middle;
    }
    steps.push_back({low, from, to});
  }
  return steps;
}

RandomLoops random_loops(int planes, int points, double beta, double beta_sg, std::uint64_t seed) {
  if (planes < 2) throw InvalidArgument("random_loops: " + outside("planes", planes, "[2, infinity)"));
  const Field field = surrogate_field(beta, beta_sg);
  RandomLoops r;
  double squares = 0;
  for (int k = 0; k < planes; ++k) {
    const double size = std::abs(loop_integral(field, random_plane(seed, static_cast<std::uint64_t>(k)), points));
    r.mean += size / planes, squares += size * size / planes;
    r.share += size > 1e-3;
  }
  r.share /= planes;
  r.error = std::sqrt((squares - r.mean * r.mean) / (planes - 1));
  return r;
}

double pair_curl(double u, double w, double x, double beta, double beta_sg) {
  const auto unit = neuron(Sigmoid{beta}, Sigmoid{beta_sg});
  const auto pair = [&](const auto& t) {
    using S = ScalarOf<decltype(t)>;
    const S h = unit(S(t[1] * x));
    return unit(S(t[0] * h));
  };
  const Eigen::MatrixXd jacobian = hessian(pair, Eigen::Vector2d(u, w));
  return jacobian(0, 1) - jacobian(1, 0);
}

double pair_curl_formula(double u, double w, double x, double beta, double beta_sg) {
  const double h = Sigmoid{beta}.value(w * x);
  return (slope(beta_sg, u * h) + u * h * second_slope(beta_sg, u * h)) * x * (slope(beta, w * x) - slope(beta_sg, w * x));
}

double layer_curl(const Eigen::Vector2d& w, const Eigen::Vector2d& x, double beta, double beta_sg) {
  const auto unit = neuron(Sigmoid{beta}, Sigmoid{beta_sg});
  const Eigen::MatrixXd jacobian = hessian(
      [&](const auto& t) {
        using S = ScalarOf<decltype(t)>;
        return unit(S(t[0] * x[0] + t[1] * x[1]));
      },
      w);
  return jacobian(0, 1) - jacobian(1, 0);
}

double stochastic_curl(double u, double w, double beta) {
  const Program<double> program = stochastic_pair(beta);
  const double h = 1e-5;
  const auto field = [&](double at_w, double at_u) { return expected_surrogate(program, Eigen::Vector2d(at_w, at_u)).mean; };
  return (field(w + h, u)[1] - field(w - h, u)[1] - field(w, u + h)[0] + field(w, u - h)[0]) / (2 * h);
}

double stochastic_curl_formula(double u, double w, double beta) {
  const double p = Sigmoid{beta}.value(w);
  return slope(beta, w) * ((1 - p) * (slope(beta, u) - slope(beta, 0)) - u * p * second_slope(beta, u));
}

Chapter loops_chapter(const Options& options) {
  const Plane plane = published_plane();
  const int points = options.quick ? 6000 : 96'000;
  return {"Closed loops: surrogate gradients are not gradients",
          "<p>A gradient, integrated along any closed loop, gives 0: one is back at the same function value. Surrogate gradients "
          "of more than "
          "one layer do not, so there is no surrogate loss that they are the gradient of. In a network without noise this is so "
          "whenever surrogate and output differ in slope; in a stochastic one even when they match. Of a single layer they are the "
          "gradient of a smoothed output.</p>",
          {loop_table(plane, points), random_table(options), curl_table()},
          {loop_figure(plane, points), stochastic_figure(plane, options.quick ? 240 : 720)}};
}

}  // namespace surrogate_gradients
