#include "progress.hpp"

#include <cmath>
#include <iostream>

#include <unistd.h>

#include <stoat/driver/report.hpp>

namespace stoat::snn {
namespace {

/// "0:07", "2:05:13"
std::string clock(double seconds) {
  const auto s = static_cast<long>(std::lround(seconds));
  const auto two = [](long x) { return (x < 10 ? "0" : "") + std::to_string(x); };
  return s < 3600 ? std::to_string(s / 60) + ':' + two(s % 60)
                  : std::to_string(s / 3600) + ':' + two(s / 60 % 60) + ':' + two(s % 60);
}

/// ", accuracy 0.52", unless it was not measured.
std::string named(const char* name, double x) { return std::isnan(x) ? "" : std::string(name) + report::digits(x); }

}  // namespace

ProgressReport::ProgressReport(Display display, int done, int epochs)
    : bar_(display == Display::bar || (display == Display::automatic && ::isatty(STDERR_FILENO))),
      lines_(!bar_ && display != Display::none),
      first_(done),
      done_(done),
      epochs_(epochs) {}

ProgressReport::~ProgressReport() {
  if (open_) std::cerr << std::endl;
}

std::string ProgressReport::time_left(double done) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  return done > first_ ? clock(seconds / (done - first_) * (epochs_ - done)) + " left" : "";
}

void ProgressReport::draw(double done, const std::string& text) {
  constexpr int width = 16;  // of a line of less than 80
  const int filled = static_cast<int>(width * done / epochs_);
  std::cerr << "\r[" << std::string(static_cast<std::size_t>(filled), '#')
            << std::string(static_cast<std::size_t>(width - filled), '.') << "] epoch "
            << std::min(epochs_, static_cast<int>(done) + 1) << '/' << epochs_ << text << validation_ << "  " << time_left(done)
            << "\x1b[K" << std::flush;
  drawn_ = Clock::now();
  open_ = true;
}

void ProgressReport::batch(double fraction, double loss) {
  if (bar_ && Clock::now() - drawn_ > std::chrono::milliseconds(100)) draw(done_ + fraction, named("  loss ", loss));
}

void ProgressReport::epoch(const Epoch& e) {
  done_ = e.number;
  validation_ =
      std::isnan(e.validation_accuracy) ? named("  validation ", e.validation_loss) : named("  validation ", e.validation_accuracy);
  if (bar_) draw(done_, named("  loss ", e.loss));
  if (lines_)
    std::cerr << "epoch " << e.number << '/' << epochs_ << named(": loss ", e.loss) << named(", accuracy ", e.accuracy)
              << named("; validation: loss ", e.validation_loss) << named(", accuracy ", e.validation_accuracy)
              << named("; other activation: loss ", e.other_loss) << named(", accuracy ", e.other_accuracy) << "; "
              << report::digits(e.seconds) << " s, " << time_left(done_) << std::endl;
}

}  // namespace stoat::snn
