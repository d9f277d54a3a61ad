// Training and evaluation on several ranks: the same bits, the same errors, and one rank that has the files.
#include <csignal>
#include <cstring>
#include <mutex>
#include <numeric>
#include <stdexcept>

#include <doctest/doctest.h>

#include "captured.hpp"
#include "driver/local_ranks.hpp"
#include "small_training.hpp"

using namespace small_training;

namespace {

/// What `body` gives on each rank.
template <class Result>
std::vector<Result> on_ranks(int size, const std::function<Result(const std::shared_ptr<Ranks>&)>& body) {
  std::vector<Result> results(static_cast<std::size_t>(size));
  local_ranks::run(size,
                   [&](const std::shared_ptr<Ranks>& ranks) { results[static_cast<std::size_t>(ranks->rank())] = body(ranks); });
  return results;
}

template <class T>
struct Gradient {
  BatchResult batch, evaluated;
  Eigen::VectorX<T> gradient;
  bool operator==(const Gradient& other) const {
    const auto same = [](const BatchResult& a, const BatchResult& b) {
      return a.samples == b.samples && a.loss == b.loss && a.correct == b.correct && a.spikes == b.spikes &&
             a.predicted == b.predicted;
    };
    return same(batch, other.batch) && same(evaluated, other.evaluated) && gradient == other.gradient;
  }
};

template <class T>
Gradient<T> gradient(const Objective& objective, std::size_t samples, int threads, const std::shared_ptr<Ranks>& ranks) {
  std::vector<std::size_t> batch(samples);
  for (std::size_t i = 0; i < samples; ++i) batch[i] = 7 * i % objective.data().size();
  const Eigen::VectorX<T> theta = objective.network().template initial<T>({.seed = 5, .nu = 5});
  SurrogateGradient<T> surrogate(objective, threads, ranks);
  Gradient<T> g;
  for (int call = 0; call < 2; ++call) g.batch = surrogate(theta, batch, {1, 40}, g.gradient);
  g.evaluated = surrogate.evaluate(theta, batch, {1, 40});
  return g;
}

template <class T>
void check_gradients(const Objective& objective, std::size_t samples) {
  const Gradient<T> one = gradient<T>(objective, samples, 1, nullptr);
  CHECK(one.batch.predicted.size() == samples);
  CHECK(one.gradient.norm() > 0);
  for (const int threads : {1, 2, 3, 7}) {
    CAPTURE(threads);
    CHECK((gradient<T>(objective, samples, threads, nullptr) == one));
    for (const int size : {1, 2, 4, 17}) {
      CAPTURE(size);
      for (const Gradient<T>& g :
           on_ranks<Gradient<T>>(size, [&](const auto& ranks) { return gradient<T>(objective, samples, threads, ranks); }))
        CHECK((g == one));
    }
  }
}

TrainOptions rich() {
  TrainOptions options = quiet(3);
  options.validation = held_out();
  options.other_activation = true;
  return options;
}

/// The same on every rank, and as `whole`.
void check_same(const std::vector<Training>& ranks, const Training& whole) {
  for (const Training& t : ranks) small_training::check_same(t, whole);
}

}  // namespace

TEST_CASE("gradients and evaluations are the same bits on any number of threads and ranks") {
  check_gradients<float>(objective(), 63);
  check_gradients<double>(objective(Activation::deterministic), 600);
  Lif recurrent = neurons(Activation::stochastic);
  recurrent.recurrent = true;
  check_gradients<float>(Objective(Network(10, 40, {Linear{16}, recurrent, Dropout{0.2}, Linear{3}, LeakyReadout{}}), data()[0],
                                   MaxOverTimeCrossEntropy{}),
                         63);
}

TEST_CASE("trainings on ranks: the same bits, and files of rank 0 alone") {
  const Folder folder("train-ranks");
  const Training whole = train(objective(), start(), Adam{0.01}, rich());
  const Training estimated = train(objective(), start(), StraightThrough{}, Adam{0.01}, rich());
  for (const int size : {1, 2, 4}) {
    CAPTURE(size);
    std::mutex mutex;
    int epochs = 0, batches = 0;
    const auto options_of = [&](const std::shared_ptr<Ranks>& ranks) {
      TrainOptions options = rich();
      options.threads = 1 + size % 3, options.ranks = ranks;
      // The other ranks have no such folders.
      const std::filesystem::path own = ranks->rank() == 0 ? folder / "" : folder / "missing";
      options.csv = own / "run.csv";
      options.checkpoint = own / "run.checkpoint";
      options.checkpoint_seconds = 0;
      options.callback = [&](const Epoch&, const Eigen::VectorXd&) {
        const std::scoped_lock lock(mutex);
        return ++epochs, true;
      };
      options.batch_callback = [&](const BatchProgress&) {
        const std::scoped_lock lock(mutex);
        return ++batches, true;
      };
      return options;
    };
    check_same(
        on_ranks<Training>(size, [&](const auto& ranks) { return train(objective(), start(), Adam{0.01}, options_of(ranks)); }),
        whole);
    CHECK(epochs == 3);
    CHECK(batches == 12);
    CHECK(rows(folder / "run.csv").size() == 4);
    std::filesystem::remove(folder / "run.checkpoint");
    check_same(
        on_ranks<Training>(
            size, [&](const auto& ranks) { return train(objective(), start(), StraightThrough{}, Adam{0.01}, options_of(ranks)); }),
        estimated);
    std::filesystem::remove(folder / "run.checkpoint");
  }
}

TEST_CASE("another number of ranks goes on from a checkpoint") {
  const Folder folder("train-ranks-resume");
  const Training whole = train(objective(), start(), Adam{0.01}, rich());
  const auto part = [&](int size, int threads, int batches) {
    return on_ranks<Training>(size, [&](const auto& ranks) {
      TrainOptions options = rich();
      options.threads = threads, options.ranks = ranks;
      options.checkpoint = folder / (ranks->rank() == 0 ? "run.checkpoint" : "missing.checkpoint");
      options.batch_callback = [&batches](const BatchProgress&) { return --batches > 0; };
      return train(objective(), start(), Adam{0.01}, options);
    });
  };
  for (const Training& t : part(4, 1, 3)) CHECK((t.end == Training::End::callback && t.batches == 3));
  for (const Training& t : part(1, 2, 3)) CHECK((t.resumed_batches == 3 && t.resumed == 0 && t.batches == 2));
  const std::vector<Training> rest = part(3, 2, 100);
  for (const Training& t : rest) CHECK((t.resumed_batches == 2 && t.resumed == 1));
  check_same(rest, whole);
}

TEST_CASE("what fails on one rank is thrown on all") {
  const Folder folder("train-ranks-errors");
  const auto messages = [&](const std::function<void(TrainOptions&)>& change) {
    return on_ranks<std::string>(3, [&](const auto& ranks) -> std::string {
      TrainOptions options = quiet(3);
      options.ranks = ranks;
      if (ranks->rank() == 0) change(options);
      try {
        train(objective(), start(), Adam{0.01}, options);
      } catch (const Error& error) { return error.what(); } catch (const InvalidArgument& error) {
        return std::string("invalid: ") + error.what();
      }
      return "nothing was thrown";
    });
  };
  const auto check = [&](const std::string& text, const std::function<void(TrainOptions&)>& change) {
    for (const std::string& message : messages(change)) CHECK_MESSAGE(message.find(text) == 0, message);
  };
  check("this callback fails", [](TrainOptions& options) {
    options.callback = [](const Epoch&, const Eigen::VectorXd&) -> bool { throw std::runtime_error("this callback fails"); };
  });
  check("this batch callback fails", [](TrainOptions& options) {
    options.batch_callback = [](const BatchProgress&) -> bool { throw std::runtime_error("this batch callback fails"); };
  });
  // Every rank names its own path here, so that they all refuse it alike.
  const std::filesystem::path gone = folder / "gone";
  std::filesystem::create_directory(gone);
  std::vector<std::string> written = on_ranks<std::string>(2, [&](const auto& ranks) -> std::string {
    TrainOptions options = quiet(3);
    options.ranks = ranks;
    options.checkpoint = gone / "run.checkpoint";
    options.checkpoint_seconds = 0;
    options.batch_callback = [&](const BatchProgress&) { return std::filesystem::remove_all(gone), true; };
    try {
      train(objective(), start(), Adam{0.01}, options);
    } catch (const Error& error) { return error.what(); }
    return "";
  });
  for (const std::string& message : written) CHECK(message.find("cannot write " + gone.string()) == 0);
  CHECK(written[0] == written[1]);
  // A loss that is not finite in one block: a gradient of infinite length after a step.
  for (const std::string& message : on_ranks<std::string>(4, [&](const auto& ranks) -> std::string {
         TrainOptions options = quiet(1);
         options.ranks = ranks;
         options.schedule = [](int) { return 1e300; };
         try {
           train(objective(), start(), Sgd{1e300}, options);
         } catch (const Error& error) { return error.what(); }
         return "";
       }))
    CHECK(message.find("train: epoch 1, batch 1 of 4: after the step parameter 0 is") == 0);
}

TEST_CASE("a signal ends a training after its batch, on all ranks, with a checkpoint and a word") {
  const Folder folder("train-signal");
  TrainOptions options = rich();
  const Training whole = train(objective(), start(), Adam{0.01}, options);
  for (const int size : {1, 3}) {
    options.checkpoint = folder / "run.checkpoint";
    options.progress = Display::lines;
    // After the second batch; one more is under way by then. Then in the last batch of the second epoch, and after it.
    options.batch_callback = [](const BatchProgress& p) {
      if (p.epoch == 1 ? p.batch == 2 : p.epoch == 2 ? p.batch == 4 : p.batch == 100) std::raise(SIGTERM);
      return true;
    };
    const auto part = [&](std::size_t batches, int epochs, const std::string& word) {
      const Interruption guard;
      const Captured captured;
      for (const Training& t : on_ranks<Training>(size, [&](const auto& ranks) {
             TrainOptions own = options;
             own.ranks = ranks;
             return train(objective(), start(), Adam{0.01}, own);
           })) {
        CHECK(t.end == Training::End::interrupted);
        CHECK(t.batches == batches);
        CHECK(t.epochs.size() == static_cast<std::size_t>(epochs));
      }
      CHECK(captured.text().find(word) != std::string::npos);
    };
    part(3, 0, "interrupted after epoch 0 and 3 of 4 batches: loss ");
    part(0, 2, "interrupted after epoch 2\n");
    options.progress = Display::none;
    check_same(on_ranks<Training>(size,
                                  [&](const auto& ranks) {
                                    TrainOptions own = options;
                                    own.ranks = ranks;
                                    return train(objective(), start(), Adam{0.01}, own);
                                  }),
               whole);
    std::filesystem::remove(options.checkpoint);
  }
  // A signal at the very end changes nothing.
  const Interruption guard;
  options.batch_callback = [](const BatchProgress& p) { return p.epoch < 3 || p.batch < 4 || std::raise(SIGINT) == 0; };
  check_same(train(objective(), start(), Adam{0.01}, options), whole);
}

TEST_CASE("an evaluation on ranks is that of one process") {
  const Evaluation one = evaluate(objective(), start(), {.batch = 30});
  for (const Evaluation& e : on_ranks<Evaluation>(
           4, [](const auto& ranks) { return evaluate(objective(), start(), {.batch = 30, .threads = 2, .ranks = ranks}); })) {
    CHECK(e.loss == one.loss);
    CHECK(e.accuracy == one.accuracy);
    CHECK(e.spikes == one.spikes);
    CHECK(e.predicted == one.predicted);
  }
}
