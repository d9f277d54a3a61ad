// stoat/snn/raster.hpp: spike rasters as black and white pictures in the PBM format (netpbm), one column a time step, one row
// a unit (unit 0 at the top), black for a spike. Any image program that writes PBM draws target spike trains.
#pragma once

#include <cstddef>
#include <filesystem>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// One sample of as many steps as the picture is wide and as many units as it is high. Reads both forms, plain (P1) and raw
/// (P4); comments are skipped, and so is whatever follows the first picture. Throws Error, naming the file and what is wrong
/// with it.
SpikeEvents read_pbm(const std::filesystem::path& path);

/// Writes a sample as a raw PBM file (P4). Throws InvalidArgument if there is no such sample, Error if the file cannot be written.
void write_pbm(const std::filesystem::path& path, const SpikeEvents& events, std::size_t sample = 0);

}  // namespace stoat::snn
