#include "progress.hpp"

#include <cmath>
#include <iostream>

#include <stoat/driver/report.hpp>

namespace stoat::snn {
namespace {

/// ", accuracy 0.52", unless it was not measured.
std::string named(const char* name, double x) { return std::isnan(x) ? "" : std::string(name) + report::digits(x); }

}  // namespace

ProgressReport::ProgressReport(Display display, int done, double part, int epochs)
    : shows_bar_(display == Display::bar || (display == Display::automatic && stoat::detail::on_terminal())),
      lines_(!shows_bar_ && display != Display::none),
      done_(done),
      epochs_(epochs),
      bar_(std::in_place, "epoch", done, epochs, part) {}

void ProgressReport::batch(double fraction, double loss) {
  if (shows_bar_ && bar_->due()) bar_->draw(done_ + fraction, named("  loss ", loss) + validation_);
}

void ProgressReport::epoch(const Epoch& e) {
  done_ = e.number;
  validation_ =
      std::isnan(e.validation_accuracy) ? named("  validation ", e.validation_loss) : named("  validation ", e.validation_accuracy);
  if (shows_bar_) bar_->draw(done_, named("  loss ", e.loss) + validation_);
  if (lines_)
    std::cerr << "epoch " << e.number << '/' << epochs_ << named(": loss ", e.loss) << named(", accuracy ", e.accuracy)
              << named("; validation: loss ", e.validation_loss) << named(", accuracy ", e.validation_accuracy)
              << named("; other activation: loss ", e.other_loss) << named(", accuracy ", e.other_accuracy) << "; "
              << report::digits(e.seconds) << " s, " << bar_->time_left(done_) << std::endl;
}

void ProgressReport::interrupted(const RunningEpoch& running, std::size_t batches) {
  bar_.reset();
  if (!shows_bar_ && !lines_) return;
  std::cerr << "interrupted after epoch " << done_;
  if (running.batches > 0)
    std::cerr << " and " << running.batches << " of " << batches << " batches" << named(": loss ", running.total.mean_loss());
  std::cerr << std::endl;
}

}  // namespace stoat::snn
