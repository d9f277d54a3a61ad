// A training that is stopped anywhere goes on with the bits of one that never was.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <new>
#include <optional>
#include <thread>

#include <doctest/doctest.h>

#include "small_training.hpp"

using namespace small_training;

namespace {

struct Crash {};

/// A training whose epochs have four batches.
struct Case {
  const char* name;
  Objective objective;
  Eigen::VectorXd start;
  TrainOptions options;
  std::optional<AnyEstimator> estimator{};  ///< none: surrogate gradients
};

Training run(const Case& c, const TrainOptions& options) {
  const Optimizer optimizer(Smorms3{0.01});
  return c.estimator ? train(c.objective, c.start, *c.estimator, optimizer, options)
                     : train(c.objective, c.start, optimizer, options);
}

std::vector<Case> cases() {
  TrainOptions plain = quiet(2), rich = quiet(2);
  rich.double_precision = true;
  rich.validation = held_out();
  rich.other_activation = true;
  rich.clip = 0.2;
  rich.schedule = schedule::exponential(0.5);
  const Network dropping(10, 40,
                         {Linear{16}, neurons(Activation::stochastic), Dropout{0.3}, Linear{3}, LeakyReadout{.tau_mem = 0.08}});
  Dataset one{.inputs = SpikeEvents(12, 1)};
  for (int k = 0; k < 8; ++k) one.inputs.add(std::vector<snn::Spike>{{0, 0}, {2, 0}, {3, 0}, {6, 0}});
  const Objective silence(Network(1, 12, {Linear{1}, Lif{.tau_mem = 0.01, .tau_syn = 0.005, .dt = 0.001}}), one, MeanOutput{0});
  const Eigen::VectorXd weight = Eigen::VectorXd::Constant(1, 6.0);
  return {{"single precision", objective(), start(), plain},
          {"double precision, dropout, validation", Objective(dropping, data()[0], MaxOverTimeCrossEntropy{}), start(), rich},
          {"an estimator with a running mean", silence, weight, quiet(2, 2), AnyEstimator(ScoreFunction{})},
          {"an estimator that learns", silence, weight, quiet(2, 2), AnyEstimator(ScoreFunctionMartingale{})}};
}

}  // namespace

TEST_CASE("a training goes on from any batch with the same bits") {
  const Folder folder("train-batches");
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    TrainOptions options = c.options;
    const bool table = options.validation != nullptr;  // once is enough
    if (table) options.csv = folder / "whole.csv";
    const Training whole = run(c, options);
    if (table) options.csv = folder / "parts.csv";

    // One stop, after each of the eight batches in turn: by the callback's wish, or by a crash after the checkpoint.
    for (int stop = 1; stop <= 8; ++stop) {
      CAPTURE(stop);
      const bool crash = stop % 4 == 2;
      TrainOptions first = options;
      first.checkpoint = folder / "run.checkpoint";
      first.checkpoint_seconds = crash ? 0 : std::numeric_limits<double>::infinity();
      first.batch_callback = [&](const BatchProgress& p) {
        CHECK(p.batches == 4);
        const bool on = 4 * (p.epoch - 1) + static_cast<int>(p.batch) < stop;
        if (!on && crash) throw Crash();
        return on;
      };
      if (crash) CHECK_THROWS_AS(run(c, first), Crash);
      else {
        const Training part = run(c, first);
        CHECK(part.end == Training::End::callback);
        CHECK(part.epochs.size() == static_cast<std::size_t>((stop - 1) / 4));
        CHECK(part.batches == static_cast<std::size_t>((stop - 1) % 4 + 1));
      }
      if (table) CHECK(rows(options.csv).size() == static_cast<std::size_t>(1 + (stop - 1) / 4));
      first.batch_callback = nullptr;
      const Training rest = run(c, first);
      CHECK(rest.resumed == (stop - 1) / 4);
      CHECK(rest.resumed_batches == static_cast<std::size_t>((stop - 1) % 4 + 1));
      CHECK(rest.batches == 0);
      check_same(rest, whole);
      if (table) CHECK(rows(options.csv) == rows(folder / "whole.csv"));
      std::filesystem::remove(first.checkpoint);
    }

    // A stop after every batch, on one thread or several.
    TrainOptions one = options;
    one.checkpoint = folder / "run.checkpoint";
    one.batch_callback = [](const BatchProgress&) { return false; };
    for (int stop = 1; stop <= 8; ++stop) {
      one.threads = 1 + stop % 2;
      CHECK(run(c, one).end == Training::End::callback);
    }
    check_same(run(c, one), whole);
    if (table) CHECK(rows(options.csv) == rows(folder / "whole.csv"));
    std::filesystem::remove(one.checkpoint);
  }
}

TEST_CASE("the seconds of an epoch are those of all its parts, and its mean loss goes on") {
  const Folder folder("train-seconds");
  TrainOptions options = quiet(1);
  options.checkpoint = folder / "run.checkpoint";
  double loss = 0;
  options.batch_callback = [&](const BatchProgress& p) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    loss = p.loss;
    return p.batch == 4;
  };
  for (int part = 0; part < 3; ++part) CHECK(train(objective(), start(), Adam{0.01}, options).end == Training::End::callback);
  const Training t = train(objective(), start(), Adam{0.01}, options);
  CHECK(t.epochs.at(0).loss == loss);
  CHECK(t.epochs[0].seconds > 0.08);
}

TEST_CASE("a checkpoint is written when it is old enough") {
  const Folder folder("train-old");
  TrainOptions options = quiet(2);
  options.checkpoint = folder / "run.checkpoint";
  std::vector<bool> there;
  options.batch_callback = [&](const BatchProgress&) {
    there.push_back(std::filesystem::exists(options.checkpoint));
    std::filesystem::remove(options.checkpoint);
    if (there.size() == 2) std::this_thread::sleep_for(std::chrono::milliseconds(600));
    return true;
  };
  options.checkpoint_every = 100;
  options.checkpoint_seconds = 0.5;
  train(objective(), start(), Adam{0.01}, options);
  CHECK((there == std::vector<bool>{false, false, true, false, false, false, false, false}));
}

TEST_CASE("a checkpoint in the middle of an epoch counts as one more") {
  const Folder folder("train-middle");
  TrainOptions options = quiet(3);
  options.checkpoint = folder / "run.checkpoint";
  options.batch_callback = [](const BatchProgress& p) { return p.epoch < 3; };
  train(objective(), start(), Adam{0.01}, options);
  options.epochs = 2;
  CHECK_THROWS_WITH_AS(train(objective(), start(), Adam{0.01}, options), doctest::Contains("has 2 epochs and 1 batches"),
                       InvalidArgument);
}

TEST_CASE("kill -9 at random moments loses nothing but the last batch") {
  // What a child has done, in memory that outlives it.
  struct Shared {
    std::atomic<int> first, last;  // batches, numbered from 1 over all epochs, that this child ended; 0: none
  };
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  Shared* const shared = new (memory) Shared;
  Generator words({11, 0, Purpose::data});
  const Folder folder("train-kill");
  const std::vector<Case> all = cases();
  int kills = 0, in_the_middle = 0, trainings = 0;
  while (kills < 50) {
    const Case& c = all[trainings++ % 2 == 0 ? 1 : 3];
    CAPTURE(c.name);
    TrainOptions options = c.options;
    options.epochs = 12;
    const Training whole = run(c, options);
    options.checkpoint = folder / "run.checkpoint";
    options.checkpoint_seconds = 0;
    options.csv = folder / "run.csv";
    int before = 0;      // the last batch that was told
    int since_then = 0;  // kills after it
    for (bool finished = false; !finished;) {
      shared->first = shared->last = 0;
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        TrainOptions own = options;
        own.batch_callback = [&](const BatchProgress& p) {
          const int number = 4 * (p.epoch - 1) + static_cast<int>(p.batch);
          shared->last = number;
          if (shared->first == 0) shared->first = number;
          return true;
        };
        try {
          run(c, own);
        } catch (...) { ::_exit(1); }
        ::_exit(0);
      }
      // Up to three batches later, and a moment: in the middle of a batch, or of a checkpoint.
      const int until = before + static_cast<int>(4 * words.uniform());
      const std::chrono::microseconds moment(static_cast<int>(2000 * words.uniform()));
      int status = 0;
      pid_t ended = 0;
      while ((ended = ::waitpid(child, &status, WNOHANG)) == 0 && (kills == 50 || shared->last < until))
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (ended == 0) {
        std::this_thread::sleep_for(moment);
        ::kill(child, SIGKILL);
        ended = ::waitpid(child, &status, 0);
      }
      REQUIRE(ended == child);
      // Every kill may come between the checkpoint of a batch and its being told.
      if (shared->first > 0) CHECK((shared->first > before && shared->first <= before + 1 + since_then));
      if (shared->last > 0) before = shared->last, since_then = 0;
      ++since_then;
      finished = WIFEXITED(status);
      if (finished) CHECK(WEXITSTATUS(status) == 0);
      else ++kills, in_the_middle += shared->first > 0;
    }
    const Training rest = run(c, options);
    CHECK(rest.resumed == 12);
    check_same(rest, whole);
    CHECK(rows(options.csv).size() == 13);
    std::filesystem::remove(options.checkpoint);
  }
  CHECK(in_the_middle >= 20);
  ::munmap(memory, sizeof(Shared));
}
