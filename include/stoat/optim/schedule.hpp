// stoat/optim/schedule.hpp: learning rates that change during training.
#pragma once

#include <functional>

namespace stoat {

/// By what the rate of an optimiser is multiplied in an epoch, given how many epochs are done: 0 in the first one.
using Schedule = std::function<double(int epochs_done)>;

/// Ready-made ones. They throw InvalidArgument for an argument out of range.
namespace schedule {

/// Always 1.
Schedule constant();
/// decay^e in the epoch after e others; 0 < decay <= 1.
Schedule exponential(double decay);
/// Half a wave from 1 to `last`, which is reached after `epochs` epochs and kept: last + (1 - last) (1 + cos(pi e / epochs)) / 2.
Schedule cosine(int epochs, double last = 0);
/// factor^floor(e / every): the rate is multiplied by the factor after every so many epochs.
Schedule steps(int every, double factor = 0.1);

}  // namespace schedule
}  // namespace stoat
