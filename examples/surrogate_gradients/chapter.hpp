// examples/surrogate_gradients/chapter.hpp: what a chapter is given, and what it hands over.
#pragma once

#include <cstdint>
#include <filesystem>

#include <common/chapter.hpp>

#include <stoat/driver/interruption.hpp>
#include <stoat/error.hpp>

namespace surrogate_gradients {

namespace colour = showcase::colour;
using showcase::Chapter, showcase::Curve, showcase::Figure, showcase::Panel, showcase::Table, showcase::line;

struct Options {
  bool quick = false;  ///< fewer points and samples
  std::uint64_t seed = 1;
  int seeds = 0;                   ///< of every network of the chapter on bias; 0: as many as there is time for
  std::filesystem::path target{};  ///< PBM picture for the spike-train matching; empty: our own drawing
};

/// Between steps of what takes long: throws after Ctrl-C, and the chapter is left out.
inline void heed_interruption() {
  if (stoat::interrupted()) throw stoat::Error("interrupted");
}

}  // namespace surrogate_gradients
