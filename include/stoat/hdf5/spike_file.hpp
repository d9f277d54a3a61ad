// stoat/hdf5/spike_file.hpp: spike trains with labels in the HDF5 files of the spoken digits SHD and the spoken commands SSC
// (Cramer et al. 2020):
//
//   /spikes/times   a row a sample: the times of its spikes in seconds, a list of numbers of variable length
//   /spikes/units   the same for the units that spike, from 0 on
//   /labels         the class of each sample
//
// and whatever else is there, such as /extra, which is left alone.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <stoat/snn/data_source.hpp>

namespace stoat::snn {

/// The spikes of a sample: spike i is at times[i] (s, not before the one above) of unit units[i].
struct SpikeTrains {
  std::vector<double> times;
  std::vector<int> units;
};

/// How a file is read. 0.7 s of spoken digits in bins of 2 ms are 349 steps, because 0.7 / 0.002 falls short of 350.
struct SpikeFileOptions {
  int units = 700;    ///< input channels
  double dt = 0.002;  ///< s
  int steps = 349;    ///< bins of a sample
  int classes = 0;    ///< 0: as many as the largest label asks for
};

/// A file of spike trains, of which labels and places alone are held: samples are read when they are asked for. Any widths of
/// numbers will do. All functions throw Error that names file, dataset and row: if the file cannot be read, is truncated or
/// damaged, is no HDF5, or lacks a group or dataset; if types or numbers of rows are wrong, or more was announced than the file can
/// hold; if the two lists of a sample differ in length, a time is negative, not finite or before the one above, a unit is outside
/// [0, units) or a label outside [0, classes). What can be told without reading spikes is told by the constructor.
class SpikeFile final : public DataSource {
 public:
  /// Throws InvalidArgument for options out of range.
  explicit SpikeFile(std::filesystem::path path, const SpikeFileOptions& options = {});
  ~SpikeFile() override;
  SpikeFile(SpikeFile&&) noexcept;
  SpikeFile& operator=(SpikeFile&&) noexcept;

  std::size_t size() const override { return labels_.size(); }
  int steps() const override { return options_.steps; }
  int units() const override { return options_.units; }
  int classes() const { return classes_; }
  const std::vector<int>& labels() const { return labels_; }

  /// The spikes of a sample as they are in the file.
  SpikeTrains trains(std::size_t sample) const;
  /// Samples on the grid of time steps (encode::bin), with their labels.
  Dataset read(std::span<const std::size_t> samples) const override;
  /// All of them, in the order of the file.
  Dataset read() const;
  std::string identity() const override;

 private:
  struct File;
  std::unique_ptr<File> file_;
  SpikeFileOptions options_;
  int classes_ = 0;
  std::vector<int> labels_;
};

/// Writes such a file sample by sample, so that it may be larger than memory. Times are kept in double precision.
class SpikeFileWriter {
 public:
  /// Throws InvalidArgument unless units > 0, Error if the file cannot be written.
  SpikeFileWriter(std::filesystem::path path, int units);
  /// What was not closed is not there: the file takes its place in close().
  ~SpikeFileWriter();
  SpikeFileWriter(SpikeFileWriter&&) noexcept;
  SpikeFileWriter& operator=(SpikeFileWriter&&) noexcept;

  /// Appends a sample. Throws InvalidArgument, naming the spike, if the lists differ in length, a time is negative, not finite or
  /// before the one above, or a unit is out of range, and for a negative label; then nothing was added.
  void add(const SpikeTrains& trains, int label);
  void close();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

/// Writes data on a grid of steps of length dt (s), each spike in the middle of its step, so that reading them with the same dt and
/// steps gives the same data. Throws InvalidArgument if they have no labels.
void write_spike_file(const std::filesystem::path& path, const Dataset& data, double dt);

}  // namespace stoat::snn
