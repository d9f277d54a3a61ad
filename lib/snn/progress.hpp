// What a training shows while it runs.
#pragma once

#include <chrono>
#include <string>

#include <stoat/snn/train.hpp>

namespace stoat::snn {

/// A bar or lines on standard error, with the time left.
class ProgressReport {
 public:
  /// `done` epochs of `epochs` were done before.
  ProgressReport(Display display, int done, int epochs);
  ~ProgressReport();
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;

  /// Within an epoch: the fraction of it that is done, and its loss so far.
  void batch(double fraction, double loss);
  void epoch(const Epoch& epoch);

 private:
  using Clock = std::chrono::steady_clock;
  std::string time_left(double done) const;
  void draw(double done, const std::string& text);

  bool bar_, lines_;
  int first_, done_, epochs_;
  Clock::time_point start_ = Clock::now(), drawn_{};
  bool open_ = false;  ///< a bar is on the line
  std::string validation_;
};

}  // namespace stoat::snn
