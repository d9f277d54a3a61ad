#include <stoat/snn/plot.hpp>

#include <algorithm>
#include <array>
#include <cmath>
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

void plot_learning(const std::vector<LearningCurve>& curves, const fs::path& file) {
  constexpr std::array<const char*, 6> colours{"#3b82d6", "#e07b28", "#2f9e5b", "#d6455d", "#8b6fd1", "#a0714f"};
  std::string csv = "curve,epoch,loss,accuracy,validation_loss,validation_accuracy,other_loss,other_accuracy\n";
  std::array<std::string, 2> lines;  // of the loss and the accuracy
  int last = 0;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    for (const Epoch& e : curves[k].epochs) {
      csv += std::to_string(k) + ',' + std::to_string(e.number);
      for (const double x : {e.loss, e.accuracy, e.validation_loss, e.validation_accuracy, e.other_loss, e.other_accuracy})
        csv += ',' + exact(x, "NaN");
      csv += '\n';
      last = std::max(last, e.number);
    }
    const auto plot = [&](int column, const std::string& style) {
      return "data skip 1 using ($1 == " + std::to_string(k) + " ? $2 : NaN):" + std::to_string(column) + " with lines lw 2 " +
             style + " lc rgb '" + colours[k % colours.size()] + "' ";
    };
    for (const int panel : {0, 1})
      lines[static_cast<std::size_t>(panel)] +=
          (k > 0 ? ", " : "") + plot(3 + panel, "dt 3") + "title " + report::gnuplot_text(curves[k].name + ", training") + ", " +
          plot(5 + panel, "dt 1") + "title " + report::gnuplot_text(curves[k].name + ", validation");
  }
  if (last == 0) throw InvalidArgument("plot_learning: there is no epoch");
  // A point outside of the axes, so that quantities that were not measured leave an empty plot and no error.
  plot(file, 1000, 420, csv,
       "set datafile missing 'NaN'\nset multiplot layout 1,2\nset xlabel 'epoch'\nset xrange [1:" +
           std::to_string(std::max(2, last)) +
           "]\nset grid lw 0.5 lc rgb '#cccccc'\nset key top right\nset ylabel 'loss'\nset yrange [0:*]\nplot " + lines[0] +
           ", 1 / 0 notitle\nset key bottom right\nset ylabel 'accuracy'\nset yrange [0:1]\nplot " + lines[1] +
           ", 1 / 0 notitle\nunset multiplot\n");
}

}  // namespace stoat::snn
