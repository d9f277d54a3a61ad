// stoat/snn/raster.hpp: spike rasters as pictures in the formats PBM, black and white, and PGM, shades of grey (netpbm), one column
// a time step, one row a unit (unit 0 at the top), black for a spike. Any image program that writes them draws target spike trains.
#pragma once

#include <cstddef>
#include <filesystem>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// One sample of as many steps as the picture is wide and as many units as it is high. Reads both forms, plain (P1) and raw
/// (P4); comments are skipped, and so is whatever follows the first picture. Throws Error, naming the file and what is wrong
/// with it.
SpikeEvents read_pbm(const std::filesystem::path& path);

/// The same from shades of grey, plain (P2) or raw (P5), of one byte or two: a spike where a pixel is darker than this fraction of
/// white. Throws InvalidArgument unless 0 < threshold <= 1.
SpikeEvents read_pgm(const std::filesystem::path& path, double threshold = 0.5);

/// Writes a sample as a raw PBM file (P4). Throws InvalidArgument if there is no such sample, Error if the file cannot be written.
void write_pbm(const std::filesystem::path& path, const SpikeEvents& events, std::size_t sample = 0);

}  // namespace stoat::snn
