// Loops recorded in segments: the gradients of recordings in one piece, in bounded memory, and never a wrong one.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/random/normal_distribution.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

Eigen::VectorXd three() { return Eigen::Vector3d(0.4, -0.3, 0.2); }

/// A walk that its position turns back, and that pays for its position on the way.
const auto walk = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  S x = 0;
  const S scale = exp(theta[0]);
  draw.iterate(x, 100, [&](S& y, int) {
    if (draw(Bernoulli(logistic(2 - abs(y) / scale)))) y += theta[1];
    else y -= 1;
    draw.cost(0.1 * y * theta[0]);
  });
  return S(x * x);
};

/// Particles in a noisy observation of a fixed path, resampled.
const auto particles = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  constexpr std::size_t n = 6;
  struct Cloud {
    std::vector<S> x;
    S likelihood;
    bool operator==(const Cloud&) const = default;
  } cloud{std::vector<S>(n, S(0)), 0};
  draw.iterate(cloud, 30, [&](Cloud& c, int t) {
    std::vector<S> w(n);
    S sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      c.x[i] = theta[0] * c.x[i] + theta[1] * boost::random::normal_distribution<double>{}(draw);
      w[i] = exp(-0.5 * square(c.x[i] - std::sin(0.3 * t)));
      sum += w[i];
    }
    c.likelihood += log(sum / static_cast<double>(n));
    const Vector<S> weights(w);
    const std::vector<S> before = c.x;
    for (std::size_t i = 0; i < n; ++i) c.x[i] = before[static_cast<std::size_t>(draw(Categorical<S>(weights)).value())];
  });
  return S(cloud.likelihood + cloud.x[0] * theta[2]);
};

/// Loops one after the other, short ones and long ones, with others inside; numbers of draws that vary, with labels and without,
/// blocks, compound draws, noise; costs everywhere; what was drawn before a loop is used for the first time inside.
const auto tangle = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  boost::random::uniform_01<double> noise;
  const auto early = draw(Bernoulli(logistic(theta[0])));
  const OneHotDraw<S> label = draw(OneHot(Vector<S>{exp(theta[0]), exp(theta[1]), S(1)}));
  const S drift = 0.1 * draw(Poisson(exp(theta[2]))) + 0.01 * noise(draw);
  S x = 0;
  draw.iterate(x, 0, [&](S& y, int) { y += draw(Bernoulli(0.5)); });
  draw.iterate(x, 40, [&](S& y, int t) {
    const double first = noise(draw);
    y = 0.5 * y + drift * theta[1] + 0.1 * first;
    if (draw(Bernoulli(logistic(theta[1] + 0.3 * y)))) y += draw(Poisson(exp(theta[2])), 7);
    if (draw(Bernoulli(0.4)) && t > 2) {
      y += 0.2 * draw(Geometric(logistic(theta[0]))) + 0.1 * early;
      y -= noise(draw);
    }
    const Vector<S> unit = label.vector();
    y += 0.1 * unit[1] * theta[0];
    draw.cost(y * theta[0]);
  });
  if (x > 1) x -= draw(Bernoulli(logistic(theta[2] - x)));
  draw.cost(noise(draw) * theta[1]);
  Vector<S> pair{x, S(draw(Bernoulli(logistic(theta[0])), 7))};
  draw.iterate(pair, 25, [&](Vector<S>& p, int t) {
    const S a = p[0], b = p[1];
    const Vector<S> coins = draw(Bernoulli(Vector<S>{logistic(theta[0] * a), logistic(theta[1]), logistic(theta[2] - b)}));
    S inner = 0;
    draw.iterate(inner, t % 3, [&](S& z, int) {
      z += draw(Bernoulli(logistic(theta[0] - 0.1 * a)));
      z += noise(draw);
    });
    const auto below = draw.split(Normal(theta[1], 1.0), theta[2]);
    p = Vector<S>{S(0.3 * a + coins[0] + coins[1] * below.below), S(coins[2] + 0.1 * below.x)};
    draw.cost(inner + 0.01 * below.x * b);
  });
  return S(pair[0] * theta[0] + pair[1] + x * draw(Bernoulli(logistic(theta[1] - pair[1])), 7));
};

/// Every state whose variables can be seen.
template <class S>
struct Kept {
  S number;
  int count;
  std::vector<std::pair<int, S>> list;
  std::map<int, S> table;
  std::optional<S> maybe, never;
  Matrix<S> matrix;
  Vector<S> constants;
  std::vector<bool> flags;
  std::array<S, 2> two;
  friend bool operator==(const Kept&, const Kept&) = default;
};
template <class S>
class Own {
 public:
  explicit Own(S x) : x_(x) {}
  template <class F>
  void variables(const F& f) {
    f(x_);
  }
  S x() const { return x_; }
  friend bool operator==(const Own&, const Own&) = default;

 private:
  S x_;
};
const auto collection = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  std::tuple<Kept<S>, Own<S>> state{
      Kept<S>{theta[0],
              0,
              {{1, S(1)}, {2, S(theta[1] * 2)}},
              {{3, S(theta[2])}},
              {},
              {},
              Matrix<S>::generate(2, 3, [&](Eigen::Index i, Eigen::Index j) { return S(theta[i] * static_cast<double>(j)); }),
              Vector<S>::constant(2, 0.5),
              {true, false},
              {theta[0], S(2)}},
      Own<S>(theta[1])};
  draw.iterate(state, 30, [&](std::tuple<Kept<S>, Own<S>>& s, int t) {
    auto& [k, own] = s;
    const bool heads = static_cast<bool>(draw(Bernoulli(logistic(0.1 * k.number + theta[0]))));
    k.count += heads;
    k.flags[0] = heads;
    k.number = 0.9 * k.number + (k.flags[0] ? theta[1] : theta[2]) * k.constants[1];
    k.list[static_cast<std::size_t>(t % 2)].second += 0.1 * k.number;
    k.table[3] *= 0.99;
    if (t == 10) k.table[5] = k.list[0].second;
    if (heads) k.maybe = k.number * theta[0];
    if (t == 20) k.maybe.reset();
    k.matrix = Matrix<S>(k.matrix.transpose() * 0.9).transpose();
    k.two[1] += 0.1 * k.two[0] * k.matrix(1, 2) + 0.01 * own.x();
    own = Own<S>(S(0.5 * own.x() + k.two[1]));
  });
  const auto& [k, own] = state;
  S sum = k.number + k.count + k.list[0].second * k.list[1].second + k.table.at(3) + k.table.at(5) + own.x();
  if (k.maybe) sum += *k.maybe;
  return S(sum + k.matrix(0, 1) + k.matrix(1, 1) + k.two[1]);
};

const auto over = over_data(3, []<class S>(Sampler<S>& draw, const Vector<S>& theta, std::size_t datum) -> S {
  S x = static_cast<float>(datum);
  draw.iterate(x, 50, [&](S& y, int) { y = 0.75F * y + draw(Bernoulli(logistic(theta[0] - y))) * theta[1]; });
  return S(x * x);
});

/// Estimates are the same with loops recorded in one piece and in segments of these lengths.
template <class T>
void check(const Program<T>& program, const Eigen::VectorX<T>& theta, double tolerance, const std::vector<AnyEstimator>& estimators,
           std::size_t one_piece = 0) {
  for (const AnyEstimator& e : estimators) {
    CAPTURE(e.name());
    const auto estimated = [&](std::size_t bytes) {
      return estimate(program, theta, e, {.samples = 20, .seed = 5, .threads = 1, .loops = {.recording = bytes}});
    };
    const Estimate whole = estimated(one_piece);
    for (const std::size_t bytes : {1U, 3000U, 20'000U}) {
      CAPTURE(bytes);
      const Estimate parts = estimated(bytes);
      CHECK(parts.value == whole.value);
      CHECK((parts.gradient - whole.gradient).norm() <= tolerance * whole.gradient.norm());
      CHECK((parts.gradient_error - whole.gradient_error).norm() <= 100 * tolerance * whole.gradient_error.norm());
      CHECK(parts.diagnostics == whole.diagnostics);
      CHECK(parts.sites == whole.sites);
      if (bytes < 20'000) CHECK(parts.work.runs > whole.work.runs + 10);
    }
  }
}
const std::vector<AnyEstimator> all{ScoreFunction{}, ScoreFunction{Baseline::none}, LeaveOneOut{3}, StraightThrough{},
                                    SmoothedDerivative{0.3}};

}  // namespace

TEST_CASE("a loop recorded in segments has the gradient of one recorded as a whole") {
  check<double>(walk, Eigen::Vector2d(1.5, 0.9), 1e-12, all);
  check<double>(particles, Eigen::Vector3d(0.9, 0.5, 0.1), 1e-12, all);
  check<double>(tangle, three(), 1e-12, all);
  check<double>(collection, three(), 1e-12, {ScoreFunction{}, StraightThrough{}});
  check<double>(over, Eigen::Vector2d(0.3, 0.5), 1e-12, {LeaveOneOut{3}, StraightThrough{}});
  check<float>(over, Eigen::Vector2f(0.3F, 0.5F), 1e-5, {ScoreFunction{}, StraightThrough{}});
}

namespace {

Eigen::VectorXd one(double x) { return Eigen::VectorXd::Constant(1, x); }

Estimate in_segments(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& e, std::size_t bytes = 1,
                     std::uint64_t samples = 4) {
  return estimate(program, theta, e, {.samples = samples, .threads = 1, .loops = {.recording = bytes}});
}

/// The bytes of a tape while it records, and how often they became fewer.
struct Seen {
  std::size_t most = 0, last = 0, drops = 0;
  void see(std::size_t bytes) { drops += bytes < last, most = std::max(most, bytes), last = bytes; }
};
/// One step of a walk for each draw.
struct Long {
  int steps;
  Seen* seen;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S x = 0;
    draw.iterate(x, steps, [&](S& y, int) {
      y = 0.9 * y + draw(Bernoulli(logistic(theta[0] - 0.1 * y)));
      if constexpr (is_var<S>) seen->see(draw.tape().bytes());
    });
    return x;
  }
};

}  // namespace

TEST_CASE("replays in segments") {
  // All alternatives: those of a recording as a whole, whatever the choice.
  check<double>(walk, Eigen::Vector2d(1.5, 0.9), 1e-12, {StochasticDerivative{0}});
  check<double>(tangle, three(), 1e-12, {StochasticDerivative{0}});
  // A choice is made while they come by, from the same random numbers whether loops turn out short or long.
  const std::vector<AnyEstimator> some{StochasticDerivative{}, StochasticDerivative{3, SiteChoice::uniform},
                                       StochasticDerivative{2, SiteChoice::neyman, Flow::independent, 4},
                                       StochasticDerivative{automatic_replays, SiteChoice::importance, Flow::inversion, 4}};
  constexpr std::size_t large = std::size_t{1} << 30;
  check<double>(particles, Eigen::Vector3d(0.9, 0.5, 0.1), 1e-12, some, large);
  check<double>(tangle, three(), 1e-12, some, large);
  check<double>(collection, three(), 1e-12, {StochasticDerivative{}}, large);
  check<float>(over, Eigen::Vector2f(0.3F, 0.5F), 1e-5, {StochasticDerivative{2}}, large);
}

namespace {

/// Unlike draws in short loops: coins, counts, labels, labels of one law; five parameters, of which tangents tell the norm by
/// chance.
const auto few = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  S x = draw(Poisson(exp(t[0] - 2))).value() > 0 ? S(1) : t[1];
  draw.iterate(x, 3, [&](S& y, int) {
    if (draw(Bernoulli(logistic(t[1] + y)))) y += t[2];
    else y *= 0.5;
    draw.cost(y * t[4]);
  });
  draw.iterate(x, 2, [&](S& y, int) {
    const Vector<S> w{S(1), exp(t[3] * y), exp(t[4])};
    for (const Discrete<S>& k : draw(Categorical(w).repeated(2))) y += w[k.value()] * (k.value() == 1 ? 1 : -0.5);
  });
  return square(x);
};

}  // namespace

TEST_CASE("a choice of passing alternatives is unbiased, and no worse than one among all") {
  Eigen::VectorXd theta(5);
  theta << 0.2, 0.3, 0.7, -0.4, 0.5;
  const Exact truth = enumerate(few, theta, {.tail = 1e-9});
  for (const AnyEstimator& e :
       {AnyEstimator(StochasticDerivative{1}), AnyEstimator(StochasticDerivative{3}),
        AnyEstimator(StochasticDerivative{2, SiteChoice::uniform}), AnyEstimator(StochasticDerivative{1, SiteChoice::neyman})}) {
    CAPTURE(e.name());
    const Options options{.samples = 8000, .seed = 11};
    Options segments = options;
    segments.loops.recording = 1;
    const Estimate whole = estimate(few, theta, e, options), parts = estimate(few, theta, e, segments);
    CAPTURE(parts.gradient_error.transpose() / whole.gradient_error.norm());
    // Five standard errors: a false alarm in 300 000 for each estimator.
    CHECK(((parts.gradient - truth.gradient).array() / parts.gradient_error.array()).abs().maxCoeff() < 5);
    CHECK(parts.gradient_error.norm() < 0.08 * truth.gradient.norm());
    CHECK(parts.gradient_error.norm() < 1.3 * whole.gradient_error.norm());
  }
}

TEST_CASE("a chosen alternative stands for as many as there are") {
  // All alternatives are alike, so each draw is exact; a tenth of the choice is even.
  const auto alike = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S p = logistic(sum(t));
    S x = 0;
    draw.iterate(x, 100, [&](S& y, int) { y += draw(Bernoulli(p)); });
    return x;
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Zero(5);  // each derivative is 100 / 4
  for (const int replays : {1, 3}) {
    const Estimate e = in_segments(alike, theta, StochasticDerivative{replays});
    CHECK((e.gradient.array() - 25).abs().maxCoeff() < 1e-9);
  }
}

TEST_CASE("memory grows with the square root of the draws") {
  Seen seen;
  const auto bytes = [&](int steps, std::size_t recording) {
    seen = {};
    in_segments(Long{steps, &seen}, one(0.3), StraightThrough{}, recording, 1);
    return seen.most;
  };
  const std::size_t whole = bytes(100'000, 0);
  CHECK(whole > 5'000'000);
  CHECK(bytes(100'000, 20'000) < 150'000);
  CHECK(bytes(10'000, 20'000) > 5'000);
  CHECK(bytes(100, 1'000'000) == bytes(100, 0));  // short loops are left alone
  // A replay takes no more: what is chosen while it comes by is all that is kept.
  seen = {};
  in_segments(Long{100'000, &seen}, one(0.3), StochasticDerivative{}, 20'000, 1);
  CHECK(seen.most < 150'000);
  // However little may be recorded at a time: as many bytes as the states take. Each of two recordings of the loop has its
  // segments.
  CHECK(bytes(10'000, 1) < 100'000);
  CHECK(seen.drops > 50);
  CHECK(seen.drops < 1000);
}

TEST_CASE("other estimators refuse, once a loop takes more than it may") {
  for (const AnyEstimator& e :
       {AnyEstimator(PerSite{}), AnyEstimator(GumbelSoftmax{0.5}), AnyEstimator(MeanField{}), AnyEstimator(DebiasedSurrogate{1})}) {
    CAPTURE(e.name());
    Seen seen;
    const Long program{50, &seen};
    CHECK_THROWS_WITH_AS(in_segments(program, one(0.3), e), doctest::Contains("a loop takes more than LoopOptions::recording = 1"),
                         Refusal);
    const Estimate roomy = in_segments(program, one(0.3), e, 1'000'000), whole = in_segments(program, one(0.3), e, 0);
    CHECK(roomy.gradient == whole.gradient);
  }
}

TEST_CASE("a comparison with loops in segments") {
  const auto table = [](std::size_t bytes) {
    return compare(
        walk, Eigen::Vector2d(1.5, 0.9), {ScoreFunction{}, StochasticDerivative{0}, DebiasedSurrogate{1}},
        {.samples = 10, .threads = 1, .truth = Exact{1, Eigen::Vector2d(1, 1), "none", 0, {}}, .loops = {.recording = bytes}});
  };
  const Comparison whole = table(0), parts = table(1);
  for (const std::size_t row : {0U, 1U}) {
    CHECK((parts.rows[row].gradient - whole.rows[row].gradient).norm() < 1e-12 * whole.rows[row].gradient.norm());
    CHECK(parts.rows[row].runs_per_sample > whole.rows[row].runs_per_sample + 0.5);
  }
  CHECK(whole.rows[2].skipped.empty());
  CHECK(parts.rows[2].skipped.starts_with("a loop takes more than LoopOptions::recording = 1"));
}

TEST_CASE("a body that changes more than its state throws") {
  // A sum, of constants or of variables; what an iteration left for the next one, or for what follows; the state as it once was.
  const auto sum = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, total = 0;
    draw.iterate(x, 40, [&](S& y, int) { total += y = draw(Bernoulli(logistic(theta[0]))); });
    return total;
  };
  const auto moving = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, total = 0;
    draw.iterate(x, 40, [&](S& y, int) {
      y = draw(Bernoulli(logistic(theta[0])));
      total += y * theta[0];
    });
    return total;
  };
  const auto carried = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, last = 0;
    draw.iterate(x, 40, [&](S& y, int) {
      y = 0.5 * last + draw(Bernoulli(logistic(theta[0])));
      last = y + theta[0];
    });
    return x;
  };
  const auto escaped = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, seen = 0;
    draw.iterate(x, 40, [&](S& y, int t) {
      y += theta[0] * draw(Bernoulli(logistic(theta[0])));
      if (t == 9) seen = y * theta[0];
    });
    return seen;
  };
  const auto earlier = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0, seen = 0;
    draw.iterate(x, 40, [&](S& y, int t) {
      if (t == 9) seen = y;
      y += theta[0] * draw(Bernoulli(logistic(theta[0])));
    });
    return S(seen * x);
  };
  int k = 0;
  for (const Program<double>& program : {Program<double>(sum), Program<double>(moving), Program<double>(carried),
                                         Program<double>(escaped), Program<double>(earlier)}) {
    CAPTURE(k);
    bool caught = false;
    try {
      in_segments(program, one(0.3), ScoreFunction{});
    } catch (const Error& e) {
      CAPTURE(e.what());
      CHECK(std::string(e.what()).find("the body of ") != std::string::npos);
      CHECK(std::string(e.what()).find("changes something besides its state") != std::string::npos);
      caught = true;
    } catch (const InvalidArgument& e) {  // debug builds see the variable itself
      CHECK(std::string(e.what()).find("rewound since") != std::string::npos);
      caught = true;
    }
    CHECK(caught);
    CHECK_NOTHROW(in_segments(program, one(0.3), ScoreFunction{}, 1'000'000));
    ++k;
  }
  int calls = 0;
  const auto other = [&calls]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = ++calls * theta[0];
    draw.iterate(x, 40, [&](S& y, int) { y += draw(Bernoulli(logistic(theta[0]))); });
    return x;
  };
  CHECK_THROWS_WITH_AS(in_segments(other, one(0.3), ScoreFunction{}), doctest::Contains("depends on more than theta and its draws"),
                       Error);
}

TEST_CASE("a state whose variables cannot be seen is refused") {
  const auto refused = [](const auto& make) {
    const auto program = [&make]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
      auto state = make(theta[0]);
      draw.iterate(state, 40, [&](auto&, int) { draw(Bernoulli(logistic(theta[0]))); });
      return theta[0];
    };
    CHECK_THROWS_WITH_AS(in_segments(program, one(0.3), ScoreFunction{}),
                         doctest::Contains("the variables of its state must be visible"), Refusal);
    CHECK_NOTHROW(in_segments(program, one(0.3), ScoreFunction{}, 0));
  };
  refused([]<class S>(const S& x) {
    class Hidden {
     public:
      explicit Hidden(const S& y) : y_(y) {}
      bool operator==(const Hidden&) const = default;

     private:
      S y_;
    };
    return Hidden(x);
  });
  refused([]<class S>(const S& x) { return std::make_shared<S>(x); });
}

TEST_CASE("an outcome of probability 0 in a segment") {
  // Its probability is c theta^2 x: it moves, it does not, or the state that it depends on moves with theta, which is not known in
  // time.
  const auto program = [](double x, bool through_state) {
    return [x, through_state]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
      S state = through_state ? S(x * theta[0]) : S(x);
      draw.iterate(state, 20, [&](S& y, int t) {
        draw(Bernoulli(logistic(theta[0])));
        if (t == 15) y += draw(Bernoulli(through_state ? y : S(y * theta[0])));
      });
      return state;
    };
  };
  CHECK_NOTHROW(in_segments(program(0, false), one(0), ScoreFunction{}));
  CHECK_THROWS_WITH_AS(in_segments(program(1, false), one(0), ScoreFunction{}),
                       doctest::Contains("has probability 0, which moves with theta"), Refusal);
  CHECK_THROWS_WITH_AS(in_segments(program(1, true), one(0), ScoreFunction{}),
                       doctest::Contains("cannot be told in a recording in segments"), Refusal);
  CHECK_NOTHROW(in_segments(program(1, true), one(0.5), ScoreFunction{}));
}

TEST_CASE("a descent in segments, and what a state counts") {
  const auto descent = [](std::size_t bytes) {
    return minimize(walk, Eigen::Vector2d(1.5, 0.9), ScoreFunction{}, Adam{0.05},
                    {.iterations = 10, .samples = 4, .loops = {.recording = bytes}, .display = Display::none})
        .theta;
  };
  CHECK((descent(2000) - descent(0)).norm() < 1e-10);
  struct Town {
    std::vector<double> cars;
    int steps;
  };
  CHECK(detail::bytes_of(Town{std::vector<double>(5), 1}) == sizeof(std::vector<double>) + 40 + 4);
  Trace<double> trace(walk, Eigen::Vector2d(1.5, 0.9));
  CHECK(trace.run({3, 1}) == trace.run({3, 1}, Eigen::Vector2d(1.5, 0.9)));
}
