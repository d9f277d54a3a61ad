// stoat/snn/data_source.hpp: data that stay where they are, such as in a file, and are read a batch at a time.
//
//   auto shd = std::make_shared<const SpikeFile>("shd_train.h5");            // of stoat::hdf5
//   Training t = train(Objective(network, shd, MaxOverTimeCrossEntropy{}), theta, Smorms3{0.01});
//
// A training holds one batch of them in memory, whatever their number, and makes the same steps, bit for bit, as one on a Dataset
// that holds all.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// Samples that are somewhere else than in memory, fetched when they are asked for.
class DataSource {
 public:
  virtual ~DataSource() = default;
  /// The number of samples.
  virtual std::size_t size() const = 0;
  virtual int steps() const = 0;
  virtual int units() const = 0;
  /// Samples in the order of the list, the same whenever they are asked for; an index may occur more than once. Throws
  /// InvalidArgument for an index out of range, Error, naming file and sample, if one cannot be read.
  virtual Dataset read(std::span<const std::size_t> samples) const = 0;
  /// What tells these data from others in a checkpoint: "shd_train.h5, 8156 samples, ...".
  virtual std::string identity() const = 0;
};

/// Some samples of a source, such as its part for training.
class SourceSubset final : public DataSource {
 public:
  /// Throws InvalidArgument for an index out of range.
  SourceSubset(std::shared_ptr<const DataSource> source, std::vector<std::size_t> samples);
  std::size_t size() const override { return samples_.size(); }
  int steps() const override { return source_->steps(); }
  int units() const override { return source_->units(); }
  Dataset read(std::span<const std::size_t> samples) const override;
  std::string identity() const override;

 private:
  std::shared_ptr<const DataSource> source_;
  std::vector<std::size_t> samples_;
};

}  // namespace stoat::snn
