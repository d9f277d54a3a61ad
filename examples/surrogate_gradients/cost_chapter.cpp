#include "cost_chapter.hpp"

#include <algorithm>
#include <iterator>

#include <stoat/driver/report.hpp>

#include "cores.hpp"
#include "cost_study.hpp"

namespace surrogate_gradients {
namespace {

using report::digits;

struct Kind {
  const char *name, *colour;
  AnyEstimator estimator;
};
std::vector<Kind> kinds(int pilot) {
  return {{"DebiasedSurrogate", colour::blue, DebiasedSurrogate{.pilot = pilot}},
          {"LeaveOneOut(4)", colour::orange, LeaveOneOut{4}},
          {"ScoreFunctionCritic", colour::green, ScoreFunctionCritic{.pilot = pilot}},
          {"ScoreFunctionMartingale", colour::violet, ScoreFunctionMartingale{.pilot = pilot}}};
}

/// A network with weights as drawn, or after some updates: by estimator.
struct Case {
  CostNetwork network;
  int updates;
  std::vector<GradientCost> costs{};

  /// Of the gradient, as found by the estimator that is least in doubt.
  double squared_length() const {
    const auto best = std::min_element(
        costs.begin(), costs.end(), [](const GradientCost& a, const GradientCost& b) { return a.squared_noise < b.squared_noise; });
    return best->squared_length;
  }
  double product(const GradientCost& c) const { return c.variance * c.seconds / squared_length(); }
  double error(const GradientCost& c) const { return c.variance_error * c.seconds / squared_length(); }
};

std::vector<CostNetwork> networks(bool quick) {
  const snn::Loss mean = snn::MeanOverTimeCrossEntropy{};
  if (quick)
    return {{.name = "64, mean", .hidden = {64}, .steps = 60, .loss = mean}, {.name = "64-64", .hidden = {64, 64}, .steps = 60}};
  return {{.name = "128, mean", .loss = mean},
          {.name = "128"},
          {.name = "128-128", .hidden = {128, 128}},
          {.name = "128-128-128, mean", .hidden = {128, 128, 128}, .loss = mean},
          {.name = "128-128-128", .hidden = {128, 128, 128}},
          {.name = "recurrent, 0.05", .hidden = {256}, .steps = 100, .recurrence = 0.05},
          {.name = "recurrent, 0.33", .hidden = {256}, .steps = 100, .recurrence = 0.33}};
}

/// One network after the other, those of the same weights together.
std::vector<Case> measure(bool quick, std::uint64_t seed) {
  std::vector<Case> cases;
  for (const int updates : {0, quick ? 20 : 150})
    for (const CostNetwork& n : networks(quick)) cases.push_back({n, updates});
  for_each(cases.size(), [&](std::size_t i) {
    Case& c = cases[i];
    c.network.seed = seed;
    const Eigen::VectorXd theta = c.network.parameters(c.updates);
    // A sample that no training has seen.
    const snn::Objective objective = c.network.objective(1, 16 * CostNetwork::classes);
    for (const Kind& k : kinds(quick ? 20 : 200))
      c.costs.push_back(gradient_cost(objective, theta, k.estimator, quick ? 0.2 : 5, seed));
  });
  return cases;
}

Table cost_table(const std::vector<Case>& cases) {
  Table table{
      "Variance times seconds of processor time of one gradient draw, relative to the squared length of the gradient (+- a "
      "standard "
      "error), pilots not counted; loss: of the one input, chance is 3.0; last columns: seconds of the pilot of "
      "DebiasedSurrogate, and what it decided",
      {{"network", "weights", "loss"}}};
  for (const Kind& k : kinds(2)) table.rows[0].push_back(k.name);
  table.rows[0].insert(table.rows[0].end(), {"pilot", "decided"});
  for (const Case& c : cases) {
    std::vector<std::string> row{c.network.name, c.updates == 0 ? "as drawn" : std::to_string(c.updates) + " updates",
                                 digits(c.costs.back().loss, 2)};
    for (const GradientCost& cost : c.costs) row.push_back(digits(c.product(cost), 2) + " +- " + digits(c.error(cost), 1));
    row.insert(row.end(), {digits(c.costs[0].pilot, 2), c.costs[0].note});
    table.rows.push_back(std::move(row));
  }
  return table;
}

Figure cost_figure(const std::vector<Case>& cases, std::size_t count) {
  Figure figure{
      "gradient_cost",
      "What one has to pay for an unbiased gradient of a given error: variance times seconds of a gradient draw, relative to "
      "the squared length of the gradient, with two standard errors. Left with weights as drawn, right after a short "
      "training.",
      980,
      460,
      2,
      {}};
  for (std::size_t first = 0; first < cases.size(); first += count) {
    const int updates = cases[first].updates;
    std::string commands = "set logscale y\nset yrange [0.003:5000]\nset format y '10^{%T}'\nset xtics rotate by -35 scale 0 (";
    for (std::size_t n = 0; n < count; ++n)
      commands += (n ? ", '" : "'") + cases[first + n].network.name + "' " + std::to_string(n);
    commands += ")\nset xrange [-0.6:" + digits(static_cast<double>(count) - 0.4) + "]\nset rmargin 7\n";
    commands += first == 0 ? "set key top left samplen 1 font ',11'" : "unset key";
    Panel panel{updates == 0 ? "weights as drawn" : "after " + std::to_string(updates) + " updates",
                "",
                first == 0 ? "variance x seconds" : "",
                commands,
                {}};
    const std::vector<Kind> all = kinds(2);
    for (std::size_t k = 0; k < all.size(); ++k) {
      Curve curve{all[k].name, std::string("with yerrorbars lw 2 ps 0.8 pt 7 lc rgb '") + all[k].colour + "'", {}};
      for (std::size_t n = 0; n < count; ++n) {
        const Case& c = cases[first + n];
        const double y = c.product(c.costs[k]), error = 2 * c.error(c.costs[k]);
        curve.points.push_back(
            {static_cast<double>(n) + 0.15 * (static_cast<double>(k) - 1.5), y, std::max(y - error, y / 10), y + error});
      }
      panel.curves.push_back(std::move(curve));
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

constexpr const char* text =
    "<p>Where the bias of surrogate gradients matters there are unbiased gradients, at a price: the noise of one draw times the "
    "time it takes. Replays of a network follow what a changed spike changes, so that <code>DebiasedSurrogate</code> makes all "
    "those of the last layer where the loss is a mean over time, and as many below as its pilot finds worth their time. The score "
    "functions need no replays, and hear of each spike through the loss alone.</p>"
    "<p>Inputs are 700 Poisson trains, of a mean rate of 1.5 % a step, whose rates tell one of 20 classes. Times are of one core, "
    "in "
    "double precision; the gradient is that of the weights of the layers of neurons, for one input. Recurrent networks have one "
    "layer of 256 neurons; the number is how much of the membranes their recurrent weights "
    "cause.</p>";

}  // namespace

Chapter cost_chapter(const Options& options) {
  const std::vector<Case> cases = measure(options.quick, options.seed);
  return {"Beyond the paper: what an unbiased gradient costs", text, {cost_table(cases)}, {cost_figure(cases, cases.size() / 2)}};
}

}  // namespace surrogate_gradients
