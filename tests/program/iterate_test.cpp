// Loops of draw.iterate: replays that skip what would repeat the run, and agree bit for bit with reruns.
#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <vector>

#include <boost/random/normal_distribution.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// A walk that its position turns back, and that pays for its position on the way.
struct Walk {
  int steps;
  bool visible = true;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S x = 0;
    const auto step = [&](S& y, int) {
      y += 2.0 * draw(Bernoulli(logistic(2 - abs(y) / theta[0]))) - 1.0;
      draw.cost(0.1 * y * theta[0]);
    };
    if (visible) draw.iterate(x, steps, step);
    else
      for (int t = 0; t < steps; ++t) step(x, t);
    return x * x;
  }
};

template <class S>
struct Epidemic {
  S susceptible, infected;
  friend bool operator==(const Epidemic&, const Epidemic&) = default;
};
const auto epidemic = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  Epidemic<S> state{30, 3};
  draw.iterate(state, 25, [&](Epidemic<S>& s, int) {
    const auto i = static_cast<std::int64_t>(value(s.infected)), n = static_cast<std::int64_t>(value(s.susceptible));
    const auto caught = draw(Binomial(n, S(1 - exp(-theta[0] * s.infected / 33.0))));
    const auto recovered = draw(Binomial(i, logistic(theta[1])));
    s.susceptible -= caught;
    s.infected += caught - recovered;
  });
  return S(33 - state.susceptible) * theta[0];
};

/// Everything that draws: loops one after the other and inside each other, of no and of few iterations; numbers of draws that
/// vary, with labels and without, blocks, compound draws, noise before and after the draws of an iteration, costs everywhere.
const auto tangle = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  boost::random::uniform_01<double> noise;
  S drift = 0.1 * draw(Bernoulli(logistic(theta[0])));
  drift += 0.01 * noise(draw);
  S x = 0;
  draw.iterate(x, 0, [&](S& y, int) { y += draw(Bernoulli(0.5)); });
  draw.iterate(x, 12, [&](S& y, int t) {
    const double first = noise(draw);
    y = 0.5 * y + drift + 0.1 * first;
    if (draw(Bernoulli(logistic(theta[1])))) y += draw(Poisson(exp(theta[2])), 7);
    if (draw(Bernoulli(0.4)) && t > 2) {
      y += 0.2 * draw(Geometric(logistic(theta[0])));
      y -= noise(draw);
    }
    y = 0.125 * floor(8.0 * y);
    draw.cost(y * theta[0]);
  });
  if (x > 1) x -= draw(Bernoulli(logistic(theta[2])));
  draw.cost(noise(draw) * theta[1]);
  Vector<S> pair{x, S(draw(Bernoulli(logistic(theta[0])), 7))};
  draw.iterate(pair, 8, [&](Vector<S>& p, int t) {
    const S a = p[0], b = p[1];
    const Vector<S> coins = draw(Bernoulli(Vector<S>{logistic(theta[0] * a), logistic(theta[1]), logistic(theta[2] - b)}));
    S inner = 0;
    draw.iterate(inner, t % 3, [&](S& z, int) {
      z += draw(Bernoulli(logistic(theta[0])));
      z += noise(draw);
    });
    const auto below = draw.split(Normal(theta[1], 1.0), theta[2]);
    p = Vector<S>{S(coins[0] + coins[1] * below.below), S(coins[2])};
    draw.cost(floor(inner) + 0.01 * below.x);
  });
  Matrix<S> last = Matrix<S>::generate(1, 1, [&](Eigen::Index, Eigen::Index) { return S(1); });
  draw.iterate(last, 5, [&](Matrix<S>& m, int) { draw.cost(noise(draw) * m(0, 0)); });  // nothing but noise
  const double end = noise(draw);
  return pair[0] * theta[0] + pair[1] * end + x * last(0, 0) + draw(Bernoulli(logistic(theta[1])), 7);
};

/// Particles in a noisy observation of a fixed path, resampled by proposals.
const auto particles = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  constexpr std::size_t n = 8;
  std::vector<S> start(n, S(0));
  draw.iterate(start, 20, [&](std::vector<S>& x, int t) {
    std::vector<S> w(n);
    S sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = theta[0] * x[i] + 0.5 * boost::random::normal_distribution<double>{}(draw);
      w[i] = exp(-0.5 * square(x[i] - std::sin(0.3 * t)));
      sum += w[i];
    }
    draw.cost(-log(sum / static_cast<double>(n)));
    const Vector<S> weights(w);
    const std::vector<S> before = x;
    for (std::size_t i = 0; i < n; ++i) x[i] = before[static_cast<std::size_t>(draw(Categorical<S>::weights(weights, 1)).value())];
  });
  return start[0];
};

/// An extra draw in an iteration must neither shift the next iteration nor borrow its numbers: the cost is full of products.
const auto extra = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  std::vector<S> state{S(0), S(0)};
  draw.iterate(state, 4, [&](std::vector<S>& s, int) {
    const S p = logistic(theta[0]);
    const auto a = draw(Bernoulli(p));
    draw.cost(2 * s[0] * a);
    s[0] = 0;
    if (a) s[0] = draw(Bernoulli(p));
    s[1] += a * theta[1];
  });
  return S(state[1] + 3 * state[0] * draw(Bernoulli(logistic(theta[0]))));
};

Eigen::VectorXd one(double x) { return Eigen::VectorXd::Constant(1, x); }
Eigen::VectorXd three() { return Eigen::Vector3d(0.4, -0.3, 0.2); }

struct Seen {
  std::size_t replays = 0, rejoined = 0;
  double cost = 0;  // mean, in runs
};
/// Every outcome of every site of some runs, against a rerun that skips nothing.
Seen check_all(const Program<double>& program, const Eigen::VectorXd& theta, std::uint64_t runs, const LoopOptions& options = {}) {
  Trace<double> quick(program, theta), full(program, theta);
  quick.set_loop_options(options);
  Seen seen;
  for (std::uint64_t r = 0; r < runs; ++r) {
    const double cost = quick.run({7, r}, r % 2 == 0 ? 2 : 0);  // states from this run, or from another one
    quick.record(Outcomes::constants);
    if (r % 2 == 1) CHECK(quick.replay(0, quick.site(0).outcome) == cost);
    for (std::size_t i = 0; i < quick.sites(); ++i)
      for (std::int64_t y = 0; y < 3; ++y) {
        if (!(quick.site(i).pmf(y) > 0)) continue;
        full.run({7, r});  // its first replay skips nothing
        const bool chances = (i + r) % 3 == 0;
        const double want = full.replay(i, y, chances), got = quick.replay(i, y, chances);
        REQUIRE(got == want);
        REQUIRE(std::vector(quick.replayed().begin(), quick.replayed().end()) ==
                std::vector(full.replayed().begin(), full.replayed().end()));
        REQUIRE(std::vector(quick.replayed_chances().begin(), quick.replayed_chances().end()) ==
                std::vector(full.replayed_chances().begin(), full.replayed_chances().end()));
        if (y == quick.site(i).outcome) REQUIRE(got == cost);
        CHECK(!full.rejoined());
        CHECK(quick.replay_cost() <= full.replay_cost());
        seen.replays += 1, seen.rejoined += quick.rejoined(), seen.cost += quick.replay_cost();
      }
  }
  seen.cost /= static_cast<double>(seen.replays);
  return seen;
}

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million.
constexpr double bound = 5;
double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}

}  // namespace

TEST_CASE("a replay that skips what would repeat the run agrees with a rerun, bit for bit") {
  const Seen walk = check_all(Walk{60}, one(5), 6);
  CHECK(walk.rejoined > 0.4 * static_cast<double>(walk.replays));
  CHECK(walk.cost < 0.35);
  check_all(epidemic, Eigen::Vector2d(0.5, -1), 4);
  const Seen mixed = check_all(tangle, three(), 12);
  CHECK(mixed.rejoined > mixed.replays / 4);
  const Seen cloud = check_all(particles, one(0.9), 3);
  CHECK(cloud.rejoined > cloud.replays / 2);
  check_all(extra, Eigen::Vector2d(0.3, 0.5), 6);
}

TEST_CASE("all kinds of runs take the same path") {
  Trace<double> trace(tangle, three()), other(tangle, three());
  const auto in_float = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, 10, [&](S& y, int) {
      y += draw(Bernoulli(logistic(theta[0] - y)));
      draw.cost(y * theta[0]);
    });
    return x;
  };
  Trace<float> single(in_float, Eigen::VectorXf::Constant(1, 0.3F));
  for (std::uint64_t r = 0; r < 30; ++r) {
    const double f = trace.run({5, r});
    trace.record();
    CHECK(run(tangle, three(), {5, r}) == f);
    CHECK(other.record({5, r}) == doctest::Approx(f).epsilon(1e-12));
    REQUIRE(other.sites() == trace.sites());
    for (std::size_t i = 0; i < trace.sites(); ++i) CHECK(other.site(i).outcome == trace.site(i).outcome);
    const float g = single.run({5, r}, 2);
    single.record();
    for (std::size_t i = 0; i < single.sites(); ++i) CHECK(single.replay(i, single.site(i).outcome) == g);
  }
}

TEST_CASE("a draw that a replay makes beyond the run shifts no later iteration") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, 30, [&](S& y, int) {
      if (draw(Bernoulli(theta[0]))) draw(Binomial(1000, theta[0]));
      y += draw(Binomial(1000, theta[0]));
    });
    return x + draw(Binomial(1000, theta[0]));
  };
  Trace<double> trace(program, one(0.5));
  for (std::uint64_t r = 0; r < 10; ++r) {
    trace.run({3, r});
    trace.record(Outcomes::constants);
    const std::int64_t other = 1 - trace.site(0).outcome;
    trace.replay(0, other);
    const auto made = trace.replayed();
    const std::size_t longer = other == 1 ? 1 : 0, shorter = 1 - longer;
    REQUIRE(made.size() + shorter == trace.sites() + longer);
    // The draw after the extra one has the number of the extra one, or the other way round; from the second iteration on all agree.
    for (std::size_t i = 2 + shorter; i < trace.sites(); ++i) CHECK(made[i + longer - shorter] == trace.site(i).outcome);
  }
}

TEST_CASE("what a replay draws beyond the run has numbers of its own") {
  // If the first coin falls the other way, loops have more iterations, those have more draws, and there are further ones after.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const bool more = static_cast<bool>(draw(Bernoulli(0.0 * theta[0])));
    S x = 0;
    for (int loop = 0; loop < 2; ++loop) {
      draw.iterate(x, more ? 3 : 2, [&](S& y, int) { y += sum(draw(Poisson(Vector<S>::constant(more ? 3 : 1, 1e8))).scalars()); });
      if (more) x += draw(Poisson(1e8 * theta[0]));
    }
    if (more) draw.iterate(x, 2, [&](S& y, int) { y += draw(Poisson(1e8 * theta[0])); });
    return x;
  };
  Trace<double> trace(program, one(1));
  for (std::uint64_t r = 0; r < 10; ++r) {
    trace.run({6, r});
    trace.replay(0, 1);
    const auto drawn = trace.replayed().subspan(1);
    CHECK(drawn.size() == 22);
    CHECK(std::set(drawn.begin(), drawn.end()).size() == drawn.size());  // by chance two are equal with one seed in 15
  }
}

TEST_CASE("no word of a run or a replay serves twice") {
  std::vector<std::uint32_t> words;
  const auto program = [&words]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const auto note = [&] {
      const std::uint32_t word = draw();
      if constexpr (std::same_as<S, double>) words.push_back(word);
    };
    note();
    S x = 0;
    for (int loop = 0; loop < 3; ++loop) {
      draw.iterate(x, 6, [&](S& y, int t) {
        for (int i = 0; i < 3; ++i) note();
        if (t == 2) return;
        if (draw(Bernoulli(theta[0]))) draw(Bernoulli(theta[0]), 5), note();
        note();
        y += draw(Bernoulli(theta[0]));
        note();
      });
      note();
    }
    return x;
  };
  Trace<double> trace(program, one(0.5));
  for (std::uint64_t r = 0; r < 5; ++r) {
    words.clear();
    trace.run({2, r});
    CHECK(std::set(words.begin(), words.end()).size() == words.size());
    trace.record(Outcomes::constants);
    const std::vector<std::uint32_t> first = words;
    for (std::size_t i = 0; i < trace.sites(); ++i) {
      trace.run({2, r});
      words.clear();
      trace.replay(i, 1 - trace.site(i).outcome);
      CHECK(std::set(words.begin(), words.end()).size() == words.size());
      // An iteration begins where it began in the run.
      if (words.size() == first.size()) CHECK(words.back() == first.back());
    }
  }
}

TEST_CASE("gradients are those of enumeration, whatever the number of draws of an iteration") {
  const Eigen::Vector2d theta(0.3, 0.5);
  const Exact truth = enumerate(extra, theta);
  for (const AnyEstimator& e :
       {AnyEstimator(StochasticDerivative{1}), AnyEstimator(StochasticDerivative{3}), AnyEstimator(DebiasedSurrogate{0}),
        AnyEstimator(StochasticDerivative{.replays = 2, .choice = SiteChoice::neyman}),
        AnyEstimator(DebiasedSurrogate{.replays = 3, .control = Control::table, .martingale = true}), AnyEstimator(ScoreFunction{}),
        AnyEstimator(ForwardTriple{})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(with_duals(extra), theta, e, {.samples = 40'000, .seed = 3});
    CHECK(largest_z(r, truth.gradient) < bound);
    CHECK(std::abs(r.value - truth.value) < bound * r.value_error);
  }
  // The same bits for any number of threads, checked or not, with room for states or not.
  const auto estimated = [&](int threads, const LoopOptions& loops) {
    return estimate(extra, theta, DebiasedSurrogate{3}, {.samples = 2000, .seed = 4, .threads = threads, .loops = loops}).gradient;
  };
  const Eigen::VectorXd g = estimated(1, {});
  CHECK(estimated(2, {.check = true}) == g);
  CHECK(estimated(1, {.memory = 0}) == g);
}

TEST_CASE("a loop that the library sees changes no estimate") {
  for (const AnyEstimator& e : {AnyEstimator(StochasticDerivative{1}), AnyEstimator(StochasticDerivative{0}),
                                AnyEstimator(DebiasedSurrogate{2}), AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{3}),
                                AnyEstimator(StraightThrough{}), AnyEstimator(GumbelSoftmax{0.5}), AnyEstimator(MeanField{}),
                                AnyEstimator(ForwardTriple{}), AnyEstimator(HessianVectorProduct{.direction = one(1)})}) {
    CAPTURE(e.name());
    const auto estimated = [&](bool visible) {
      return estimate(with_duals(Walk{10, visible}), one(5), e, {.samples = 50, .loops = {.check = true}});
    };
    const Estimate seen = estimated(true), unseen = estimated(false);
    CHECK(seen.value == unseen.value);
    CHECK(seen.gradient == unseen.gradient);
  }
}

TEST_CASE("with less memory replays start further back") {
  std::vector<int> made;
  const auto program = [&made]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, 64, [&](S& y, int t) {
      if constexpr (std::same_as<S, double>) made.push_back(t);
      y += draw(Bernoulli(theta[0]));
    });
    return x;
  };
  Trace<double> trace(program, one(0.5));
  // 65 states of 8 bytes; at most 8 + 1; none.
  for (const auto& room : {std::pair{65, 1}, std::pair{64, 2}, std::pair{9, 8}, std::pair{1, 64}, std::pair{0, 64}}) {
    const int memory = room.first, stride = room.second;
    trace.set_loop_options({.memory = 8 * static_cast<std::size_t>(memory), .check = false});
    CAPTURE(memory);
    const double f = trace.run({1, 1}, 2);
    trace.record(Outcomes::constants);
    for (const int i : {0, 1, 7, 8, 9, 62, 63}) {
      made.clear();
      const auto site = static_cast<std::size_t>(i);
      const std::int64_t x = trace.site(site).outcome;
      CHECK(trace.replay(site, 1 - x) == f + static_cast<double>(1 - 2 * x));  // the state never rejoins
      CHECK(made.front() == i / stride * stride);
      CHECK(made.size() == static_cast<std::size_t>(64 - made.front()));
      made.clear();
      CHECK(trace.replay(site, x) == f);  // it rejoins at once, or at the next state that was kept
      CHECK(made.back() == (memory == 0 ? 63 : made.front() + stride - 1));
    }
  }
  const Seen walk = check_all(Walk{60}, one(5), 3, {.memory = 100});
  CHECK(walk.rejoined > walk.replays / 5);
  check_all(tangle, three(), 4, {.memory = 300});
  check_all(particles, one(0.9), 1, {.memory = 2000});
}

TEST_CASE("a state counts with what it owns") {
  struct Owner {
    std::vector<double> x;
    std::size_t bytes() const { return 1000; }
  };
  CHECK(detail::bytes_of(1.0) == 8);
  CHECK(detail::bytes_of(std::vector<double>(5)) == sizeof(std::vector<double>) + 40);
  CHECK(detail::bytes_of(std::vector<std::vector<double>>(2, std::vector<double>(5))) == 3 * sizeof(std::vector<double>) + 80);
  CHECK(detail::bytes_of(Vector<double>::constant(3, 1.0)) == sizeof(Vector<double>) + 24);
  CHECK(detail::bytes_of(Eigen::MatrixXd(2, 3)) == sizeof(Eigen::MatrixXd) + 48);
  CHECK(detail::bytes_of(Owner{}) == 1000);
}

TEST_CASE("vectors and matrices are equal in shape and elements") {
  const Vector<double> a{1, 2, 3}, b{1, 2, 4};
  CHECK(a == Vector<double>{1, 2, 3});
  CHECK(a != b);
  CHECK(a.head(2) == b.head(2));
  CHECK(a != a.head(2));
  CHECK(Matrix<double>(a) == a.matrix(0, 3, 1));
  CHECK(Matrix<double>(a) != a.matrix(0, 1, 3));
  CHECK(a.matrix(0, 1, 3).transpose() == Matrix<double>(a));
}

TEST_CASE("a body that changes more than its state is found out") {
  // A sum that the body keeps for itself; a note of the last position; a count that matters in the end; and a second loop.
  const auto sum = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, total = 0;
    draw.iterate(x, 20, [&](S& y, int) {
      y = draw(Bernoulli(logistic(theta[0])));
      total += y;
    });
    return total;
  };
  const auto note = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, last = 0;
    draw.iterate(x, 20, [&](S& y, int t) {
      y = draw(Bernoulli(logistic(theta[0])));
      last = y + t;
    });
    return last;
  };
  const auto counted = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    int calls = 0;
    draw.iterate(x, 20, [&](S& y, int t) {
      y = draw(Bernoulli(logistic(theta[0])));
      if (++calls; t == 19) y += calls;
    });
    return x;
  };
  const auto second = [&sum]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    const S drift = theta[0] * draw(Bernoulli(logistic(theta[0])));
    draw.iterate(x, 20, [&](S& y, int) { y = drift + draw(Bernoulli(logistic(drift))); });  // reading is allowed
    return x + sum(draw, theta);
  };
  Trace<double> trace(sum, one(0.1));
  trace.set_loop_options({.check = true});
  CHECK_THROWS_WITH_AS(trace.run({1, 3}, 2), doctest::Contains("draw.iterate: in a replay of run 3 with site 10 forced to"), Error);
  CHECK_NOTHROW(trace.run({1, 3}));
  CHECK_NOTHROW(trace.replay(4, 1));
  CHECK_THROWS_WITH_AS(trace.replay(4, 1), doctest::Contains("the body of this loop changes something besides its state"), Error);
  trace.set_loop_options({.check = false});
  CHECK_NOTHROW(trace.run({1, 3}, 2));

  for (const Program<double>& program : {Program<double>(note), Program<double>(counted)}) {
    Trace<double> found(program, one(0.1));
    found.set_loop_options({.check = true});
    CHECK_THROWS_WITH_AS(found.run({1, 3}, 2), doctest::Contains("if iterations of loop 0 are skipped"), Error);
  }

  Trace<double> later(second, one(0.1));
  later.set_loop_options({.check = true});
  CHECK_NOTHROW(later.run({1, 2}, 2));  // every other run looks at the first loop
  CHECK_THROWS_WITH_AS(later.replay(30, 1), doctest::Contains("if iterations of loop 1 are skipped"), Error);
  CHECK_THROWS_WITH_AS(later.run({1, 3}, 2), doctest::Contains("if iterations of loop 1 are skipped"), Error);

  const Options options{.samples = 300, .loops = {.check = true}};
  CHECK_THROWS_AS(estimate(second, one(0.1), StochasticDerivative{4}, options), Error);
  CHECK_THROWS_AS(diagnose_replays(sum, one(0.1), {.paths = 2}), Error);
  CHECK_NOTHROW(estimate(Walk{20}, one(5), StochasticDerivative{4}, options));
  check_all(tangle, three(), 2, {.check = true});
}

TEST_CASE("a program that depends on more than its draws is found out where its loops are used") {
  int calls = 0;
  const auto program = [&calls]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, 5, [&](S& y, int) { y += draw(Bernoulli(theta[0])); });
    return x + ++calls;
  };
  Trace<double> trace(program, one(0.5));
  trace.run({1, 1});
  trace.replay(1, 0);
  CHECK_THROWS_WITH_AS(trace.replay(1, 0), doctest::Contains("depends on more than theta and its draws"), Error);
  calls = 0;
  const auto longer = [&calls]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, 5 + calls, [&](S& y, int) { y += draw(Bernoulli(theta[0])); });
    return x;
  };
  Trace<double> other(longer, one(0.5));
  other.run({1, 1}, 2);
  calls = 1;
  CHECK_THROWS_WITH_AS(other.replay(1, 0), doctest::Contains("loop 0, of 6 iterations, had 5 iterations in the run itself"), Error);
}

TEST_CASE("iterations are at least none, and a body may throw") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, static_cast<int>(value(theta[0])), [&](S& y, int) {
      y += draw(Bernoulli(0.5));
      if (theta[0] > 4 && y > 1) throw Error("enough");
    });
    return x;
  };
  CHECK_THROWS_WITH_AS(run(program, one(-2), {}), doctest::Contains("draw.iterate: steps = -2 is outside [0, infinity)"),
                       InvalidArgument);
  CHECK(run(program, one(0), {}) == 0);
  Trace<double> trace(program, one(9));
  CHECK_THROWS_AS(trace.run({1, 1}, 2), Error);
  trace.set_parameters(one(3));
  const double f = trace.run({1, 1}, 2);
  trace.record(Outcomes::constants);
  CHECK(trace.replay(1, trace.site(1).outcome) == f);
}

TEST_CASE("the cost of a replay is what it draws") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    draw.iterate(x, 100, [&](S& y, int) { y = draw(Bernoulli(logistic(theta[0] + y))); });
    return x;
  };
  const ReplayDiagnostics d = diagnose_replays(program, one(0), {.paths = 10});
  CHECK(d.replay_cost < 0.03);  // two coins of 100, mostly
  CHECK(d.replay_cost > 0.01);
  const LoopOptions unchecked{.check = false};  // reruns that compare are work, too
  const auto work = [&](int replays) {
    return estimate(program, one(0), StochasticDerivative{replays}, {.samples = 100, .loops = unchecked}).work.runs / 100;
  };
  CHECK(work(1) > 2.3);  // a run, a recording, and half of a rerun
  CHECK(work(2) < 2.1);
  // Of 40 coins that matter alike, replays of the first 20 rejoin at once, and those of the others never do. Neyman's choice knows.
  const auto two = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, y = 0;
    draw.iterate(x, 20, [&](S&, int) { draw.cost(S(draw(Bernoulli(logistic(theta[0]))))); });
    draw.iterate(y, 20, [&](S& z, int) { z += draw(Bernoulli(logistic(theta[0]))); });
    return y;
  };
  const double p = 1 / (1 + std::exp(-0.2));
  const auto estimated = [&](SiteChoice choice, std::uint64_t samples) {
    const Estimate e = estimate(two, one(0.2), StochasticDerivative{.replays = 2, .choice = choice, .pilot = 50},
                                {.samples = samples, .seed = 2, .loops = unchecked});
    CHECK(largest_z(e, one(40 * p * (1 - p))) < bound);
    return e.work.runs;
  };
  const auto per_sample = [&](SiteChoice choice) { return (estimated(choice, 3000) - estimated(choice, 1000)) / 2000; };
  const double importance = per_sample(SiteChoice::importance);
  CHECK(importance == doctest::Approx(2 + 2 * 0.144).epsilon(0.01));  // (1/40 + 21/80) / 2
  CHECK(per_sample(SiteChoice::neyman) < importance - 0.015);
}

TEST_CASE("labels drawn by proposals have the law of Categorical, and few of them change with one weight") {
  const Vector<double> w{0.2, 0.0, 0.9, 0.4};
  const auto count = [](const Vector<double>& weights, double largest, std::uint64_t draws) {
    Eigen::Vector4d n = Eigen::Vector4d::Zero();
    const auto law = Categorical<double>::weights(weights, largest).plain();
    for (std::uint64_t i = 0; i < draws; ++i) n[law.quantile(Generator({4, i}).uniform())] += 1;
    return n;
  };
  const double total = 1.5;
  for (const double largest : {0.9, 3.0, 1e4}) {  // the last one ends in inversion, nearly always
    const Eigen::Vector4d n = count(w, largest, 200'000);
    CHECK(n[1] == 0);
    double chi2 = 0;
    for (const Eigen::Index k : {0, 2, 3}) chi2 += std::pow(n[k] - 2e5 * w[k] / total, 2) / (2e5 * w[k] / total);
    CHECK(chi2 < 27.6);  // 2 degrees of freedom: once in a million
  }
  // Of 64 labels one weight changes: of draws by inversion a third or so change, of those by proposals a few in a thousand.
  std::vector<double> many;
  for (int k = 0; k < 64; ++k) many.push_back(0.2 + 0.8 * Generator({9, static_cast<std::uint64_t>(k)}).uniform());
  const Vector<double> before(many);
  many[5] = 0;
  const Vector<double> after(many);
  int proposed = 0, inverted = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const double u = Generator({5, i}).uniform();
    proposed +=
        Categorical<double>::weights(before, 1).plain().quantile(u) != Categorical<double>::weights(after, 1).plain().quantile(u);
    inverted += Categorical(before).plain().quantile(u) != Categorical(after).plain().quantile(u);
  }
  CHECK(proposed < 700);
  CHECK(inverted > 5000);

  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const Vector<S> weights{exp(theta[0]), exp(theta[1]), S(1.0), S(0.5)};
    const auto a = draw(Categorical<S>::weights(weights, 4));
    const Vector<S> next{S(1 + theta[0] * a), S(1.5), S(1.0)};
    const auto b = draw(Categorical<S>::weights(next, 9), 3);
    return square(a - b * theta[1]);
  };
  const Eigen::Vector2d theta(0.4, -0.2);
  const Exact truth = enumerate(program, theta);
  for (const AnyEstimator& e :
       {AnyEstimator(StochasticDerivative{1}), AnyEstimator(DebiasedSurrogate{2}), AnyEstimator(ScoreFunction{})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(program, theta, e, {.samples = 20'000, .seed = 8});
    CHECK(largest_z(r, truth.gradient) < bound);
    CHECK(std::abs(r.value - truth.value) < bound * r.value_error);
  }
  const auto drawn = [](double weight, double largest) {
    return run(
        [weight, largest]<class S>(Sampler<S>& draw, const Vector<S>&) -> S {
          return S(draw(Categorical<S>::weights(Vector<S>{S(weight), S(weight)}, largest)));
        },
        one(0), {});
  };
  CHECK_THROWS_WITH_AS(drawn(2, 1), doctest::Contains("Categorical: probabilities[0] = 2 is outside [0, 1] (site 0, run 0)"),
                       Error);
  CHECK_THROWS_WITH_AS(drawn(-1, 1), doctest::Contains("probabilities[0] = -1 is outside [0, 1]"), Error);
  CHECK_THROWS_WITH_AS(drawn(0, 1), doctest::Contains("sum of probabilities = 0 is outside (0, infinity)"), Error);
  CHECK_THROWS_WITH_AS(drawn(1, 0), doctest::Contains("Categorical: bound = 0 is outside (0, infinity)"), InvalidArgument);
  CHECK_THROWS_AS(drawn(1, std::nan("")), InvalidArgument);
}

TEST_CASE("a label that is used again in a replay has the number that it had in the run") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S sum = 0;
    for (int i = 0; i < 6; ++i) sum += std::pow(1000.0, i) * draw(Binomial(999, theta[0]), 5);
    return sum;
  };
  Trace<double> trace(program, one(0.5));
  const double f = trace.run({1, 1});
  trace.record(Outcomes::constants);
  for (std::size_t i = 0; i < 6; ++i) CHECK(trace.replay(i, trace.site(i).outcome) == f);
}
