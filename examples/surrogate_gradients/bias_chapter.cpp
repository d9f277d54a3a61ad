#include "bias_chapter.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <future>
#include <thread>

#include <stoat/driver/report.hpp>

#include "bias_study.hpp"

namespace surrogate_gradients {
namespace {

using report::digits;
using snn::Reset;

/// Calls f(0), ..., f(n - 1) on all cores, and throws what one of them threw.
template <class F>
void for_each(std::size_t n, const F& f) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < n; i = next++) heed_interruption(), f(i);
  };
  std::vector<std::future<void>> workers;
  for (unsigned k = 0; k < std::max(1u, std::thread::hardware_concurrency()); ++k)
    workers.push_back(std::async(std::launch::async, work));
  for (std::future<void>& w : workers) w.get();
}

struct Style {
  const char *name, *colour;
};
Style style(Reset rule) {
  switch (rule) {
    case Reset::none: return {"no reset", "#404850"};
    case Reset::replay: return {"own replay", colour::green};
    case Reset::differentiated: return {"differentiated", colour::blue};
    default: return {"detached", colour::orange};
  }
}
std::string marks(const char* colour) { return "with yerrorbars lw 2 ps 0.7 pt 7 lc rgb '" + std::string(colour) + "'"; }

/// A mean over seeds, 2 standard errors to either side, and the smallest and largest.
struct Summary {
  double value = 0, lower = 0, upper = 0, least = 0, most = 0;
  int count = 0;
  std::string text(int significant = 2) const {
    if (count == 0) return "-";
    std::string out = digits(value, significant);
    if (count > 1) out += " (" + digits(least, significant) + " to " + digits(most, significant) + ")";
    return out;
  }
};
/// Of the finite ones of some numbers.
Summary summary(std::vector<double> x) {
  x.erase(std::remove_if(x.begin(), x.end(), [](double v) { return !std::isfinite(v); }), x.end());
  Summary s{.count = static_cast<int>(x.size())};
  if (x.empty()) return {NAN, NAN, NAN, NAN, NAN, 0};
  double squares = 0;
  for (const double v : x) s.value += v / s.count;
  for (const double v : x) squares += (v - s.value) * (v - s.value);
  const double error = s.count > 1 ? std::sqrt(squares / (s.count - 1) / s.count) : 0;
  s.lower = s.value - 2 * error, s.upper = s.value + 2 * error;
  s.least = *std::min_element(x.begin(), x.end()), s.most = *std::max_element(x.begin(), x.end());
  return s;
}

/// rho, cosine and length of one rule over seeds.
struct RuleSummary {
  Reset rule;
  Summary bias, cosine, length;
};
/// rho by the mean of rho^2, which may be negative seed by seed where nothing is left of the bias but noise.
RuleSummary summarise(const std::vector<RuleBias>& seeds) {
  std::vector<double> squares, cosines, lengths;
  for (const RuleBias& b : seeds) {
    if (!b.total.usable) continue;
    squares.push_back(b.total.squared), cosines.push_back(b.total.cosine.value), lengths.push_back(length(b.total));
  }
  RuleSummary s{seeds[0].rule, summary(squares), summary(cosines), summary(lengths)};
  for (double* x : {&s.bias.value, &s.bias.lower, &s.bias.upper, &s.bias.least, &s.bias.most}) *x = std::sqrt(std::max(*x, 0.0));
  return s;
}

/// Where nothing is left of a bias but noise: what it is below.
std::string bias_text(const Summary& bias) {
  return bias.count > 1 && bias.lower == 0 ? "below " + digits(bias.upper, 2) : bias.text();
}

/// Seeds 1, 2, ... of one network: by rule, then by seed.
struct Measured {
  StudyNetwork network;
  std::vector<std::vector<RuleBias>> rules;
};
/// No reset, own replay, differentiated, detached.
std::vector<Measured> measure(const std::vector<StudyNetwork>& networks, int seeds, std::uint64_t paths) {
  const auto count = static_cast<std::size_t>(seeds);
  std::vector<std::vector<RuleBias>> found(networks.size() * count);
  for_each(found.size(), [&](std::size_t i) {
    // The largest first, so that no core is left alone with one at the end.
    const std::size_t at = found.size() - 1 - i;
    StudyNetwork network = networks[at / count];
    network.seed = at % count + 1;
    found[at] = reset_biases(network, paths);
    found[at].insert(found[at].begin(), no_reset_bias(network, 32));
  });
  std::vector<Measured> result;
  for (std::size_t n = 0; n < networks.size(); ++n) {
    result.push_back({networks[n], std::vector<std::vector<RuleBias>>(found[n * count].size())});
    for (std::size_t seed = 0; seed < count; ++seed)
      for (std::size_t r = 0; r < result[n].rules.size(); ++r) result[n].rules[r].push_back(found[n * count + seed][r]);
  }
  return result;
}

// ---- bias -------------------------------------------------------------------------------------------------------------

Figure depth_figure(const std::vector<Measured>& depths) {
  const struct {
    const char *title, *commands;
    Summary RuleSummary::*what;
  } panels[] = {
      {"relative bias", "set logscale y\nset yrange [0.003:300]\nset key top left samplen 1 font ',11'\nset format y '%g'",
       &RuleSummary::bias},
      {"cosine to the gradient", "set yrange [0.5:1.02]\nset key bottom left", &RuleSummary::cosine},
      {"length (gradient: 1)", "set logscale y\nset yrange [0.5:40]", &RuleSummary::length}};
  Figure figure{
      "network_bias",
      "Mean surrogate gradients of networks of one to three layers of 64 neurons against the gradient of the expected loss, "
      "by what the reset after a spike passes back. Means over seeds of weights and input with two standard errors; a bar down to "
      "the axis: "
      "no bias to be told from noise.",
      980,
      340,
      3,
      {}};
  for (const auto& p : panels) {
    Panel panel{p.title, "layers", "", std::string("set xrange [0.7:3.3]\nset xtics 1\n") + p.commands, {}};
    for (std::size_t r = 0; r < depths[0].rules.size(); ++r) {
      const Style look = style(depths[0].rules[r][0].rule);
      Curve curve{p.what == &RuleSummary::bias ? look.name : "", marks(look.colour), {}};
      for (const Measured& m : depths) {
        const Summary s = summarise(m.rules[r]).*p.what;
        // Where nothing is left of the bias but noise the marks rest on the axis.
        const double floor = p.what == &RuleSummary::bias ? 0.003 : 0;
        curve.points.push_back({m.network.layers + 0.04 * (static_cast<double>(r) - 1.5), std::max(s.value, floor),
                                std::max(s.lower, floor), s.upper});
      }
      panel.curves.push_back(std::move(curve));
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Table depth_table(const std::vector<Measured>& depths) {
  Table table{"Mean over " + std::to_string(depths[0].rules[0].size()) +
                  " seeds of weights and input (smallest to largest): relative bias, cosine, length",
              {{"layers", "reset", "bias", "cosine", "length"}}};
  for (const Measured& m : depths)
    for (const std::vector<RuleBias>& rule : m.rules) {
      const RuleSummary s = summarise(rule);
      table.rows.push_back({digits(m.network.layers), style(s.rule).name, s.bias.text(), s.cosine.text(), s.length.text()});
    }
  return table;
}

std::string describe(const StudyNetwork& n) {
  std::string text = n.recurrent ? "recurrent layer" : std::to_string(n.layers) + (n.layers == 1 ? " layer" : " layers");
  if (n.beta != 10) text += ", slope " + digits(n.beta);
  if (n.width != 64) text += ", " + std::to_string(n.width) + " neurons";
  if (n.steps != 50) text += ", " + std::to_string(n.steps) + " steps";
  if (n.inputs != 50) text += ", " + std::to_string(n.inputs) + " inputs";
  if (n.rate != 15.8) text += " of " + digits(n.rate) + " Hz";
  if (n.sigma_u != 1) text += ", potentials of deviation " + digits(n.sigma_u);
  if (std::holds_alternative<snn::MeanOutput>(n.loss)) text += ", linear loss";
  if (std::holds_alternative<snn::VanRossum>(n.loss)) text += ", van Rossum loss";
  return text;
}

/// One thing changed at a time.
std::vector<StudyNetwork> variations(bool quick) {
  if (quick) return {{.beta = 5}, {.beta = 20}, {.width = 16}, {.steps = 25}};
  std::vector<StudyNetwork> all{{.recurrent = true}, {.beta = 5, .recurrent = true}, {.beta = 20, .recurrent = true}};
  for (const int layers : {1, 2, 3})
    for (const double beta : {5.0, 20.0}) all.push_back({.layers = layers, .beta = beta});
  for (const int layers : {1, 2}) {
    for (const int width : {16, 128}) all.push_back({.layers = layers, .width = width});
    for (const int steps : {25, 100}) all.push_back({.layers = layers, .steps = steps});
  }
  all.push_back({.layers = 2, .sigma_u = 1.3});
  all.push_back({.layers = 2, .inputs = 20, .rate = 5});
  all.push_back({.layers = 2, .inputs = 100});
  for (const int layers : {1, 2, 3}) all.push_back({.layers = layers, .loss = snn::MeanOutput{0}});
  for (const int layers : {1, 2})
    all.push_back({.layers = layers, .loss = snn::VanRossum{.tau_decay = 0.02, .tau_rise = 0.01, .dt = 0.002}});
  return all;
}

Table variation_table(const std::vector<Measured>& networks) {
  const std::size_t seeds = networks[0].rules[0].size();
  Table table{"Other networks, one thing changed at a time, mean over " + std::to_string(seeds) +
                  (seeds == 1 ? " seed" : " seeds") + " (smallest to largest); -: the surrogate gradient has no usable mean",
              {{"network", "bias, no reset", "bias, own replay", "bias, differentiated", "bias, detached", "cosine, detached",
                "length, detached"}}};
  for (const Measured& m : networks) {
    table.rows.push_back({describe(m.network)});
    for (const std::vector<RuleBias>& rule : m.rules) table.rows.back().push_back(bias_text(summarise(rule).bias));
    const RuleSummary detached = summarise(m.rules.back());
    table.rows.back().push_back(detached.cosine.text());
    table.rows.back().push_back(detached.length.text());
  }
  return table;
}

// ---- what flips do ------------------------------------------------------------------------------------------------------

/// Of the layers of networks of one to three layers: what replays say of flips, and the shrink factors of detached resets.
struct Flips {
  Table table;
  Figure figure;
};
Flips flips(const std::vector<Measured>& depths, std::uint64_t runs) {
  Flips result{
      {"Flips of single coins from 0 to 1: later spikes of the same neuron, and the shrink factor of the surrogate gradient "
       "with detached resets, of each layer, against the product of what is kept in the layer and those after it",
       {{"layers", "layer", "removed", "steps later", "added", "kept", "product", "shrink factor"}}},
      {"flips",
       "By what factor the surrogate gradient with detached resets should be shortened, layer by layer and seed by seed, "
       "against the share of a spike that is left after its neuron made up for it, multiplied over the layer and all after "
       "it.",
       520,
       420,
       1,
       {Panel{"",
              "product of the shares kept, from replays",
              "shrink factor, detached",
              "set logscale xy\nset xrange [0.02:0.6]\nset yrange [0.02:0.6]\nset xtics (0.03, 0.1, 0.3)\nset ytics (0.03, 0.1, "
              "0.3)\nset key top left",
              {}}}}};
  std::vector<Curve>& curves = result.figure.panels[0].curves;
  curves.push_back({"equal", line(colour::grey, 1, "'-'"), {{0.02, 0.02}, {0.6, 0.6}}});
  for (const Measured& m : depths) {
    const std::vector<RuleBias>& detached = m.rules.back();
    std::vector<std::vector<FlipEffect>> effects(detached.size());
    for_each(effects.size(), [&](std::size_t i) {
      StudyNetwork network = m.network;
      network.seed = i + 1;
      effects[i] = flip_effects(network, runs, 8);
    });
    const auto layers = static_cast<std::size_t>(m.network.layers);
    const char* colours[] = {colour::blue, colour::green, colour::orange};
    Curve points{m.network.layers == 1 ? "1 layer" : std::to_string(layers) + " layers",
                 std::string("with points pt 7 ps 0.8 lc rgb '") + colours[layers - 1] + "'",
                 {}};
    for (std::size_t layer = 0; layer < layers; ++layer) {
      std::vector<double> removed, steps, added, kept, product, shrink;
      for (std::size_t i = 0; i < effects.size(); ++i) {
        double left = 1;
        for (std::size_t l = layer; l < layers; ++l) left *= effects[i][l].kept();
        const FlipEffect& e = effects[i][layer];
        removed.push_back(e.removed), steps.push_back(e.steps), added.push_back(e.added), kept.push_back(e.kept());
        product.push_back(left), shrink.push_back(detached[i].layers[layer].shrink.value);
        points.points.push_back({left, shrink.back()});
      }
      result.table.rows.push_back({std::to_string(layers), std::to_string(layer + 1)});
      for (const auto& x : {removed, steps, added, kept, product, shrink}) result.table.rows.back().push_back(summary(x).text());
    }
    curves.push_back(std::move(points));
  }
  return result;
}

// ---- training -----------------------------------------------------------------------------------------------------------

Table signal_table(bool quick) {
  Table table{
      "Surrogate gradients of mini-batches of 32 of the training task: noise (tr Cov / |mean|^2), and cosine and length of "
      "their mean, for 8 patterns, with 2 jackknife standard errors",
      {{"layers", "after", "reset", "noise", "cosine", "length"}}};
  struct Case {
    int layers, updates;
    std::vector<Signal> signals;
  };
  std::vector<Case> cases;
  for (const int layers : {1, 2})
    for (const int updates : {0, 300, 2000})
      if (!quick || (layers == 1 && updates == 0)) cases.push_back({layers, updates, {}});
  for_each(cases.size(), [&](std::size_t i) {
    Case& c = cases[cases.size() - 1 - i];
    const Learner learner{.layers = c.layers, .updates = c.updates};
    c.signals = signals(learner, learn(learner).theta, quick ? 128 : 1024, quick ? 32 : 96);
  });
  for (const Case& c : cases)
    for (const Signal& s : c.signals) {
      const snn::RelativeBias::Interval& cosine = s.bias.cosine;
      table.rows.push_back({std::to_string(c.layers), std::to_string(c.updates) + " updates", style(s.rule).name,
                            digits(s.noise, 2),
                            std::isfinite(cosine.value)
                                ? digits(cosine.value, 2) + " (" + digits(cosine.lower, 2) + " to " + digits(cosine.upper, 2) + ")"
                                : "-",
                            digits(length(s.bias), 2)});
    }
  return table;
}

struct Run {
  std::string name;
  const char* colour;
  Learner learner;
  Learned learned{};
};
void learn_all(std::vector<Run>& runs) {
  for_each(runs.size(), [&](std::size_t i) { runs[i].learned = learn(runs[i].learner); });
}

std::string points_of(const char* colour) { return std::string("with linespoints lw 2 ps 0.5 pt 7 lc rgb '") + colour + "'"; }

/// Two layers, by four gradients: at equal updates and at equal work.
Figure training_figure(bool quick, std::uint64_t seed) {
  const int updates = quick ? 200 : 3000;
  const Learner base{.layers = quick ? 1 : 2, .updates = updates, .seed = seed};
  std::vector<Run> runs;
  Learner next = base;
  next.estimator = StochasticDerivative{.replays = 8}, next.updates = quick ? 10 : 200;
  runs.push_back({"unbiased, 8 replays", colour::violet, next});
  next = base, next.reset = Reset::replay, next.updates = quick ? 20 : 500;
  runs.push_back({"own replay", colour::green, next});
  next = base, next.reset = Reset::differentiated;
  runs.push_back({"differentiated", colour::blue, next});
  runs.push_back({"detached", colour::orange, base});
  learn_all(runs);
  Figure figure{
      "bias_training",
      "Training on spike times with the same mini-batches and Adam(0.005), for networks of two layers; every point is the "
      "mean loss since the point before. Left by updates, right by the time of one core. Here: " +
          std::string(quick ? "one layer." : "two layers."),
      900,
      360,
      2,
      {}};
  for (const bool work : {false, true}) {
    Panel panel{work ? "at equal work" : "at equal updates",
                work ? "seconds of one core" : "updates",
                work ? "" : "loss",
                "set logscale x\nset yrange [0:3.8]\nset key top left",
                {}};
    for (const Run& r : runs) {
      Curve curve{work ? "" : r.name, points_of(r.colour), {}};
      for (const Learned::Point& p : r.learned.curve)
        curve.points.push_back({work ? p.seconds : static_cast<double>(p.updates), p.loss});
      panel.curves.push_back(std::move(curve));
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

/// Ways to train, changes of a learner with detached resets in mini-batches of 32.
struct Method {
  const char* name;
  std::function<void(Learner&)> change;
  bool slow = false;  ///< some twenty times as slow as the others
};

/// Final losses of all ways to train, by optimiser and rate; of slow methods at all rates only if asked for.
Table optimiser_table(const std::vector<double>& shrink, bool all, bool quick) {
  const std::vector<Method> methods{{"detached", [](Learner&) {}},
                                    {"detached, every layer rescaled", [&](Learner& l) { l.scale = shrink; }},
                                    {"detached, batches of 8", [](Learner& l) { l.batch = 8; }},
                                    {"differentiated", [](Learner& l) { l.reset = Reset::differentiated; }},
                                    {"own replay", [](Learner& l) { l.reset = Reset::replay; }, true}};
  const Learner base{.layers = static_cast<int>(shrink.size()), .updates = quick ? 60 : 1000};
  struct Way {
    std::string name;
    Optimizer optimizer;
    bool usual;  ///< a rate that slow methods are tried with, too
  };
  std::vector<Way> ways;
  for (const double rate : quick ? std::vector<double>{5} : std::vector<double>{1, 3, 5, 10, 20})
    ways.push_back({"plain descent, rate " + digits(rate), Sgd{.rate = rate}, all || rate == 5 || rate == 10});
  for (const double rate : quick ? std::vector<double>{0.02} : std::vector<double>{0.005, 0.01, 0.02, 0.04})
    ways.push_back({"Adam, rate " + digits(rate), Adam{.rate = rate}, all || rate == 0.01 || rate == 0.02});
  const std::size_t seeds = quick ? 1 : 2;
  std::vector<Run> runs;
  for (const Way& way : ways)
    for (const Method& method : methods)
      for (std::size_t seed = 1; seed <= (method.slow && !way.usual ? 0 : seeds); ++seed) {
        Learner learner = base;
        learner.optimizer = way.optimizer, learner.seed = seed;
        method.change(learner);
        runs.push_back({way.name, "", learner});
      }
  learn_all(runs);
  Table table{"Loss on all training data after " + std::to_string(base.updates) + " updates of " + std::to_string(base.layers) +
                  (base.layers == 1 ? " layer" : " layers") + ", mean over " + std::to_string(seeds) +
                  (seeds == 1 ? " seed" : " seeds") + " (smallest to largest); chance: 2.08" +
                  (all ? "" : "; -: not tried, as it takes long"),
              {{""}}};
  for (const Method& method : methods) table.rows[0].push_back(method.name);
  std::size_t at = 0;
  for (const Way& way : ways) {
    table.rows.push_back({way.name});
    for (const Method& method : methods) {
      std::vector<double> losses;
      if (!method.slow || way.usual)
        for (std::size_t seed = 0; seed < seeds; ++seed) losses.push_back(runs[at++].learned.loss);
      table.rows.back().push_back(losses.empty() ? "-" : summary(losses).text());
    }
  }
  return table;
}

/// The mean shrink factor of each layer with detached resets.
std::vector<double> shrink_factors(const Measured& network) {
  std::vector<double> factors;
  for (std::size_t layer = 0; layer < network.rules.back()[0].layers.size(); ++layer) {
    std::vector<double> seeds;
    for (const RuleBias& b : network.rules.back()) seeds.push_back(b.layers[layer].shrink.value);
    factors.push_back(summary(seeds).value);
  }
  return factors;
}

constexpr const char* text =
    "<p>The bias of surrogate gradients in networks, measured with unbiased estimators: relative bias |E SG - g| / |g|, cosine and "
    "length of the mean against the gradient g of the expected loss. Without resets the surrogate gradient is nearly exact, over "
    "several layers, too. The reset is the source. Taken as a constant it makes the gradient some 3, 7 and 15 times too long for "
    "one, two and three layers. Differentiated it leaves a bias of a third or so, and has no mean to speak of where the slope of "
    "the escape function is large. An exact replay of the neuron itself in its place leaves the least.</p>"
    "<p><b>Why the length multiplies.</b> A spike resets its neuron, which then lacks spikes that it would have fired. Replays "
    "with a single coin flipped count them: 1.3 later spikes vanish, some 6 steps later, and 0.65 appear elsewhere. A third of "
    "the spike is left, in every layer. A detached reset sees all of it, layer after layer, and the product of these thirds is "
    "close to the factor by which its gradient should be shortened. Without resets nothing of this happens: all of the spike is "
    "kept.</p>"
    "<p><b>Why the most biased rule trains well.</b> Under plain descent it is its length: at small rates detached resets learn "
    "much faster, and once the gradient of each layer is shortened to its true length they learn as fast as differentiated ones at "
    "the same rate. With a larger rate the shortened gradient gets as far as the long one. Differentiated resets do not bear such "
    "rates: some runs fail. Adam divides by the size of each component, so a factor for a layer changes next to nothing, and "
    "detached and differentiated resets learn alike up to a rate of 0.02. What costs is noise. Own replay has the least bias by "
    "far, and "
    "three to four times the noise of the others at the start; at equal rates it is the slowest, with both optimisers. Detached "
    "resets "
    "in batches of 8, which have four times the noise of batches of 32, fall back as far: under Adam as far as own replay to two "
    "digits, with all their bias. So it is not the bias of direction that shows in these losses. This is one task, of one size, "
    "with "
    "a few seeds, and training loss only.</p>";

}  // namespace

Chapter bias_chapter(const Options& options) {
  const int seeds = options.seeds   ? options.seeds
                    : options.quick ? 2
                                    : 8,
            few = options.seeds   ? options.seeds
                  : options.quick ? 1
                                  : 2;
  const std::vector<Measured> depths = measure({{.layers = 1}, {.layers = 2}, {.layers = 3}}, seeds, options.quick ? 256 : 1024);
  Chapter chapter{"Beyond the paper: how biased, and does it matter?", text, {}, {depth_figure(depths)}};
  chapter.tables = {depth_table(depths), variation_table(measure(variations(options.quick), few, options.quick ? 256 : 1024))};
  Flips flip = flips(depths, options.quick ? 20 : 100);
  chapter.figures.push_back(std::move(flip.figure));
  chapter.tables.push_back(std::move(flip.table));
  chapter.tables.push_back(signal_table(options.quick));
  chapter.figures.push_back(training_figure(options.quick, options.seed));
  chapter.tables.push_back(optimiser_table(shrink_factors(depths[options.quick ? 0 : 1]), options.seeds > 0, options.quick));
  return chapter;
}

}  // namespace surrogate_gradients
