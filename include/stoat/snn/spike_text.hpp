// stoat/snn/spike_text.hpp: spike trains as text, a spike a line: its time in seconds, a blank, and its unit, from 0 on.
//
//   # time unit
//   0.0125 3
//   0.0130 0
//
// Empty lines, and what follows a '#', are skipped.
#pragma once

#include <cstddef>
#include <filesystem>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// One sample of so many steps of dt (s) and units: a spike at time t is in step int(t / dt), and what comes after the last step is
/// dropped. The lines may come in any order. Throws InvalidArgument unless units, dt and steps are positive; Error, naming file and
/// line, if the file cannot be read, a line is not a number and an integer, a time is negative or not finite, or a unit is outside
/// [0, units).
SpikeEvents read_spikes(const std::filesystem::path& path, int units, double dt, int steps);

/// Writes a sample, each spike at the middle of its step, so that reading it with the same dt and steps gives it back. Throws
/// InvalidArgument if there is no such sample or dt is not positive, Error if the file cannot be written.
void write_spikes(const std::filesystem::path& path, const SpikeEvents& events, double dt, std::size_t sample = 0);

}  // namespace stoat::snn
