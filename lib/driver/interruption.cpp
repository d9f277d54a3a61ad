#include <stoat/driver/interruption.hpp>

#include <array>
#include <atomic>
#include <csignal>

namespace stoat {
namespace {

constexpr std::array signals = {SIGINT, SIGTERM};

std::atomic<bool> came = false;
static_assert(std::atomic<bool>::is_always_lock_free);
int guards = 0;
std::array<struct sigaction, signals.size()> before;

void handle(int signal) {
  if (!came.exchange(true)) return;
  // The signal is blocked until the handler returns, and then does what it did before.
  for (std::size_t i = 0; i < signals.size(); ++i)
    if (signals[i] == signal) sigaction(signal, &before[i], nullptr);
  raise(signal);
}

}  // namespace

Interruption::Interruption() {
  if (guards++ > 0) return;
  came = false;
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &before[i]);
}

Interruption::~Interruption() {
  if (--guards > 0) return;
  for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before[i], nullptr);
  came = false;
}

bool interrupted() { return came; }

}  // namespace stoat
