#include <stoat/snn/plot.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

namespace fs = std::filesystem;
using report::exact;
using report::plot;

struct Panel {
  std::string name;
  const SpikeEvents& events;
};

void plot_panels(const std::vector<Panel>& panels, std::size_t sample, double dt, const fs::path& file,
                 const std::string& rows = "unit") {
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument("plot_raster: " + outside("dt", dt, "(0, infinity)"));
  std::string csv = "panel,time_ms,unit\n";
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const SpikeEvents& events = panels[k].events;
    if (sample >= events.samples())
      throw InvalidArgument("plot_raster: sample " + std::to_string(sample) + " of " + std::to_string(events.samples()) + " " +
                            panels[k].name + " does not exist");
    for (int step = 0; step < events.steps(); ++step) {
      for (const SpikeEvents::Unit unit : events.at(sample, step))
        csv += std::to_string(k) + ',' + exact(1000 * step * dt) + ',' + std::to_string(unit) + '\n';
    }
  }
  const int steps = panels[0].events.steps(), units = panels[0].events.units(), count = static_cast<int>(panels.size());
  // Points nearly as large as the space that a spike has, between a quarter and a whole of gnuplot's point.
  const double size = std::clamp(60.0 / std::max(units, steps), 0.25, 1.0);
  std::string commands = "unset key\nset xlabel 'time (ms)'\nset ylabel " + report::gnuplot_text(rows) + "\nset xrange [" +
                         exact(-500 * dt) + ":" + exact(1000 * (steps - 0.5) * dt) + "]\nset yrange [" + exact(units - 0.5) +
                         ":-0.5]\nset multiplot layout 1," + std::to_string(count) + "\n";
  for (int k = 0; k < count; ++k) {
    if (count > 1) commands += "set title '" + panels[static_cast<std::size_t>(k)].name + "'\n";
    // A point outside of the axes, so that a sample without spikes is an empty plot and no error.
    commands += "plot data skip 1 using ($1 == " + std::to_string(k) + " ? $2 : NaN):3 with points pt 7 ps " + exact(size) +
                " lc rgb 'black', NaN\n";
  }
  plot(file, count > 1 ? 1000 : 640, 420, csv, commands + "unset multiplot\n");
}

}  // namespace

void plot_raster(const SpikeEvents& events, std::size_t sample, double dt, const fs::path& file, const std::string& rows) {
  plot_panels({{"events", events}}, sample, dt, file, rows);
}

void plot_raster(const SpikeEvents& target, const SpikeEvents& output, std::size_t sample, double dt, const fs::path& file) {
  if (target.steps() != output.steps() || target.units() != output.units()) {
    const auto shape = [](const SpikeEvents& e) {
      return std::to_string(e.steps()) + " steps x " + std::to_string(e.units()) + " units";
    };
    throw InvalidArgument("plot_raster: a target of " + shape(target) + " beside an output of " + shape(output));
  }
  plot_panels({{"target", target}, {"output", output}}, sample, dt, file);
}

void plot_membranes(const Eigen::Ref<const Eigen::MatrixXd>& membranes, const SpikeEvents& spikes, std::size_t sample,
                    double threshold, double dt, const fs::path& file, std::vector<int> units) {
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument("plot_membranes: " + outside("dt", dt, "(0, infinity)"));
  if (membranes.rows() != spikes.steps() || membranes.cols() != spikes.units())
    throw InvalidArgument("plot_membranes: membranes of " + std::to_string(membranes.rows()) + " steps x " +
                          std::to_string(membranes.cols()) + " units and spikes of " + std::to_string(spikes.steps()) + " x " +
                          std::to_string(spikes.units()));
  if (sample >= spikes.samples())
    throw InvalidArgument("plot_membranes: sample " + std::to_string(sample) + " of " + std::to_string(spikes.samples()) +
                          " does not exist");
  const Eigen::MatrixXd raster = spikes.raster(sample);
  if (units.empty()) {
    units.resize(static_cast<std::size_t>(spikes.units()));
    std::iota(units.begin(), units.end(), 0);
    std::stable_sort(units.begin(), units.end(), [&](int a, int b) { return raster.col(a).sum() > raster.col(b).sum(); });
    units.resize(std::min<std::size_t>(units.size(), 6));
  }
  std::string csv = "time_ms";
  for (const int unit : units) {
    if (unit < 0 || unit >= spikes.units())
      throw InvalidArgument("plot_membranes: " + outside("unit", unit, "[0, " + std::to_string(spikes.units()) + ")"));
    csv += ",membrane_" + std::to_string(unit) + ",spike_" + std::to_string(unit);
  }
  csv += '\n';
  for (int step = 0; step < spikes.steps(); ++step) {
    csv += exact(1000 * step * dt);
    for (const int unit : units) csv += ',' + exact(membranes(step, unit), "NaN") + ',' + exact(raster(step, unit));
    csv += '\n';
  }
  const int count = static_cast<int>(units.size());
  std::string commands = "set datafile missing 'NaN'\nunset key\nset xrange [" + exact(-500 * dt) + ":" +
                         exact(1000 * (spikes.steps() - 0.5) * dt) + "]\nset format x ''\nset multiplot layout " +
                         std::to_string(count) + ",1 margins char 12,2,3.5,1 spacing char 0,0.8\n";
  for (int k = 0; k < count; ++k) {
    const int unit = units[static_cast<std::size_t>(k)];
    double top = std::max(threshold, 0.0), bottom = std::min(threshold, 0.0);
    for (int step = 0; step < spikes.steps(); ++step)
      if (const double u = membranes(step, unit); std::isfinite(u)) top = std::max(top, u), bottom = std::min(bottom, u);
    const double extent = top > bottom ? top - bottom : 1;
    // Where threshold and 0 are too close for two numbers, 0 has one.
    const bool both = std::abs(threshold) > 0.25 * extent;
    if (k + 1 == count) commands += "set format x '%g'\nset xlabel 'time (ms)'\n";
    commands += "set yrange [" + exact(bottom - 0.05 * extent) + ":" + exact(top + 0.25 * extent) + "]\nset ytics (0" +
                (both ? ", " + exact(threshold) : "") + ")\nset ylabel 'unit " + std::to_string(unit) + "'\nplot " +
                exact(threshold) + " with lines dt 2 lc rgb '#888888', data skip 1 using 1:" + std::to_string(2 * k + 2) +
                " with lines lw 1.5 lc rgb '#3b82d6', data skip 1 using ($" + std::to_string(2 * k + 3) + " > 0 ? $1 : NaN):(" +
                exact(top + 0.08 * extent) + "):(0):(" + exact(0.12 * extent) + ") with vectors nohead lw 1.5 lc rgb 'black'\n";
  }
  plot(file, 800, 120 + 90 * count, csv, commands + "unset multiplot\n");
}

void plot_weights(const Eigen::Ref<const Eigen::MatrixXd>& weights, const fs::path& file, const std::string& rows,
                  const std::string& columns) {
  if (weights.size() == 0) throw InvalidArgument("plot_weights: the matrix is empty");
  std::string csv;
  for (Eigen::Index i = 0; i < weights.rows(); ++i) {
    for (Eigen::Index j = 0; j < weights.cols(); ++j) {
      if (!std::isfinite(weights(i, j)))
        throw InvalidArgument("plot_weights: " + outside("entry (" + std::to_string(i) + ", " + std::to_string(j) + ")",
                                                         weights(i, j), "(-infinity, infinity)"));
      csv += (j > 0 ? "," : "") + exact(weights(i, j));
    }
    csv += '\n';
  }
  // Colours and the histogram span [-limit, limit], so that zero is white and in the middle.
  const double largest = weights.cwiseAbs().maxCoeff(), limit = largest > 0 ? largest : 1;
  const int bins = std::clamp(2 * static_cast<int>(std::sqrt(static_cast<double>(weights.size())) / 2) + 1, 11, 61);
  std::vector<int> histogram(static_cast<std::size_t>(bins));
  for (Eigen::Index j = 0; j < weights.cols(); ++j) {
    for (Eigen::Index i = 0; i < weights.rows(); ++i) {
      const int bin = static_cast<int>((weights(i, j) / limit + 1) / 2 * bins);
      ++histogram[static_cast<std::size_t>(std::min(bin, bins - 1))];
    }
  }
  std::string block;
  for (int bin = 0; bin < bins; ++bin)
    block += exact(limit * ((2 * bin + 1.0) / bins - 1)) + ',' + std::to_string(histogram[static_cast<std::size_t>(bin)]) + '\n';

  plot(file, 1000, 420, csv,
       "$histogram << EOD\n" + block +
           "EOD\nunset key\nset multiplot layout 1,2\n"
           "set palette defined (-1 '#2166ac', 0 'white', 1 '#b2182b')\nset cbrange [" +
           exact(-limit) + ":" + exact(limit) + "]\nset cblabel 'weight'\nset xlabel " + report::gnuplot_text(columns) +
           "\nset ylabel " + report::gnuplot_text(rows) + "\nset xrange [-0.5:" + exact(static_cast<double>(weights.cols()) - 0.5) +
           "]\nset yrange [" + exact(static_cast<double>(weights.rows()) - 0.5) + ":-0.5]\nplot data matrix with image\n" +
           "set xlabel 'weight'\nset ylabel 'entries'\nset xrange [" + exact(-limit) + ":" + exact(limit) +
           "]\nset yrange [0:*]\nset style fill solid\nset boxwidth 1 relative\n"
           "plot $histogram using 1:2 with boxes lc rgb '#7f8792'\nunset multiplot\n");
}

}  // namespace stoat::snn
