// The same bits on any number of threads and ranks, after any interruption.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stoat/driver/packer.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/stoat.hpp>

#include "files.hpp"
#include "local_ranks.hpp"
#include "sanitized.hpp"

using namespace stoat;

namespace {

std::atomic<int> runs_until_signal = 0;  ///< negative: runs since
thread_local bool slow = false;

/// A walk of ten steps about one of five data.
struct Walk {
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta, std::size_t datum) const {
    if (runs_until_signal != 0 && --runs_until_signal == 0) --runs_until_signal, std::raise(SIGTERM);
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    S x = static_cast<double>(datum);
    for (int t = 0; t < 10; ++t) {
      if (draw(BernoulliLogit(theta[0] - 0.1 * x))) x += theta[1];
      else x -= 1;
    }
    return square(x);
  }
};
const Program<double>& walk() {
  static const Program<double> program = over_data(5, Walk());
  return program;
}
Eigen::VectorXd start() { return Eigen::Vector2d(0.2, 1.1); }

using Bits = Ranks::Bytes;
Bits bits(const Estimate& e) {
  detail::Packer p;
  Estimate x = e;
  p(x.value, x.value_error, x.gradient, x.gradient_error, x.samples, x.total_variance, x.sites, x.work.runs, x.work.sweeps,
    x.diagnostics, x.covariance);
  return p.bytes;
}
Bits bits(const Minimum& m) {
  detail::Packer p;
  Minimum x = m;
  p(x.theta, x.value, x.value_error, x.work.runs, x.work.sweeps, x.samples);
  for (MinimizeStep& s : x.trace)
    p(s.value, s.value_error, s.theta, s.gradient, s.work, s.samples, s.gradient_norm, s.gradient_error);
  return p.bytes;
}
Bits bits(const Comparison& c) {
  detail::Packer p;
  Comparison x = c;
  for (ComparisonRow& r : x.rows)
    p(r.estimator, r.value, r.gradient, r.gradient_error, r.total_variance, r.hits, r.projection_z, r.draw_cosine, r.verdict,
      r.runs_per_sample, r.notes);
  p(x.truth.gradient);
  return p.bytes;
}

Bits bits(const Optimisation& o) {
  detail::Packer p;
  Optimisation x = o;
  for (OptimisationRow& r : x.rows)
    p(r.estimator, r.iterations, r.runs_per_iteration, r.loss, r.loss_error, r.area, r.area_error, r.diverged, r.notes);
  return p.bytes;
}
/// What does not depend on time.
Bits bits(const Diagnosis& d) {
  detail::Packer p;
  Diagnosis x = d;
  p(x.sites, x.steering, x.value, x.value_error, x.gradient_length, x.gradient_error, x.samples, x.replays->full_variance,
    x.replays->interaction_order);
  for (Candidate& c : x.candidates)
    p(c.estimator, c.skipped, c.pilot, c.variance, c.variance_error, c.work, c.setup_work, c.bias, c.samples, c.total_work);
  return p.bytes;
}

/// Calls f(threads, ranks) alone on one thread, then on several threads and ranks, and compares what all of them give.
template <class F>
void same_everywhere(const F& f) {
  const Bits alone = bits(f(1, nullptr));
  for (const int threads : {2, 3, 7}) CHECK_MESSAGE(bits(f(threads, nullptr)) == alone, threads << " threads");
  for (const int ranks : {1, 2, 4})
    local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
      CHECK_MESSAGE(bits(f(ranks == 2 ? 3 : 1, r)) == alone, "rank " << r->rank() << " of " << ranks);
    });
}

std::vector<AnyEstimator> estimators() {
  return {ScoreFunction{}, StochasticDerivative{}, ScoreFunctionMartingale{.pilot = 8}};  // the last one learns
}

/// Throws out of a call, as a crash would.
struct Crash {};

}  // namespace

TEST_CASE("estimates have the same bits on any number of threads and ranks") {
  for (const AnyEstimator& estimator : estimators()) {
    CAPTURE(estimator.name());
    same_everywhere([&](int threads, std::shared_ptr<Ranks> ranks) {
      return estimate(walk(), start(), estimator,
                      {.samples = 777, .seed = 3, .threads = threads, .ranks = ranks, .covariance = true});
    });
  }
  same_everywhere([&](int threads, std::shared_ptr<Ranks> ranks) {
    const Estimate e = estimate(walk(), start(), StochasticDerivative{},
                                {.samples = 100'000, .threads = threads, .ranks = ranks, .target_error = 1.0});
    CHECK(e.samples < 20'000);
    return e;
  });
}

TEST_CASE("comparisons have the same bits on any number of threads and ranks") {
  Exact truth;
  truth.gradient = Eigen::Vector2d(1, 2);
  for (const bool pooled : {false, true})
    same_everywhere([&](int threads, std::shared_ptr<Ranks> ranks) {
      CompareOptions options{.samples = 300, .threads = threads, .ranks = ranks};
      if (!pooled) options.truth = truth;
      return compare(walk(), start(), estimators(), options);
    });
}

TEST_CASE("descents have the same bits on any number of threads and ranks") {
  for (const AnyEstimator& estimator : estimators())
    same_everywhere([&](int threads, std::shared_ptr<Ranks> ranks) {
      return minimize(walk(), start(), estimator, Adam{0.01},
                      {.iterations = 12, .samples = 10, .threads = threads, .ranks = ranks, .max_samples = 100});
    });
}

TEST_CASE("optimisations and diagnoses have the same bits on any number of threads and ranks, and ranks agree about seconds") {
  same_everywhere([](int threads, std::shared_ptr<Ranks> ranks) {
    return compare_optimisation(walk(), start(), {ScoreFunction{}, StochasticDerivative{}}, Adam{0.01},
                                {.work = 1000, .samples = 8, .seeds = 5, .threads = threads, .ranks = ranks, .loss_samples = 50});
  });
  const auto diagnosed = [](int threads, std::shared_ptr<Ranks> ranks) {
    return diagnose(walk(), start(), {.pilot = 64, .threads = threads, .ranks = ranks});
  };
  same_everywhere(diagnosed);
  std::vector<std::string> texts(3);
  local_ranks::run(3, [&](const std::shared_ptr<Ranks>& r) {
    std::ostringstream text;
    text << diagnosed(2, r);
    texts[static_cast<std::size_t>(r->rank())] = text.str();
  });
  CHECK(texts[0].find(", with 6 threads") != std::string::npos);
  for (const std::string& text : texts) CHECK(text == texts[0]);
}

TEST_CASE("of the blocks that fail the first one decides, on any number of threads and ranks") {
  // Eleven of 3000 samples fail, in blocks of 46.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const S x = draw(Bernoulli(0.004 * theta[0]));
    if (x == 1) return draw(Bernoulli(1.5 * theta[0]));
    return x * theta[0];
  };
  const auto message = [&](int threads, std::shared_ptr<Ranks> ranks) -> std::string {
    try {
      estimate(program, Eigen::VectorXd::Ones(1), StraightThrough{}, {.samples = 3000, .threads = threads, .ranks = ranks});
    } catch (const Error& error) { return error.what(); }
    return {};
  };
  const std::string alone = message(1, nullptr);
  CHECK(alone.find("p = 1.5 is outside [0, 1] (site 1, run ") != std::string::npos);
  for (int repeat = 0; repeat < 5; ++repeat) CHECK(message(7, nullptr) == alone);
  for (const int ranks : {2, 4})
    local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
      const std::string here = message(2, r), all = " of " + std::to_string(ranks) + ": ";
      CHECK(here.starts_with("rank "));
      CHECK(here.substr(std::min<std::size_t>(here.size(), 6)) == all + alone);
    });
}

TEST_CASE("what rank 0 cannot do fails on all ranks") {
  local_ranks::run(3, [](const std::shared_ptr<Ranks>& r) {
    Options options{.ranks = r, .checkpoint = "no/such/folder/file"};
    CHECK_THROWS_WITH_AS(estimate(walk(), start(), ScoreFunction{}, options), doctest::Contains("its folder does not exist"),
                         InvalidArgument);
    options.checkpoint.clear();
    options.progress = [](const Progress&) { throw Error("from the callback"); };
    CHECK_THROWS_WITH_AS(estimate(walk(), start(), ScoreFunction{}, options), "from the callback", Error);
    MinimizeOptions minimizing{.iterations = 3, .ranks = r, .checkpoint = "no/such/folder/file"};
    CHECK_THROWS_WITH_AS(minimize(walk(), start(), ScoreFunction{}, Adam{}, minimizing),
                         doctest::Contains("its folder does not exist"), InvalidArgument);
  });
}

TEST_CASE("a slow rank changes no bit and is named") {
  const Options options{.samples = 1000, .threads = 1};
  const Estimate alone = estimate(walk(), start(), ScoreFunction{}, options);
  local_ranks::run(3, [&](const std::shared_ptr<Ranks>& r) {
    slow = r->rank() == 1;
    Options shared = options;
    shared.ranks = r;
    const Estimate e = estimate(walk(), start(), ScoreFunction{}, shared);
    CHECK(e.value == alone.value);
    CHECK(e.gradient == alone.gradient);
    REQUIRE(e.diagnostics.size() == alone.diagnostics.size() + 1);
    CHECK(e.diagnostics.back().starts_with("rank 1 took "));
  });
}

TEST_CASE("an estimate goes on from its checkpoint with the same bits") {
  const Folder folder("estimate-resume");
  for (const AnyEstimator& estimator : estimators()) {
    CAPTURE(estimator.name());
    Options options{.samples = 4'000, .seed = 5, .threads = 1};
    const Bits whole = bits(estimate(walk(), start(), estimator, options));
    options.checkpoint = folder / "estimate.checkpoint";
    options.checkpoint_every = 1e-9;
    int calls = 0;
    options.progress = [&](const Progress&) {
      if (++calls == 4) throw Crash();
    };
    CHECK_THROWS_AS(estimate(walk(), start(), estimator, options), Crash);
    options.progress = nullptr;
    const std::string left = content(options.checkpoint);
    const auto go_on = [&](int threads, std::shared_ptr<Ranks> ranks) {
      options.threads = threads, options.ranks = ranks;
      const Estimate e = estimate(walk(), start(), estimator, options);
      CHECK(e.resumed > 0);
      CHECK(e.resumed < 4'000);
      CHECK(bits(e) == whole);
    };
    go_on(3, nullptr);
    const Estimate again = estimate(walk(), start(), estimator, options);
    CHECK(again.resumed == 4'000);
    CHECK(bits(again) == whole);
    folder.write("estimate.checkpoint", left);
    local_ranks::run(2, [&](const std::shared_ptr<Ranks>& r) {
      Options own = options;
      own.threads = 1, own.ranks = r;
      CHECK(bits(estimate(walk(), start(), estimator, own)) == whole);
    });
    options.ranks = nullptr;
    options.resume = false;
    CHECK(estimate(walk(), start(), estimator, options).resumed == 0);
    std::filesystem::remove(options.checkpoint);
  }
}

TEST_CASE("a checkpoint of another estimate, and a damaged one, are refused with the reason") {
  const Folder folder("estimate-refuse");
  Options options{.samples = 1000, .threads = 1, .checkpoint = folder / "estimate.checkpoint"};
  estimate(walk(), start(), ScoreFunction{}, options);
  const auto refused = [&](const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                           const Options& other, const char* reason) {
    CHECK_THROWS_WITH_AS(estimate(program, theta, estimator, other), doctest::Contains(reason), InvalidArgument);
  };
  refused(walk(), start(), StochasticDerivative{}, options, "estimator is \"ScoreFunction\" there");
  refused(walk(), 2 * start(), ScoreFunction{}, options, "theta/checksum differs");
  refused(over_data(6, Walk()), start(), ScoreFunction{}, options, "program/data is 5 there and 6 here");
  Options other = options;
  other.samples = 2000;
  refused(walk(), start(), ScoreFunction{}, other, "samples is 1000 there and 2000 here");
  other = options, other.seed = 9;
  refused(walk(), start(), ScoreFunction{}, other, "seed is 1 there and 9 here");

  const std::string whole = content(options.checkpoint);
  const auto damaged = [&](const std::string& bytes, const char* reason) {
    folder.write("estimate.checkpoint", bytes);
    CHECK_THROWS_WITH_AS(estimate(walk(), start(), ScoreFunction{}, options), doctest::Contains(reason), Error);
    CHECK(content(options.checkpoint) == bytes);
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, whole.size() / 2, whole.size() - 1})
    damaged(whole.substr(0, size), "it is damaged, or no checkpoint");
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  damaged(flipped, "its checksum is wrong");
  std::string newer = whole;
  newer.replace(newer.find("stoat estimate 1"), 16, "stoat estimate 2");
  damaged(newer, "it has another format: \"stoat estimate 2\" instead of \"stoat estimate 1\"");
  std::filesystem::remove(options.checkpoint);
  minimize(walk(), start(), ScoreFunction{}, Adam{}, {.iterations = 1, .checkpoint = options.checkpoint});
  CHECK_THROWS_WITH_AS(estimate(walk(), start(), ScoreFunction{}, options), doctest::Contains("another format: \"stoat descent"),
                       Error);
}

TEST_CASE("an interrupted estimate gives what was reached and goes on later") {
  const Folder folder("estimate-interrupted");
  Options options{.samples = 20'000, .threads = 2};
  const Estimate whole = estimate(walk(), start(), ScoreFunction{}, options);
  CHECK(!whole.interrupted);
  options.checkpoint = folder / "estimate.checkpoint";
  for (const int ranks : {1, 3}) {
    std::uint64_t reached = 0;
    {
      Interruption guard;
      runs_until_signal = 12'000;
      local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
        Options own = options;
        own.ranks = r;
        const Estimate e = estimate(walk(), start(), ScoreFunction{}, own);
        CHECK(e.interrupted);
        CHECK(e.samples > 5'000);
        CHECK(e.samples < 20'000);
        if (r->rank() == 0) reached = e.samples;
      });
    }
    const Estimate rest = estimate(walk(), start(), ScoreFunction{}, options);
    CHECK(rest.resumed == reached);
    CHECK(!rest.interrupted);
    CHECK(bits(rest) == bits(whole));
    std::filesystem::remove(options.checkpoint);
  }
}

TEST_CASE("an interruption ends an estimate within a block a thread, with the bits of the blocks that were done") {
  const Folder folder("estimate-latency");
  Options options{.samples = 20'000, .threads = 2};
  for (const int ranks : {1, 3}) {
    options.checkpoint = folder / std::to_string(ranks);
    std::vector<Estimate> estimates(static_cast<std::size_t>(ranks));
    {
      Interruption guard;
      runs_until_signal = 5'000;  // in the block 78 of 313; 64 are a node of the tree
      local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
        Options own = options;
        own.ranks = r;
        estimates[static_cast<std::size_t>(r->rank())] = estimate(walk(), start(), StraightThrough{}, own);
      });
    }
    CHECK(-runs_until_signal <= 1 + 64 * (2 * ranks + 1));
    runs_until_signal = 0;
    Options fewer = options;
    fewer.checkpoint.clear(), fewer.samples = estimates[0].samples;
    CHECK(fewer.samples >= 64 * 64 + 64);
    const Bits expected = bits(estimate(walk(), start(), StraightThrough{}, fewer));
    for (const Estimate& e : estimates) {
      CHECK(e.interrupted);
      CHECK(bits(e) == expected);
    }
    const Estimate rest = estimate(walk(), start(), StraightThrough{}, options);
    CHECK(rest.resumed == fewer.samples);
    fewer.samples = options.samples;
    CHECK(bits(rest) == bits(estimate(walk(), start(), StraightThrough{}, fewer)));
  }
}

TEST_CASE("a descent that is interrupted in its first iteration, and an optimisation") {
  Interruption guard;
  runs_until_signal = 300;
  const Minimum m = minimize(walk(), start(), StraightThrough{}, Adam{0.01}, {.samples = 100'000, .threads = 2});
  CHECK(m.stopped == Stopped::interrupted);
  CHECK(-runs_until_signal <= 1 + 64 * 3);
  runs_until_signal = 0;
  CHECK(m.trace.empty());
  CHECK(m.theta == start());
  CHECK(std::isnan(m.value));
  const Optimisation o = compare_optimisation(walk(), start(), {ScoreFunction{}, StraightThrough{}}, Adam{0.01}, {});
  CHECK(o.rows.empty());
  CHECK(o.missing == std::vector<std::string>{"ScoreFunction", "StraightThrough"});
}

TEST_CASE("an interrupted descent gives what was reached and goes on later") {
  const Folder folder("minimize-interrupted");
  MinimizeOptions options{.iterations = 20, .samples = 400, .threads = 2};
  const Bits whole = bits(minimize(walk(), start(), ScoreFunction{}, Adam{0.01}, options));
  options.checkpoint = folder / "descent.checkpoint";
  for (const int ranks : {1, 3}) {
    std::size_t reached = 0;
    {
      Interruption guard;
      runs_until_signal = 4'000;
      local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
        MinimizeOptions own = options;
        own.ranks = r;
        const Minimum m = minimize(walk(), start(), ScoreFunction{}, Adam{0.01}, own);
        CHECK(m.stopped == Stopped::interrupted);
        CHECK(m.trace.size() > 5);
        CHECK(m.trace.size() < 15);
        if (r->rank() == 0) reached = m.trace.size();
      });
    }
    const Minimum rest = minimize(walk(), start(), ScoreFunction{}, Adam{0.01}, options);
    CHECK(rest.resumed == static_cast<int>(reached));
    CHECK(bits(rest) == whole);
    std::filesystem::remove(options.checkpoint);
  }
}

TEST_CASE("an interrupted comparison has the rows that were done") {
  const std::vector<AnyEstimator> list = {ScoreFunction{}, StraightThrough{}, StochasticDerivative{}};
  CompareOptions options{.samples = 2000, .threads = 2, .truth = Exact{}};
  options.truth->gradient = Eigen::Vector2d(1, 2);
  const Comparison whole = compare(walk(), start(), list, options);
  CHECK(whole.missing.empty());
  Interruption guard;
  runs_until_signal = 3'000;
  const Comparison c = compare(walk(), start(), list, options);
  REQUIRE(c.rows.size() == 1);
  CHECK(c.missing == std::vector<std::string>{list[1].name(), list[2].name()});
  CHECK(c.rows[0].gradient == whole.rows[0].gradient);
  std::ostringstream text;
  text << c;
  CHECK(text.str().find(", interrupted before " + list[1].name() + ", " + list[2].name()) != std::string::npos);
}

TEST_CASE("one writer at a time replaces a file, and what a killed one left is used again") {
  const Folder folder("replacement");
  const auto path = folder.write("file", "old");
  folder.write("file.tmp", std::string(1'000'000, 'x'));  // longer than what comes
  std::vector<std::thread> writers;
  for (char letter = 'a'; letter < 'e'; ++letter)
    writers.emplace_back([&path, letter] {
      for (int i = 0; i < 20; ++i) report::write_file(path, std::string(100'000, letter));
    });
  for (std::thread& writer : writers) writer.join();
  const std::string text = content(path);
  REQUIRE(text.size() == 100'000);
  CHECK(text.find_first_not_of(text[0]) == std::string::npos);
  {
    report::Replacement replacement(path, false);
    replacement.write("not committed");
    CHECK_THROWS_WITH_AS(report::Replacement(path, false), doctest::Contains("somebody else is writing it"), Error);
  }
  CHECK(content(path) == text);
  CHECK(std::distance(std::filesystem::directory_iterator(folder / ""), {}) == 1);
  CHECK_THROWS_WITH_AS(report::write_file(folder / "", "text"), doctest::Contains("it is a directory"), Error);
  CHECK_THROWS_AS(report::write_file(folder / "none/file", "text"), Error);
}

TEST_CASE("progress of an estimate: a line for every tenth, a callback") {
  std::ostringstream text;
  std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
  Options options{.samples = 50'000, .checkpoint_every = 1e-9, .display = Display::lines};
  std::uint64_t last = 0;
  options.progress = [&](const Progress& p) {
    CHECK(p.samples > last);
    last = p.samples;
  };
  estimate(walk(), start(), StraightThrough{}, options);
  std::cerr.rdbuf(before);
  CHECK(last == 50'000);
  const std::string lines = text.str();
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 10);
  CHECK(lines.find("sample 50000/50000  ") != std::string::npos);
  CHECK(lines.find(" samples/s, gradient +- ") != std::string::npos);
}

#ifndef STOAT_SANITIZED_THREADS
TEST_CASE("kill -9 at any moment loses the iteration under way and nothing else") {
  const Folder folder("minimize-killed");
  MinimizeOptions options{.iterations = 600, .samples = 20, .threads = 1, .display = Display::none};
  const Bits whole = bits(minimize(walk(), start(), ScoreFunction{}, Adam{0.01}, options));
  options.checkpoint = folder / "descent.checkpoint";
  options.checkpoint_every = 1;
  struct Seen {
    std::atomic<int> first, last;  ///< iterations that a child began
  };
  auto* const seen = static_cast<Seen*>(mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  options.progress = [seen](int iteration, double) {
    if (seen->first < 0) seen->first = iteration;
    seen->last = iteration;
  };
  std::mt19937 random(1);
  for (int killed = 0; killed < 50; std::filesystem::remove(options.checkpoint)) {  // descents, until so many were killed
    int done = 0;
    for (bool finished = false; !finished;) {
      seen->first = -1;
      const pid_t child = fork();
      if (child == 0) {
        try {
          minimize(walk(), start(), ScoreFunction{}, Adam{0.01}, options);
        } catch (...) { _exit(2); }
        _exit(0);
      }
      REQUIRE(child > 0);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
      kill(child, SIGKILL);
      int status = 0;
      waitpid(child, &status, 0);
      finished = !WIFSIGNALED(status);
      if (finished) CHECK(WEXITSTATUS(status) == 0);
      else ++killed;
      if (seen->first < 0) continue;  // it did not come to that
      // It went on from what was in the file: all iterations that had ended, and perhaps the one that had begun.
      CHECK(seen->first >= done);
      CHECK(seen->first <= done + 1);
      done = seen->last;
    }
    CHECK(std::distance(std::filesystem::directory_iterator(folder / ""), {}) == 1);  // what the killed ones left was used again
    const Minimum rest = minimize(walk(), start(), ScoreFunction{}, Adam{0.01}, options);
    CHECK(rest.resumed == 600);
    CHECK(bits(rest) == whole);
  }
  munmap(seen, sizeof(Seen));
}
#endif

#ifndef STOAT_SANITIZED  // a sanitizer keeps what was freed
TEST_CASE("the memory of an estimate does not grow with the samples") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S { return theta[0] * draw(Bernoulli(0.5)); };
  const auto peak = [&](std::uint64_t samples) {
    estimate(program, Eigen::VectorXd::Ones(100), StraightThrough{}, {.samples = samples, .threads = 2});
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;  // kB
  };
  const auto before = peak(20'000);
  CHECK(peak(1'000'000) < before + 2'000);  // a node for each block would take 50'000
}
#endif
