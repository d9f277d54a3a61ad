// What a training shows while it runs.
#pragma once

#include <optional>
#include <string>

#include <stoat/driver/progress_bar.hpp>
#include <stoat/snn/train.hpp>

#include "checkpoint.hpp"

namespace stoat::snn {

/// A bar or lines on standard error, with the time left.
class ProgressReport {
 public:
  /// `done` epochs of `epochs` were done before, and this part of the next one.
  ProgressReport(Display display, int done, double part, int epochs);

  /// Within an epoch: the fraction of it that is done, and its loss so far.
  void batch(double fraction, double loss);
  void epoch(const Epoch& epoch);
  /// The last word, after so many of the batches of the epoch under way.
  void interrupted(const RunningEpoch& running, std::size_t batches);

 private:
  bool shows_bar_, lines_;
  int done_, epochs_;
  std::optional<stoat::detail::ProgressBar> bar_;
  std::string validation_;
};

}  // namespace stoat::snn
