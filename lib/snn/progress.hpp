// What a training shows while it runs.
#pragma once

#include <string>

#include <stoat/driver/progress.hpp>
#include <stoat/snn/train.hpp>

namespace stoat::snn {

/// A bar or lines on standard error, with the time left.
class ProgressReport {
 public:
  /// `done` epochs of `epochs` were done before.
  ProgressReport(Display display, int done, int epochs);

  /// Within an epoch: the fraction of it that is done, and its loss so far.
  void batch(double fraction, double loss);
  void epoch(const Epoch& epoch);

 private:
  bool shows_bar_, lines_;
  int done_, epochs_;
  stoat::detail::ProgressBar bar_;
  std::string validation_;
};

}  // namespace stoat::snn
