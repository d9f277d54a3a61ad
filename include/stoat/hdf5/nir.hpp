// stoat/hdf5/nir.hpp: networks in the neuromorphic intermediate representation (NIR, Pedersen et al. 2024), a graph of nodes in an
// HDF5 file that other simulators and chips read.
//
// A layer is a node Linear or Conv1d and a node of neurons; a recurrent connection is a node with an edge there and back; Flatten
// comes between a convolution and an all-to-all layer. NIR knows continuous time alone:
//
//   CubaLIF, CubaLI   tau_syn I' = -I + w_in S,   tau_mem v' = v_leak - v + r I,   a spike where v > v_threshold, then v = v_reset
//   LI                tau v' = v_leak - v + r I
//
// Our steps of length dt solve them with I held for a step, S being 1/dt times what it is to us, a pulse of height 1 for a step:
// a_m = exp(-dt / tau_mem), a_s = exp(-dt / tau_syn), and a spike of weight w adds w r w_in dt / tau_syn to the current. Export
// writes r = 1 and w_in = tau_syn / dt, v_leak = v_reset = 0, and import multiplies weights by the factor. A readout without
// synaptic filter is an LI. What NIR cannot say (dt, the number of steps, how spikes come about, the kind of reset, dropout, a
// refractory period, adaptation) stands in the nodes' groups `metadata`, which other programs skip.
#pragma once

#include <filesystem>

#include <Eigen/Core>

#include <stoat/snn/network.hpp>

namespace stoat::snn {

/// A network, and what it has learnt.
struct NirNetwork {
  Network network;        ///< as the file has it
  Eigen::VectorXd theta;  ///< its parameters
};

/// Replaces the file in one step. Numbers keep all their bits, so read_nir gives the same network and parameters. Throws
/// InvalidArgument for parameters of another number or not finite, and for what has no form in NIR: an all-to-all recurrent
/// connection after a convolution, a convolution after an all-to-all layer, an escape function or surrogate that is not the
/// library's; Error, naming the file, if it cannot be written.
void write_nir(const std::filesystem::path& path, const Network& network, const Eigen::VectorXd& theta);

/// What other programs leave open.
struct NirOptions {
  double dt = 0;  ///< s; 0: what the file says
  int steps = 0;  ///< 0: what the file says
  Lif neuron{};   ///< of neurons without metadata: all but time constants, threshold and recurrence
};

/// Reads a chain of layers, each all-to-all (Linear, or Affine with bias 0) or a convolution (Conv1d with bias 0, dilation and
/// groups 1), to CubaLIF, the last one to CubaLIF, CubaLI or LI. Time constants that differ within a layer become parameters
/// (Learned::neuron); a threshold has to be the same for a layer and v_reset the same as v_leak. Throws Error, naming file, node
/// and field: for a file that cannot be read or is damaged, for types and graphs that are not these, for fields that are missing or
/// of another shape, and if neither file nor options tell dt and steps. Throws InvalidArgument for options out of range.
NirNetwork read_nir(const std::filesystem::path& path, const NirOptions& options = {});

}  // namespace stoat::snn
