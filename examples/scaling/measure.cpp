#include "measure.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <exception>
#include <string>

namespace scaling {

using namespace stoat;

namespace {

/// The most memory that this process ever had, in bytes.
double peak() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

double now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Point measure_here(const Sized& sized, const AnyEstimator& estimator, double seconds, std::uint64_t seed,
                   const LoopOptions& loops) {
  const double start = peak();
  Point point;
  Trace<double> trace(sized.program, sized.theta);
  trace.set_loop_options(loops);
  SampleContext context{.seed = seed, .keys = estimator.keys()};
  context.mean_cost = trace.run({seed, 0, Purpose::pilot}, sized.theta);
  point.run_memory = peak() - start;
  const auto learned = estimator.learn(trace, {.seed = seed, .first = 1});
  context.learned = learned.get();
  GradientDraw draw;
  const auto sample = [&] {
    draw.gradient.setZero(trace.parameters());
    estimator.sample(trace, context, draw);
    ++context.index;
  };
  sample();
  double turns = 0;
  do {
    const double begin = now();
    trace.run({seed, context.index, Purpose::pilot}, sized.theta);
    const double ran = now();
    sample();
    point.run += ran - begin, point.draw += now() - ran;
    ++turns;
  } while (point.run + point.draw < seconds);
  point.run /= turns, point.draw /= turns;
  point.draw_memory = peak() - start;
  point.sites = static_cast<double>(trace.sites());
  point.parameters = static_cast<double>(trace.parameters());
  return point;
}

}  // namespace

Point measure(const Sized& sized, const AnyEstimator& estimator, double seconds, std::uint64_t seed, const LoopOptions& loops) {
  int ends[2];
  if (pipe(ends) != 0) throw Error("scaling: no pipe to another process");
  const pid_t child = fork();
  if (child < 0) throw Error("scaling: no other process");
  if (child == 0) {
    // The numbers, or what went wrong. The parent's streams are not touched.
    const auto tell = [&](const void* what, std::size_t size) { return write(ends[1], what, size) == static_cast<ssize_t>(size); };
    try {
      const Point point = measure_here(sized, estimator, seconds, seed, loops);
      _exit(tell(&point, sizeof(point)) ? 0 : 1);
    } catch (const std::exception& e) { tell(e.what(), std::strlen(e.what())); }
    _exit(1);
  }
  close(ends[1]);
  std::string told;
  char buffer[512];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) told.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0 || told.size() != sizeof(Point))
    throw Error(sized.name + " with " + std::to_string(sized.sites) + " sites: " + (told.empty() ? "the process died" : told));
  Point point;
  std::memcpy(&point, told.data(), sizeof(point));
  return point;
}

double slope(std::span<const double> x, std::span<const double> y) {
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += std::log(x[i]) / n, mean_y += std::log(y[i]) / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = std::log(x[i]) - mean_x;
    xx += off * off, xy += off * (std::log(y[i]) - mean_y);
  }
  return xy / xx;
}

}  // namespace scaling
