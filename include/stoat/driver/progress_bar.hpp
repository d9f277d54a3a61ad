// stoat/driver/progress_bar.hpp: a line on standard error that is drawn again and again.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace stoat::detail {

/// "0:07", "2:05:13"
std::string clock(double seconds);

/// Standard error is a terminal.
bool on_terminal();

/// A bar on standard error with the time left.
class ProgressBar {
 public:
  /// `done` of `all` steps were done before, and this part of the next one; a step is called `unit`.
  ProgressBar(std::string unit, std::int64_t done, std::int64_t all, double part = 0)
      : unit_(std::move(unit)), first_(static_cast<double>(done) + part), all_(all) {}
  /// Ends the line.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `done` may be a fraction of a step. `text` is what to tell beside it.
  void draw(double done, const std::string& text);
  /// So many steps in all, as it turned out.
  void expect(std::int64_t all) { all_ = all; }
  /// A tenth of a second went by since it was drawn last.
  bool due() const { return Clock::now() - drawn_ > std::chrono::milliseconds(100); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// "0:07 left"; empty before the first step is done.
  std::string time_left(double done) const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string unit_;
  double first_;
  std::int64_t all_;
  Clock::time_point start_ = Clock::now(), drawn_{};
  bool open_ = false;  ///< a bar is on the line
};

}  // namespace stoat::detail
