// examples/surrogate_gradients/cores.hpp: independent experiments on all cores, and the time that one of them takes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <ctime>
#include <future>
#include <thread>
#include <vector>

#include "chapter.hpp"

namespace surrogate_gradients {

/// Calls f(0), ..., f(n - 1) on all cores, and throws what one of them threw. Interruptions are heeded
/// between two calls.
template <class F>
void for_each(std::size_t n, const F& f) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < n; i = next++) heed_interruption(), f(i);
  };
  std::vector<std::future<void>> workers;
  for (unsigned k = 0; k < std::max(1u, std::thread::hardware_concurrency()); ++k)
    workers.push_back(std::async(std::launch::async, work));
  for (std::future<void>& w : workers) w.get();
}

/// Seconds of processor time of the calling thread.
inline double cpu_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace surrogate_gradients
