// ranks: a long estimate, shared by threads and by the processes of an MPI job, which may be interrupted and goes on.
//
//   ./ranks --samples 2000000
//   mpirun -n 4 ./ranks --samples 2000000 --threads 1 --checkpoint walk.checkpoint
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <stoat/mpi/mpi.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// A walk that turns back the sooner the farther it is from the start.
const auto walk = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  S x = 0;
  for (int t = 0; t < 1000; ++t) {
    if (draw(BernoulliLogit(-x / theta[0]))) x += theta[1];
    else x -= theta[1];
  }
  return x * x;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Estimates a gradient on threads and on the processes of an MPI job: mpirun -n 4 ./ranks");
  Options options{.samples = 20'000};
  std::string checkpoint;
  bool lines = false;
  app.add_option("--samples", options.samples, "gradient draws")->capture_default_str();
  app.add_option("--seed", options.seed, "of all random numbers")->capture_default_str();
  app.add_option("--threads", options.threads, "of each process; 0: as many as there are cores")->capture_default_str();
  app.add_option("--target-error", options.target_error, "stop once the standard errors are below this; 0: never")
      ->capture_default_str();
  app.add_option("--checkpoint", checkpoint, "file to go on from, written every minute, on Ctrl-C and at the end");
  app.add_flag("--lines", lines, "tell of every tenth of the samples, not only on a terminal");
  CLI11_PARSE(app, argc, argv);
  options.checkpoint = checkpoint;
  options.names = {"width", "step"};
  if (lines) options.display = Display::lines;

  return mpi::run(argc, argv, [&](const std::shared_ptr<Ranks>& ranks) {
    Interruption guard;  // Ctrl-C ends the estimate, not the program
    options.ranks = ranks;
    const Estimate e = estimate(walk, Eigen::Vector2d(20, 1), StochasticDerivative{}, options);
    if (ranks->rank() == 0) std::cout << ranks->size() << (ranks->size() == 1 ? " rank\n" : " ranks\n") << e;
  });
}
