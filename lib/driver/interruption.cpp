#include <stoat/driver/interruption.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace stoat {
namespace {

constexpr std::array signals = {SIGINT, SIGTERM};

constexpr std::int64_t one_signal = 100'000'000;  // nanoseconds

std::atomic<std::int64_t> came = 0;  // when the first signal came, by a clock that is never 0; 0: none yet
static_assert(std::atomic<std::int64_t>::is_always_lock_free);
int guards = 0;
std::array<struct sigaction, signals.size()> before;

std::int64_t now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);  // one of the few functions that a handler may call
  return time.tv_sec * 1'000'000'000 + time.tv_nsec + 1;
}

void handle(int signal) {
  std::int64_t first = 0;
  const std::int64_t time = now();
  if (came.compare_exchange_strong(first, time) || time - first < one_signal) return;
  // The signal is blocked until the handler returns, and then does what it did before.
  for (std::size_t i = 0; i < signals.size(); ++i)
    if (signals[i] == signal) sigaction(signal, &before[i], nullptr);
  raise(signal);
}

}  // namespace

Interruption::Interruption() {
  if (guards++ > 0) return;
  came = 0;
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &before[i]);
}

Interruption::~Interruption() {
  if (--guards > 0) return;
  for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before[i], nullptr);
  came = 0;
}

bool interrupted() { return came != 0; }

}  // namespace stoat
