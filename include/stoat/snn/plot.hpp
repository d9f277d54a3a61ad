// stoat/snn/plot.hpp: pictures of spikes and weights, made by gnuplot.
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

/// A weight matrix as an image, row 0 at the top, and a histogram of its entries. Throws InvalidArgument, naming the entry, if
/// one is not finite, and if there are none.
void plot_weights(const Eigen::Ref<const Eigen::MatrixXd>& weights, const std::filesystem::path& file,
                  const std::string& rows = "row", const std::string& columns = "column");

/// The epochs of a training, under a name.
struct LearningCurve {
  std::string name;
  std::vector<Epoch> epochs;
};
/// Loss (on the left) and accuracy (on the right) against the epoch: dashed of the training data, solid of the validation data. The
/// data also hold what was measured with the other activation. Throws InvalidArgument if no curve has an epoch.
void plot_learning(const std::vector<LearningCurve>& curves, const std::filesystem::path& file);

}  // namespace stoat::snn
