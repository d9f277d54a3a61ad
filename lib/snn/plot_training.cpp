#include <stoat/snn/plot.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

namespace fs = std::filesystem;
using report::exact;
using report::plot;

constexpr std::array<const char*, 6> colours{"#3b82d6", "#e07b28", "#2f9e5b", "#d6455d", "#8b6fd1", "#a0714f"};
std::string colour(std::size_t k) { return std::string("'") + colours[k % colours.size()] + "'"; }

}  // namespace

void plot_learning(const std::vector<LearningCurve>& curves, const fs::path& file) {
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
             style + " lc rgb " + colour(k) + " ";
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
           "]\nset grid lw 0.5 lc rgb '#cccccc'\nset key tmargin center horizontal maxcols 2\nset ylabel 'loss'\nset yrange "
           "[0:*]\nplot " +
           lines[0] + ", 1 / 0 notitle\nset ylabel 'accuracy'\nset yrange [0:1]\nplot " + lines[1] +
           ", 1 / 0 notitle\nunset multiplot\n");
}

void plot_learning_bands(const std::vector<LearningBand>& bands, const fs::path& file) {
  std::string csv = "band,epoch,runs,loss,loss_sd,accuracy,accuracy_sd\n";
  std::array<std::string, 2> areas, lines;  // of the loss and the accuracy
  int last = 0;
  for (std::size_t k = 0; k < bands.size(); ++k) {
    const LearningBand& band = bands[k];
    std::size_t epochs = band.runs.empty() ? 0 : band.runs[0].size();
    for (const std::vector<Epoch>& run : band.runs) epochs = std::min(epochs, run.size());
    if (epochs == 0)
      throw InvalidArgument("plot_learning_bands: band " + std::to_string(k) + " (" + band.name +
                            ") has no epoch that all its runs have");
    for (std::size_t e = 0; e < epochs; ++e) {
      csv += std::to_string(k) + ',' + std::to_string(e + 1) + ',' + std::to_string(band.runs.size());
      for (const bool of_loss : {true, false}) {
        Eigen::ArrayXd values(static_cast<Eigen::Index>(band.runs.size()));
        for (Eigen::Index run = 0; run < values.size(); ++run) {
          const Epoch& epoch = band.runs[static_cast<std::size_t>(run)][e];
          const double held_out = of_loss ? epoch.validation_loss : epoch.validation_accuracy;
          values[run] = std::isfinite(held_out) ? held_out : of_loss ? epoch.loss : epoch.accuracy;
        }
        const double mean = values.mean();
        const double sd =
            values.size() > 1 ? std::sqrt((values - mean).square().sum() / static_cast<double>(values.size() - 1)) : 0;
        csv += ',' + exact(mean, "NaN") + ',' + exact(sd, "NaN");
      }
      csv += '\n';
    }
    last = std::max(last, static_cast<int>(epochs));
    for (const int panel : {0, 1}) {
      const std::string mean = "$" + std::to_string(4 + 2 * panel), sd = "$" + std::to_string(5 + 2 * panel);
      const std::string x = "data skip 1 using ($1 == " + std::to_string(k) + " ? $2 : NaN):";
      areas[static_cast<std::size_t>(panel)] += x + "(" + mean + " - " + sd + "):(" + mean + " + " + sd +
                                                ") with filledcurves fs transparent solid 0.25 noborder lc rgb " + colour(k) +
                                                " notitle, ";
      lines[static_cast<std::size_t>(panel)] +=
          x + "(" + mean + ") with lines lw 2 lc rgb " + colour(k) + " title " + report::gnuplot_text(band.name) + ", ";
    }
  }
  if (last == 0) throw InvalidArgument("plot_learning_bands: there is no band");
  // A point outside of the axes, so that quantities that were not measured leave an empty plot and no error.
  plot(file, 1000, 420, csv,
       "set datafile missing 'NaN'\nset multiplot layout 1,2\nset xlabel 'epoch'\nset xrange [1:" +
           std::to_string(std::max(2, last)) +
           "]\nset grid lw 0.5 lc rgb '#cccccc'\nset key tmargin center horizontal maxcols 2\nset ylabel 'loss'\nset yrange "
           "[0:*]\nplot " +
           areas[0] + lines[0] + "1 / 0 notitle\nset ylabel 'accuracy'\nset yrange [0:1]\nplot " + areas[1] + lines[1] +
           "1 / 0 notitle\nunset multiplot\n");
}

void plot_confusion(const std::vector<int>& labels, const std::vector<int>& predicted, int classes, const fs::path& file) {
  if (classes < 1) throw InvalidArgument("plot_confusion: " + outside("classes", classes, "[1, infinity)"));
  if (labels.empty()) throw InvalidArgument("plot_confusion: there are no samples");
  if (labels.size() != predicted.size())
    throw InvalidArgument("plot_confusion: " + std::to_string(predicted.size()) + " predictions for " +
                          std::to_string(labels.size()) + " labels");
  Eigen::MatrixXi counts = Eigen::MatrixXi::Zero(classes, classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (const int label : {labels[i], predicted[i]})
      if (label < 0 || label >= classes)
        throw InvalidArgument("plot_confusion: sample " + std::to_string(i) + ": " +
                              outside("label", label, "[0, " + std::to_string(classes) + ")"));
    ++counts(labels[i], predicted[i]);
  }
  std::string csv, fractions, texts;
  for (int row = 0; row < classes; ++row) {
    const double total = std::max(1, counts.row(row).sum());
    for (int column = 0; column < classes; ++column) {
      csv += (column > 0 ? "," : "") + std::to_string(counts(row, column));
      const double fraction = counts(row, column) / total;
      fractions += (column > 0 ? "," : "") + exact(fraction);
      if (classes <= 12 && counts(row, column) > 0)
        texts += "set label '" + std::to_string(counts(row, column)) + "' at " + std::to_string(column) + "," +
                 std::to_string(row) + " center front tc rgb '" + (fraction > 0.5 ? "white" : "black") + "'\n";
    }
    csv += '\n', fractions += '\n';
  }
  const std::string range = exact(classes - 0.5);
  plot(file, 620, 560, csv,
       "$fractions << EOD\n" + fractions + "EOD\nunset key\nset title 'accuracy " +
           report::digits(static_cast<double>(counts.trace()) / static_cast<double>(labels.size())) +
           "'\nset size ratio 1\nset palette defined (0 'white', 0.5 '#7fb2e5', 1 '#1f4e8c')\nset cbrange [0:1]\n" +
           "set cblabel 'fraction of the class'\nset xlabel 'predicted class'\nset ylabel 'class'\nset xrange [-0.5:" + range +
           "]\nset yrange [" + range + ":-0.5]\n" + (classes <= 30 ? "set xtics 0,1\nset ytics 0,1\n" : "") + texts +
           "plot $fractions matrix with image\n");
}

void plot_distributions(const std::vector<Distribution>& distributions, const std::string& label, const fs::path& file) {
  std::string csv = "series,value\n";
  double low = std::numeric_limits<double>::infinity(), high = -low;
  std::size_t most = 0;
  std::vector<std::vector<double>> defined(distributions.size());
  for (std::size_t k = 0; k < distributions.size(); ++k) {
    for (const double x : distributions[k].values) {
      if (std::isnan(x)) continue;
      if (!std::isfinite(x)) throw InvalidArgument("plot_distributions: a number of '" + distributions[k].name + "' is infinite");
      csv += std::to_string(k) + ',' + exact(x) + '\n';
      low = std::min(low, x), high = std::max(high, x);
      defined[k].push_back(x);
    }
    most = std::max(most, defined[k].size());
  }
  if (most == 0) throw InvalidArgument("plot_distributions: there are no numbers");
  const int bins = std::clamp(static_cast<int>(std::sqrt(static_cast<double>(most))), 8, 50);
  const double width = high > low ? (high - low) / bins : 1;
  std::string blocks, lines;
  for (std::size_t k = 0; k < defined.size(); ++k) {
    if (defined[k].empty()) continue;
    std::vector<double> fractions(static_cast<std::size_t>(bins));
    double sum = 0;
    for (const double x : defined[k]) {
      fractions[static_cast<std::size_t>(std::min(bins - 1, static_cast<int>((x - low) / width)))] +=
          1.0 / static_cast<double>(defined[k].size());
      sum += x;
    }
    const std::string block = "$series" + std::to_string(k);
    blocks += block + " << EOD\n";
    for (int bin = 0; bin < bins; ++bin)
      blocks += exact(low + (bin + 0.5) * width) + ',' + exact(fractions[static_cast<std::size_t>(bin)]) + '\n';
    blocks += "EOD\n";
    const std::string title = distributions[k].name + ": mean " + report::digits(sum / static_cast<double>(defined[k].size())) +
                              ", n = " + std::to_string(defined[k].size());
    lines += (lines.empty() ? "" : ", ") + block + " using 1:2 with boxes fs transparent solid 0.35 lc rgb " + colour(k) +
             " title " + report::gnuplot_text(title);
  }
  plot(file, 640, 420, csv,
       blocks + "set xlabel " + report::gnuplot_text(label) + "\nset ylabel 'fraction'\nset yrange [0:*]\nset boxwidth " +
           exact(width) + "\nset xrange [" + exact(low - width) + ":" + exact(high + (high > low ? width : 2)) +
           "]\nset key tmargin center\nplot " + lines + '\n');
}

void plot_weight_histograms(const Network& network, const Eigen::VectorXd& theta, const fs::path& file) {
  if (theta.size() != network.parameters())
    throw InvalidArgument("plot_weight_histograms: the network has " + std::to_string(network.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  if (!theta.allFinite()) throw InvalidArgument("plot_weight_histograms: a parameter is not finite");
  std::string csv = "part,weight,count\n", blocks, panels;
  std::size_t count = 0;
  for (const Network::Part& part : network.parts()) {
    if (part.time_constants) continue;
    const auto weights = theta.segment(part.offset, part.size());
    const double largest = weights.cwiseAbs().maxCoeff(), limit = largest > 0 ? largest : 1;
    const int bins = std::clamp(2 * static_cast<int>(std::sqrt(static_cast<double>(weights.size())) / 2) + 1, 11, 101);
    std::vector<int> histogram(static_cast<std::size_t>(bins));
    for (const double w : weights)
      ++histogram[static_cast<std::size_t>(std::min(bins - 1, static_cast<int>((w / limit + 1) / 2 * bins)))];
    for (int bin = 0; bin < bins; ++bin)
      csv += std::to_string(count) + ',' + exact(limit * ((2 * bin + 1.0) / bins - 1)) + ',' +
             std::to_string(histogram[static_cast<std::size_t>(bin)]) + '\n';
    panels += "set title " + report::gnuplot_text(part.name) + "\nset xrange [" + exact(-limit) + ":" + exact(limit) +
              "]\nset boxwidth " + exact(2 * limit / bins) + "\nplot data skip 1 using ($1 == " + std::to_string(count) +
              " ? $2 : NaN):3 with boxes lc rgb " + colour(static_cast<std::size_t>(part.layer)) + '\n';
    ++count;
  }
  const int columns = count > 1 ? 2 : 1, rows = (static_cast<int>(count) + columns - 1) / columns;
  plot(file, 480 * columns, 280 * rows, csv,
       "unset key\nset style fill solid 0.7\nset xlabel 'weight'\nset ylabel 'weights'\nset yrange [0:*]\nset multiplot layout " +
           std::to_string(rows) + "," + std::to_string(columns) + "\n" + panels + "unset multiplot\n");
}

}  // namespace stoat::snn
