// stoat/hdf5/weight_file.hpp: the parameters of a network, and what its optimiser remembers, as HDF5 that other programs open:
//
//   import h5py
//   file = h5py.File("weights.h5")
//   w = file["layer_1/weights"][:]        # a numpy array, inputs x units
//
//   /layer_k/weights              inputs x units; of a convolution channels x kernel x filters. k = 1 for the first layer.
//   /layer_k/recurrent_weights    the same of the recurrent connection, if there is one
//   /layer_k/log_time_constants   2 x units, or 2 x 1: log tau_mem and log tau_syn, tau in s, if they are learned
//   /optimizer/rule, steps        text and number, if an optimiser's state was written
//   /optimizer/moment_j/...       the same tree as the parameters for each of its moments, j = 1, 2, ...
//   /format, /network             texts: "stoat weights 1", and the layers in words
#pragma once

#include <filesystem>
#include <optional>

#include <Eigen/Core>

#include <stoat/optim/optimizer.hpp>
#include <stoat/snn/network.hpp>

namespace stoat::snn {

/// What a file of weights holds.
struct SavedWeights {
  Eigen::VectorXd theta;                      ///< the parameters of the network
  std::optional<OptimizerState> optimizer{};  ///< for Optimizer::restore
};

/// Replaces the file in one step; numbers keep all their bits. Throws InvalidArgument for parameters or moments of another number
/// than the network has, Error, naming the file, if it cannot be written.
void write_weights(const std::filesystem::path& path, const Network& network, const SavedWeights& weights);

/// Throws Error, naming file and dataset, if the file cannot be read or is damaged, if a dataset is missing or holds no numbers, or
/// has a shape that is not the network's.
SavedWeights read_weights(const std::filesystem::path& path, const Network& network);

}  // namespace stoat::snn
