// What writing and reading of NIR files share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <stoat/hdf5/nir.hpp>

#include "file.hpp"

namespace stoat::snn::nir {

/// The shape of a signal: units alone, or channels x positions. NIR counts the position fastest, we the channel.
struct Extent {
  int channels = 0, positions = 0;  ///< channels = 0: units alone
  int units() const { return std::max(1, channels) * positions; }
  hdf5::Shape shape() const {
    if (channels == 0) return {static_cast<hsize_t>(positions)};
    return {static_cast<hsize_t>(channels), static_cast<hsize_t>(positions)};
  }
  /// Our number of unit `index` of NIR.
  int unit(int index) const { return channels == 0 ? index : index % positions * channels + index / positions; }
};

/// A function of the library as a name and its constants: {"surrogate sigmoid", {10, 1}}.
struct NamedFunction {
  std::string name;
  std::vector<double> constants;
};
/// Nothing for a function that is not the library's.
std::optional<NamedFunction> named(const SpikeFunction& f);
/// Nothing for a name that is not known or with another number of constants. Throws InvalidArgument for constants out of range.
std::optional<SpikeFunction> function(const NamedFunction& named);

/// Names of enumerators, in their order.
inline const std::vector<std::string> activations{"deterministic", "stochastic"};
inline const std::vector<std::string> resets{"none", "detached", "differentiated", "replay"};
inline const std::vector<std::string> reset_kinds{"all", "leak"};
inline const std::vector<std::string> learned{"none", "layer", "neuron"};

}  // namespace stoat::snn::nir
