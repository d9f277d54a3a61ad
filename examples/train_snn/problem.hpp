// examples/train_snn/problem.hpp: what the networks learn: classes of spike times, or spoken digits in a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <stoat/snn.hpp>

namespace train_snn {

using namespace stoat;
using namespace stoat::snn;

/// Spiking layers of the networks for spoken digits.
enum class Shape {
  connected,      ///< all-to-all
  recurrent,      ///< all-to-all, and so within each layer
  convolutional,  ///< the paper's: three convolutions over the channels, each with a recurrent convolution
};

struct Settings {
  Randman randman{.units = 20, .classes = 10, .samples_per_class = 500, .steps = 100, .alpha = 1};
  std::filesystem::path shd{}, shd_test{};  ///< spoken digits instead; empty: Randman
  bool stream = false;                      ///< leaves the training data in their file
  Shape shape = Shape::connected;
  std::vector<int> hidden{128};
  double beta = 10;
  std::uint64_t seed = 1;
};

struct Problem {
  std::string name;
  std::shared_ptr<const Dataset> train, validation, test;
  std::shared_ptr<const DataSource> source{};  ///< the training data, where they are read when needed
  int classes = 0, units = 0, steps = 0;
  double dt = 0.002;  ///< s
  double nu = 5;      ///< rate of the inputs that weights are drawn for, Hz

  std::size_t training_samples() const { return source ? source->size() : train->size(); }
  Objective objective(const Network& network) const;
};

Problem randman_problem(const Settings& settings);
/// The file's samples in random order: nine tenths to learn, one to choose the best epoch. Throws Error for a file that cannot be
/// read, and if this build is without HDF5.
Problem digits_problem(const Settings& settings);

/// Layers of spiking neurons, and a leaky readout that remembers the whole sample.
Network make_network(const Settings& settings, const Problem& problem, Activation activation);

/// Writes train.h5 and test.h5 in the format of the spoken digits: 20 classes of three bands of spikes that move over the channels,
/// each sample with another speed, height and noise. Throws Error if a file cannot be written or this build is without HDF5.
void make_digits(const std::filesystem::path& folder, int samples_per_class, std::uint64_t seed);

/// Writes what a network has learnt as weights.h5 and network.nir; nothing without HDF5.
void save_network(const std::filesystem::path& folder, const std::string& name, const Network& network,
                  const Eigen::VectorXd& theta);

}  // namespace train_snn
