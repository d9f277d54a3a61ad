#include <stoat/driver/progress_bar.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>

#include <unistd.h>

namespace stoat::detail {

std::string clock(double seconds) {
  const auto s = static_cast<long>(std::lround(seconds));
  const auto two = [](long x) { return (x < 10 ? "0" : "") + std::to_string(x); };
  return s < 3600 ? std::to_string(s / 60) + ':' + two(s % 60)
                  : std::to_string(s / 3600) + ':' + two(s / 60 % 60) + ':' + two(s % 60);
}

bool on_terminal() { return ::isatty(STDERR_FILENO) != 0; }

ProgressBar::~ProgressBar() {
  if (open_) std::cerr << std::endl;
}

std::string ProgressBar::time_left(double done) const {
  return done > first_ ? clock(seconds() / (done - first_) * (static_cast<double>(all_) - done)) + " left" : "";
}

void ProgressBar::draw(double done, const std::string& text) {
  constexpr int width = 16;  // of a line of less than 80
  const int filled = static_cast<int>(width * done / static_cast<double>(all_));
  std::cerr << "\r[" << std::string(static_cast<std::size_t>(filled), '#')
            << std::string(static_cast<std::size_t>(width - filled), '.') << "] " << unit_ << ' '
            << std::min(all_, static_cast<std::int64_t>(done) + 1) << '/' << all_ << text << "  " << time_left(done) << "\x1b[K"
            << std::flush;
  drawn_ = Clock::now();
  open_ = true;
}

}  // namespace stoat::detail
