#include "multilayer.hpp"

#include <algorithm>
#include <cmath>

#include <stoat/driver/report.hpp>

#include "perceptron.hpp"

namespace surrogate_gradients {
namespace {

using report::digits;

constexpr const char* names[] = {"w", "v1", "v2", "u1", "u2"};

SingleDraws single_draws_of(const std::string& name, const AnyEstimator& estimator, double beta, const Options& options,
                            std::uint64_t samples) {
  const Estimate e =
      estimate(stochastic_network(beta, beta), table_parameters(), estimator, {.samples = samples, .seed = options.seed});
  return {name, e.gradient[0], e.gradient_error[0], e.gradient_error[0] * std::sqrt(static_cast<double>(samples))};
}

/// Bars of the five components for every method, at one slope.
Panel bars(double beta) {
  const NetworkGradients g = network_gradients(beta, table_parameters());
  Panel panel{"slope " + digits(beta),
              "",
              beta == 1 ? "component of the gradient" : "",
              std::string(beta == 1 ? "set offsets 0, 0, graph 0.45, 0\n" : "") +
                  "set xtics ('w' 0, 'v1' 1, 'v2' 2, 'u1' 3, 'u2' 4)\nset xrange [-0.6:4.6]\nset style fill solid noborder\n"
                  "set boxwidth 0.15\nset xzeroaxis lw 0.8 lt -1\nset key top left width -2\n",
              {}};
  const struct {
    const char *title, *colour;
    const Eigen::VectorXd& values;
  } methods[] = {{"exact", "black", g.exact.gradient},
                 {"surrogate", colour::orange, g.surrogate.mean},
                 {"right-smoothed", colour::blue, g.right.mean},
                 {"left-smoothed", colour::green, g.left.mean},
                 {"mean field", colour::violet, g.mean_field.gradient}};
  for (int m = 0; m < 5; ++m) {
    Curve c{beta == 1 ? methods[m].title : "", std::string("with boxes lc rgb '") + methods[m].colour + "'", {}};
    for (int j = 0; j < 5; ++j) c.points.push_back({j + 0.16 * (m - 2), methods[m].values[j]});
    panel.curves.push_back(std::move(c));
  }
  return panel;
}

/// Where a path is after its first coins: up for a spike, down for none, half as far at every coin, so that no two paths meet.
double height(const std::vector<std::int64_t>& outcomes, std::size_t coins) {
  double y = 0;
  for (std::size_t i = 0; i < coins; ++i) y += std::ldexp(outcomes[i] ? 1 : -1, -static_cast<int>(i));
  return y;
}

/// A run and its replays as paths through the tree of all outcomes.
Figure branch_figure(const Branches& found) {
  constexpr std::size_t coins = 4;
  const auto drawn = [](const Path& path, std::size_t from) {
    std::vector<std::vector<double>> points;
    for (std::size_t i = from; i <= coins; ++i) points.push_back({static_cast<double>(i), height(path.outcomes, i)});
    return points;
  };
  const auto chance = [](const Path& path, std::size_t coin) {
    return std::vector<double>{static_cast<double>(coin), height(path.outcomes, coin), path.chances[coin]};
  };
  Panel panel{"",
              "",
              "",
              "set xrange [-0.15:4.4]\nset yrange [-2.05:2.05]\nset border 0\nunset ytics\nunset grid\nset key outside right top\n"
              "set xtics scale 0 ('toss of g' 0.5, 'toss of h1' 1.5, 'toss of h2' 2.5, 'toss of y' 3.5)\n"
              "set label 'y = 1' at 4.08, 1.875\nset label 'y = 0' at 4.08, -1.875",
              {}};
  Curve tree{"all outcomes", line("#c8ccd0", 1), {}};
  for (int all = 0; all < 1 << coins; ++all) {
    Path path;
    for (std::size_t i = 0; i < coins; ++i) path.outcomes.push_back(all >> i & 1);
    for (std::vector<double>& point : drawn(path, 0)) tree.points.push_back(std::move(point));
    tree.points.push_back({NAN, NAN});
  }
  panel.curves = {tree, {"the run", line("black", 4), drawn(found.run, 0)}};
  const char* const colours[coins] = {colour::blue, colour::green, colour::violet, colour::orange};
  const char* const units[coins] = {"g", "h1", "h2", "y"};
  Curve chances{"", "using 1:2:(sprintf('%.2f', $3)) with labels offset 0, 0.9 font ',11'", {}};
  for (std::size_t i = 0; i < coins; ++i) {
    panel.curves.push_back({std::string("flip of ") + units[i], line(colours[i], 3), drawn(found.flipped[i], i)});
    chances.points.push_back(chance(found.run, i));
    for (std::size_t later = i + 1; later < coins; ++later) chances.points.push_back(chance(found.flipped[i], later));
  }
  panel.curves.push_back({"", "with points pt 7 ps 0.6 lc rgb 'black'", drawn(found.run, 0)});
  panel.curves.push_back(chances);
  return {
      "branches",
      "A run of the network at slope 5 and its replays with one coin flipped, through the tree of its sixteen outcomes: up for a "
      "spike, down for none; the numbers are the probabilities that the next unit fires. A replay shares all that came before "
      "the flip with the run. After it, it meets the same random numbers with other probabilities: the coins of the run fall the "
      "same way or, where the changed probability is on the other side of the number, the other way. The derivative is the mean "
      "of what the flips do to y. The surrogate gradient does not follow the branches: at every coin it puts a slope in the place "
      "of the jump.",
      860,
      420,
      1,
      {panel}};
}

Figure error_figure() {
  Figure figure{"bias_mechanism",
                "The relative error of dE[y]/dv in a pair of neurons, y = &sigma;(u h + 1) and h a coin, at slope 1 (only the "
                "product of slope and weight matters). The effect of h is the integral of the slope of y along its jump. The "
                "surrogate gradient is a rule of two points for it; if h fires half of the time it is the trapezoidal rule, and "
                "one order better. A one-sided rule has one end point only. At the dips the error changes its sign.",
                860,
                340,
                2,
                {}};
  for (const double p : {0.8, 0.5}) {
    Panel panel{"h fires with probability " + digits(p),
                "slope times weight, beta u",
                "relative error",
                "set logscale xy\nset format y '10^{%L}'\nset key bottom right\nset yrange [1e-6:2]",
                {}};
    Curve surrogate{"surrogate gradient", line(colour::orange, 3), {}}, right{"right-smoothed", line(colour::blue), {}},
        left{"left-smoothed", line(colour::green, 2, "'-'"), {}};
    for (int i = 0; i <= 40; ++i) {
      const double u = 0.01 * std::pow(10.0, i * 0.075);
      const PairSlopes slopes = pair_slopes(p, u, 1);
      const auto relative = [&](double x) { return std::vector<double>{u, std::abs(x / slopes.exact - 1)}; };
      surrogate.points.push_back(relative(slopes.surrogate));
      right.points.push_back(relative(slopes.right));
      left.points.push_back(relative(slopes.left));
    }
    panel.curves = {right, left, surrogate};
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Figure limit_figure(const std::vector<LimitPoint>& limit) {
  Panel panel{"",
              "slope of the escape function, beta",
              "dE[y]/dw",
              "set logscale xy\nset format y '10^{%L}'\nset yrange [1e-20:10]\nset xrange [1:1000]\nset key bottom left",
              {}};
  Curve exact{"exact", line("black"), {}}, surrogate{"surrogate gradient, slope 5", line(colour::orange, 3), {}};
  for (const LimitPoint& x : limit) exact.points.push_back({x.beta, x.exact}), surrogate.points.push_back({x.beta, x.surrogate});
  panel.curves = {exact, surrogate};
  return {
      "deterministic_limit",
      "The escape noise taken away. The exact derivative of the expected output vanishes; the surrogate gradient, whose slope "
      "stays, does "
      "not. A deterministic network with surrogate gradients is this limit: the smoothed derivative of a stochastic network from "
      "whose forward pass alone the noise has been removed.",
      560,
      340,
      1,
      {panel}};
}

Table gradient_table(double beta) {
  const NetworkGradients g = network_gradients(beta, table_parameters());
  Table table{"Slope " + digits(beta) + ": E[y] and its gradient at (w, v1, v2, u1, u2) = (0.3, 0.4, -0.2, 0.5, -0.6)",
              {{"", "E[y]"}}};
  for (const char* name : names) table.rows[0].push_back(std::string("d/d") + name);
  const auto row = [&](const std::string& name, double value, const Eigen::VectorXd& gradient) {
    table.rows.push_back({name, digits(value, 7)});
    for (const double x : gradient) table.rows.back().push_back(digits(x, 6));
  };
  row("exact", g.exact.value, g.exact.gradient);
  row("surrogate gradient, mean", g.surrogate.value, g.surrogate.mean);
  row("right-smoothed, mean", g.right.value, g.right.mean);
  row("left-smoothed, mean", g.left.value, g.left.mean);
  row("mean field", g.mean_field.value, g.mean_field.gradient);
  return table;
}

Table single_draw_table(const Options& options) {
  const double exact = enumerate(stochastic_network(5, 5), table_parameters()).gradient[0];
  Table table{"Slope 5: bias and spread of one draw of dE[y]/dw; exact " + digits(exact, 6), {}};
  table.rows.push_back({"", "mean", "+-", "bias", "deviation of one draw"});
  for (const SingleDraws& e : single_draws(5, options.quick ? 20'000 : 400'000, options.seed))
    table.rows.push_back(
        {e.name, digits(e.mean, 4), digits(e.error, 2), digits(100 * (e.mean / exact - 1), 2) + " %", digits(e.deviation, 3)});
  return table;
}

Table random_table(const Options& options) {
  const RandomNetworks r = random_networks(options.quick ? 300 : 3000, 5, options.seed);
  const auto percent = [](double share) { return digits(100 * share, 3) + " %"; };
  return {"Networks with standard normal parameters at slope 5: mean surrogate gradient against exact gradient",
          {{"networks", "sign of d/dw right", "other signs right", "cosine, mean", "cosine, least", "cosine negative"},
           {std::to_string(r.count), percent(r.same_sign_w), percent(r.same_sign_rest), digits(r.cosine_mean, 3),
            digits(r.cosine_least, 3), percent(r.opposed)}}};
}

}  // namespace

Program<double> stochastic_network(double beta, double beta_sg) {
  return [unit = neuron(Sigmoid{beta}, Sigmoid{beta_sg})]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    return four_units(theta, [&](const S& z) { return S(draw(Bernoulli(unit(z)))); });
  };
}

Program<double> stochastic_pair(double beta, double bias) {
  return [bias, unit = neuron(Sigmoid{beta})]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const S h = draw(Bernoulli(unit(theta[0])));
    return unit(S(theta[1] * h + bias));
  };
}

Eigen::VectorXd table_parameters() {
  Eigen::VectorXd theta(5);
  theta << 0.3, 0.4, -0.2, 0.5, -0.6;
  return theta;
}

NetworkGradients network_gradients(double beta, const Eigen::VectorXd& theta) {
  const Program<double> program = stochastic_network(beta, beta);
  return {enumerate(program, theta), expected_surrogate(program, theta), expected_surrogate(program, theta, SmoothedEdge{1}),
          expected_surrogate(program, theta, SmoothedEdge{0}), estimate(program, theta, MeanField{}, {.samples = 1, .threads = 1})};
}

std::vector<SingleDraws> single_draws(double beta, std::uint64_t samples, std::uint64_t seed) {
  const Options options{.seed = seed};
  return {single_draws_of("coupled jumps, right", OneSided{OneSided::Side::right}, beta, options, samples),
          single_draws_of("coupled jumps, left", OneSided{OneSided::Side::left}, beta, options, samples),
          single_draws_of("coupled jumps, (1 - p, p)", StochasticDerivative{0}, beta, options, samples),
          single_draws_of("score function", ScoreFunction{Baseline::none}, beta, options, samples),
          single_draws_of("surrogate gradient", StraightThrough{}, beta, options, samples)};
}

Branches branches(double beta, std::uint64_t seed) {
  Trace<double> trace(stochastic_network(beta, beta), table_parameters());
  for (std::uint64_t run = 0;; ++run) {
    trace.run({seed, run});
    trace.record();
    Branches found;
    for (std::size_t i = 0; i < trace.sites(); ++i) {
      found.run.outcomes.push_back(trace.site(i).outcome), found.run.chances.push_back(trace.site(i).pmf(1));
      trace.replay(i, 1 - trace.site(i).outcome, true);
      const auto outcomes = trace.replayed();
      const auto chances = trace.replayed_chances();
      found.flipped.push_back({{outcomes.begin(), outcomes.end()}, {chances.begin(), chances.end()}});
    }
    const auto differs = [&](std::size_t flip, std::size_t coin) {
      return found.flipped[flip].outcomes[coin] != found.run.outcomes[coin];
    };
    if ((differs(0, 1) || differs(0, 2)) && (differs(1, 3) || differs(2, 3))) return found;
  }
}

RandomNetworks random_networks(int count, double beta, std::uint64_t seed) {
  if (count < 2) throw InvalidArgument("random_networks: " + outside("count", count, "[2, infinity)"));
  RandomNetworks r{.count = count};
  const Program<double> program = stochastic_network(beta, beta);
  double squares = 0;
  for (int k = 0; k < count; ++k) {
    const Eigen::VectorXd theta = standard_normal(5, seed, static_cast<std::uint64_t>(k));
    const Eigen::VectorXd exact = enumerate(program, theta).gradient, surrogate = expected_surrogate(program, theta).mean;
    r.same_sign_w += (exact[0] > 0) == (surrogate[0] > 0);
    for (Eigen::Index j = 1; j < 5; ++j) r.same_sign_rest += (exact[j] > 0) == (surrogate[j] > 0);
    const double cosine = exact.dot(surrogate) / (exact.norm() * surrogate.norm());
    r.cosine_mean += cosine, squares += cosine * cosine;
    r.cosine_least = std::min(r.cosine_least, cosine);
    r.opposed += cosine < 0;
  }
  r.same_sign_w /= count, r.same_sign_rest /= 4 * count, r.cosine_mean /= count, r.opposed /= count;
  r.cosine_error = std::sqrt((squares / count - r.cosine_mean * r.cosine_mean) / (count - 1));
  return r;
}

std::vector<LimitPoint> deterministic_limit(const std::vector<double>& betas, double beta_sg) {
  std::vector<LimitPoint> limit;
  for (const double beta : betas) {
    const Program<double> matched = stochastic_network(beta, beta), fixed = stochastic_network(beta, beta_sg);
    limit.push_back(
        {beta, enumerate(matched, table_parameters()).gradient[0], expected_surrogate(fixed, table_parameters()).mean[0]});
  }
  return limit;
}

PairSlopes pair_slopes(double p, double u, double bias) {
  const Eigen::Vector2d theta(std::log(p / (1 - p)), u);
  const Program<double> program = stochastic_pair(1, bias);
  const auto mean = [&](const Rule& rule) { return expected_surrogate(program, theta, rule).mean[0]; };
  return {enumerate(program, theta).gradient[0], mean(StraightThroughEdge{}), mean(SmoothedEdge{1}), mean(SmoothedEdge{0})};
}

Chapter multilayer_chapter(const Options& options) {
  std::vector<double> betas;
  for (int i = 0; i <= 60; ++i) betas.push_back(std::pow(10.0, i * 0.05));
  return {
      "Several layers: they part",
      "<p>Five weights, four neurons that toss coins: x &rarr; g &rarr; (h1, h2) &rarr; y. The exact gradient of E[y] comes from "
      "all "
      "sixteen outcomes. For the weights u of the last neuron the surrogate gradient is right on average. For hidden weights it is "
      "not: the effect of a spike on what follows is a finite difference, f(a + u) - f(a), and the surrogate gradient has the "
      "local "
      "slope u f'(a) at the drawn spikes instead. It is still the <em>smoothed stochastic derivative</em> of the network, which "
      "replaces every jump by its mean on the spot, with weights (1 - p, p) for its two sides.</p><p>Jumps that are not smoothed "
      "but followed to the end on the same random numbers are right on average, whichever side they are taken from, with more "
      "spread.</p>",
      {gradient_table(1), gradient_table(5), gradient_table(10), single_draw_table(options), random_table(options)},
      {branch_figure(branches(5, options.seed)),
       Figure{"gradients",
              "The gradient of E[y] by five methods. All agree where slopes are small; at the last layer (u1, u2) all but the mean "
              "field "
              "agree always.",
              980,
              340,
              3,
              {bars(1), bars(5), bars(10)}},
       error_figure(), limit_figure(deterministic_limit(betas, 5))}};
}

}  // namespace surrogate_gradients
