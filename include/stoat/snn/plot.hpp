// stoat/snn/plot.hpp: pictures of spikes, membranes, weights and trainings, made by gnuplot, and a page of them.
//
// The file's ending, .svg or .png, chooses the format. Beside a picture x.png lie its data, x.csv, and the gnuplot script that
// drew it, x.gp; `gnuplot x.gp` in that folder draws it again. All functions throw InvalidArgument for another ending, and Error,
// naming the file, if one cannot be written, if gnuplot is not installed or if it fails; the data and the script stay then.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/snn/spike_events.hpp>
#include <stoat/snn/train.hpp>

namespace stoat::snn {

/// A point for every spike of a sample: time in ms (dt in seconds; a spike at the begin of its step) and unit, unit 0 at the
/// top as in a picture read by read_pbm. `rows` is what the units are called. Throws InvalidArgument if there is no such sample or
/// dt is not positive.
void plot_raster(const SpikeEvents& events, std::size_t sample, double dt, const std::filesystem::path& file,
                 const std::string& rows = "unit");
/// The same, the target on the left and the output on the right. Throws InvalidArgument if their steps or units differ.
void plot_raster(const SpikeEvents& target, const SpikeEvents& output, std::size_t sample, double dt,
                 const std::filesystem::path& file);

/// Membranes (steps x units, as in Response::membranes) of some units of a layer, one below the other, with the threshold dashed
/// and a tick above for every spike of that sample. No units: the six that spike most. Throws InvalidArgument, naming the unit, for
/// one out of range, if the shapes of membranes and spikes differ, there is no such sample, or dt is not positive.
void plot_membranes(const Eigen::Ref<const Eigen::MatrixXd>& membranes, const SpikeEvents& spikes, std::size_t sample,
                    double threshold, double dt, const std::filesystem::path& file, std::vector<int> units = {});

/// A weight matrix as an image, row 0 at the top, and a histogram of its entries. Throws InvalidArgument, naming the entry, if
/// one is not finite, and if there are none.
void plot_weights(const Eigen::Ref<const Eigen::MatrixXd>& weights, const std::filesystem::path& file,
                  const std::string& rows = "row", const std::string& columns = "column");

/// Histograms of the weights of every part of a network, time constants left out. Throws InvalidArgument for parameters of another
/// number or not finite.
void plot_weight_histograms(const Network& network, const Eigen::VectorXd& theta, const std::filesystem::path& file);

/// The epochs of a training, under a name.
struct LearningCurve {
  std::string name;
  std::vector<Epoch> epochs;  ///< what is drawn
};
/// Loss (on the left) and accuracy (on the right) against the epoch: dashed of the training data, solid of the validation data. The
/// data also hold what was measured with the other activation. Throws InvalidArgument if no curve has an epoch.
void plot_learning(const std::vector<LearningCurve>& curves, const std::filesystem::path& file);

/// The epochs of trainings that differ in their seed alone, under a name.
struct LearningBand {
  std::string name;
  std::vector<std::vector<Epoch>> runs;  ///< of which mean and spread are drawn
};
/// The mean over the seeds of loss and accuracy, with a band of one standard deviation between seeds (ddof 1): of the validation
/// data, or the training data where there are none. An epoch that some run has not reached is left out. Throws InvalidArgument if a
/// band has no run, or no epoch that all its runs have.
void plot_learning_bands(const std::vector<LearningBand>& bands, const std::filesystem::path& file);

/// How often samples of each class (a row) were taken for each class (a column), as an image of the rows' fractions, with counts up
/// to 12 classes and the accuracy above. The data are the counts. Throws InvalidArgument, naming the sample, for a label outside
/// [0, classes), if there are none, or if the lists differ in length.
void plot_confusion(const std::vector<int>& labels, const std::vector<int>& predicted, int classes,
                    const std::filesystem::path& file);

/// Numbers under a name, such as the Fano factors of a layer's units.
struct Distribution {
  std::string name;
  std::vector<double> values;  ///< the numbers
};
/// Histograms over each other, each as fractions of its numbers; means and counts stand in the key. NaN, what is not defined, is
/// left out. `label`: what the numbers are, "Fano factor". Throws InvalidArgument if there is no number at all or one is infinite.
void plot_distributions(const std::vector<Distribution>& distributions, const std::string& label,
                        const std::filesystem::path& file);

/// What a folder of a run shows as one page.
struct RunPage {
  std::string title;                              ///< of the page
  std::string text{};                             ///< in front
  std::vector<std::vector<std::string>> table{};  ///< the first row is the heading
  /// A picture of the page.
  struct Picture {
    std::string file;     ///< in the folder: "learning.png"
    std::string caption;  ///< below it
  };
  std::vector<Picture> pictures{};  ///< in this order
  /// Writes index.html: text, table and pictures, each with links to its data and script, and links to the other files that are
  /// there. The folder can be moved as a whole. Throws Error, naming the file, if it cannot be written or a picture is missing.
  void write_html(const std::filesystem::path& folder) const;
};

}  // namespace stoat::snn
