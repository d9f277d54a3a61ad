#include <stoat/optim/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <stoat/error.hpp>

namespace stoat::schedule {

Schedule constant() {
  return [](int) { return 1.0; };
}

Schedule exponential(double decay) {
  if (!(decay > 0 && decay <= 1)) throw InvalidArgument("schedule::exponential: " + outside("decay", decay, "(0, 1]"));
  return [decay](int done) { return std::pow(decay, done); };
}

Schedule cosine(int epochs, double last) {
  if (epochs < 1) throw InvalidArgument("schedule::cosine: " + outside("epochs", epochs, "[1, infinity)"));
  if (!(last >= 0 && last <= 1)) throw InvalidArgument("schedule::cosine: " + outside("last", last, "[0, 1]"));
  return [epochs, last](int done) {
    return last + (1 - last) * (1 + std::cos(std::numbers::pi * std::min(done, epochs) / epochs)) / 2;
  };
}

Schedule steps(int every, double factor) {
  if (every < 1) throw InvalidArgument("schedule::steps: " + outside("every", every, "[1, infinity)"));
  if (!(factor > 0 && factor <= 1)) throw InvalidArgument("schedule::steps: " + outside("factor", factor, "(0, 1]"));
  return [every, factor](int done) { return std::pow(factor, done / every); };
}

}  // namespace stoat::schedule
