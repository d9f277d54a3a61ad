// stoat/driver/interruption.hpp: to end a long computation by Ctrl-C and keep what was reached.
//
//   Interruption guard;
//   Minimum m = minimize(program, theta, StochasticDerivative{}, Adam{}, {.iterations = 1'000'000, .checkpoint = "m.checkpoint"});
//   if (m.stopped == Stopped::interrupted) std::cout << "to be continued\n";
#pragma once

namespace stoat {

/// While one is alive, the first SIGINT or SIGTERM to this process only makes interrupted() true: computations of the library
/// finish the blocks of samples under way, write their checkpoint and return what was reached. The second one does what it did
/// before the guard was made; one that comes within a tenth of a second is still the first, as launchers (timeout, mpirun) signal
/// a process and its group. The library itself makes none. Guards may be nested, the outermost counts; they belong to one thread.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
};

/// A signal came while a guard was alive that still is.
bool interrupted();

}  // namespace stoat
