// The chapter of the matching experiment: runs of all methods as tables and figures.
#include <algorithm>
#include <future>

#include <stoat/driver/report.hpp>

#include "matching.hpp"
#include "target.hpp"

namespace surrogate_gradients {
namespace {

using report::digits;
using snn::Activation;

constexpr int longest_interval = 25;  // ms

std::vector<MatchingRun> all_runs(const MatchingTask& task, bool quick) {
  const auto started = [&](const LearningMethod& method, int epochs) {
    return std::async(std::launch::async, [&task, method, epochs] { return learn(task, method, epochs); });
  };
  std::vector<std::future<MatchingRun>> running;
  running.push_back(started(by_hand_deterministic(), quick ? 100 : 1500));
  running.push_back(started(by_hand_stochastic(), quick ? 30 : 1500));
  running.push_back(started(by_hand_multilayer_spiker(), quick ? 30 : 1500));
  running.push_back(started(by_gradient_deterministic(), quick ? 100 : 1500));
  running.push_back(started(by_gradient_stochastic(), quick ? 20 : 1500));
  running.push_back(started(by_gradient_likelihood(), quick ? 20 : 1500));
  std::vector<MatchingRun> runs;
  for (auto& run : running) runs.push_back(run.get());
  return runs;
}

/// A sample as an image, unit 0 at the top.
Panel raster_panel(const std::string& title, const snn::SpikeEvents& events, const char* units) {
  const Eigen::MatrixXd raster = events.raster(events.samples() - 1);
  Curve image{"", "matrix with image", {}};
  for (Eigen::Index unit = 0; unit < raster.cols(); ++unit) {
    const Eigen::VectorXd row = raster.col(unit);
    image.points.emplace_back(row.begin(), row.end());
  }
  return {title,
          "time (ms)",
          units,
          "set palette defined (0 'white', 1 'black')\nunset colorbox\nunset key\nunset grid\nset xtics 50\nset xrange [-0.5:" +
              digits(static_cast<double>(raster.rows()) - 0.5, 6) + "]\nset yrange [" +
              digits(static_cast<double>(raster.cols()) - 0.5, 6) + ":-0.5]",
          {image}};
}

Figure raster_figure(const MatchingTask& task, const std::vector<MatchingRun>& runs) {
  Figure figure{"matching_rasters",
                "Spike trains of the 200 outputs: the target, the network before learning, and after learning by each method (the "
                "last of its trials).",
                980,
                1050,
                3,
                {}};
  figure.panels.push_back(raster_panel("target", task.target, "output unit"));
  figure.panels.push_back(raster_panel("before, deterministic", runs[0].before.output, ""));
  figure.panels.push_back(raster_panel("before, stochastic", runs[1].before.output, ""));
  for (const MatchingRun& run : runs) figure.panels.push_back(raster_panel(run.method.name, run.after.output, "output unit"));
  return figure;
}

/// Of the methods, in their order.
std::string style_of(std::size_t method) {
  const char* const colours[] = {colour::blue, colour::orange, colour::green, colour::blue, colour::orange, colour::violet};
  return line(colours[method], 2, method < 3 ? "" : "'-'");
}

Curve by_epoch(const MatchingRun& run, std::size_t method, double MatchingEpoch::*field) {
  Curve curve{run.method.name, style_of(method), {}};
  for (const MatchingEpoch& e : run.epochs) curve.points.push_back({static_cast<double>(e.number), e.*field});
  return curve;
}

Figure distance_figure(const std::vector<MatchingRun>& runs, double silent) {
  Panel l2{"", "epoch", "L2 distance", "set key top right", {}},
      van_rossum{"", "epoch", "van Rossum distance", "set logscale y\nunset key", {}};
  for (std::size_t k = 0; k < runs.size(); ++k) {
    l2.curves.push_back(by_epoch(runs[k], k, &MatchingEpoch::l2));
    van_rossum.curves.push_back(by_epoch(runs[k], k, &MatchingEpoch::van_rossum));
  }
  const double end = runs[0].epochs.back().number;
  l2.curves.push_back({"output without spikes", line(colour::grey, 1, "'.'"), {{0, silent}, {end, silent}}});
  return {"matching_distance",
          "Distance to the target by epoch, in one trial. Solid: the hand-derived rules; dashed: back-propagation.",
          980,
          420,
          2,
          {l2, van_rossum}};
}

Figure variability_figure(const MatchingTask& task, const std::vector<MatchingRun>& runs) {
  Panel hidden{"hidden layer", "epoch", "Fano factor", "set yrange [0.2:0.9]\nset key bottom left samplen 1 font ',11'", {}};
  Panel output{"output layer", "epoch", "", "set yrange [0.2:0.9]\nunset key", {}};
  for (std::size_t k = 0; k < runs.size(); ++k) {
    if (runs[k].method.activation == Activation::deterministic) continue;
    hidden.curves.push_back(by_epoch(runs[k], k, &MatchingEpoch::fano_hidden));
    output.curves.push_back(by_epoch(runs[k], k, &MatchingEpoch::fano_output));
  }
  Panel intervals{"output layer",
                  "interval (ms)",
                  "fraction",
                  "set logscale y\nset yrange [1e-4:100]\nset format y '10^{%T}'\nset xrange [0:" +
                      std::to_string(longest_interval) + "]\nset key top right samplen 1 font ',11'",
                  {}};
  const auto histogram = [&](const char* title, const std::string& style, const snn::SpikeEvents& events) {
    Curve curve{title, style, {}};
    const std::vector<double> fractions = interval_histogram(events, longest_interval);
    for (std::size_t k = 0; k + 1 < fractions.size(); ++k)
      if (fractions[k] > 0) curve.points.push_back({static_cast<double>(k + 1), fractions[k]});
    intervals.curves.push_back(std::move(curve));
  };
  histogram("target", line("#404850"), task.target);
  histogram("before, stochastic", line(colour::grey, 2, "'-'"), runs[1].before.output);
  histogram("deterministic", line(colour::blue), runs[0].after.output);
  histogram("stochastic", line(colour::orange), runs[1].after.output);
  return {
      "matching_variability",
      "Left and middle, the Fano factor of the counts in bins of 1 ms over 10 trials. Right, times between successive spikes of "
      "an output neuron, for the hand-derived rules.",
      980,
      360,
      3,
      {hidden, output, intervals}};
}

Table distance_table(const MatchingTask& task, const std::vector<MatchingRun>& runs) {
  Table table{
      "Means over the last 100 epochs. An output without spikes has an L2 distance of " + digits(statistics(task.target).silent, 4),
      {}};
  table.rows.push_back(
      {"method", "epochs", "L2 before", "L2", "van Rossum before", "van Rossum", "L2, other spikes", "van Rossum, other spikes"});
  for (const MatchingRun& run : runs) {
    const int last = run.epochs.back().number;
    const MatchingEpoch &before = run.epochs.front(), end = mean(run, last - std::min(99, last / 10), last);
    table.rows.push_back({run.method.name, std::to_string(last), digits(before.l2, 4), digits(end.l2, 4), digits(before.van_rossum),
                          digits(end.van_rossum), digits(end.other_l2, 4), digits(end.other_van_rossum)});
  }
  return table;
}

Table variability_table(const std::vector<MatchingRun>& runs) {
  Table table{"Rates (Hz), Fano factors (1 ms bins, 10 trials) and coefficients of variation of the intervals, before > after", {}};
  table.rows.push_back({"method", "rate hidden", "rate output", "Fano hidden", "Fano output", "CV hidden", "CV output"});
  const auto both = [](double before, double after) { return digits(before) + " > " + digits(after); };
  const auto cv = [](const snn::SpikeEvents& events) { return snn::nan_mean(snn::interval_cv(events)); };
  for (const MatchingRun& run : runs) {
    const MatchingEpoch &a = run.epochs.front(), &b = run.epochs.back();
    table.rows.push_back({run.method.name, both(a.rate_hidden, b.rate_hidden), both(a.rate_output, b.rate_output),
                          both(a.fano_hidden, b.fano_hidden), both(a.fano_output, b.fano_output),
                          both(cv(run.before.hidden), cv(run.after.hidden)), both(cv(run.before.output), cv(run.after.output))});
  }
  return table;
}

}  // namespace

Chapter matching_chapter(const Options& options) {
  const MatchingTask task(target_from(options.target), options.seed);
  const std::vector<MatchingRun> runs = all_runs(task, options.quick);
  return {
      "A network learns a picture",
      "<p>200 frozen Poisson trains drive 200 hidden and 200 output neurons, which are to spike where the picture is black, a row "
      "a neuron. The rule of the paper is derived by hand from the likelihood of the target, with output spikes in the place "
      "of their probabilities and with resets disregarded; its three forms differ in what stands for the derivative of a hidden "
      "spike. Back-propagation minimises a van Rossum distance with a short kernel (2 ms), or maximises the likelihood itself, "
      "by the logarithms of the escape function: with slope 100 many spikes of the target have at first a probability that is 0 in "
      "double precision.</p><p>By the rule of the paper thresholds come closer to the picture than coins, which keep "
      "varying from trial to trial. Back-propagation with coins leaves spikes out: its L2 distance is small, its van Rossum "
      "distance is not. This is one seed; the rates of learning differ between methods.</p>",
      {distance_table(task, runs), variability_table(runs)},
      {raster_figure(task, runs), distance_figure(runs, statistics(task.target).silent), variability_figure(task, runs)}};
}

}  // namespace surrogate_gradients
