// Metrics of synthetic estimators whose bias, variance, zeros and tails are known exactly, and diagnostics of programs whose
// interaction orders are.
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <boost/random/normal_distribution.hpp>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// No draws of its own: the synthetic estimators bring their noise.
const auto linear = []<class S>(Sampler<S>&, const Vector<S>& t) -> S { return 3 * t[0] + 4 * t[1]; };

/// With probability `zero` a zero draw, else truth + bias + noise of standard deviation `noise` per coordinate, all divided by
/// 1 - zero: the mean is truth + bias. With probability `spike` the draw is 1 / spike times as large and else nothing.
struct Synthetic {
  double bias = 0, noise = 0, zero = 0, spike = 1;
  bool second = true;  ///< whether coordinate 1 is ever hit
  static constexpr bool unbiased = true;
  std::string name() const { return "Synthetic"; }
  template <class T>
  void sample(Trace<T>&, const SampleContext& context, GradientDraw& out) const {
    Generator words = context.choices();
    boost::random::normal_distribution<double> normal(0, noise);
    if (words.uniform() < zero || words.uniform() >= spike) return;
    out.gradient[0] = (3 + bias + (noise > 0 ? normal(words) : 0)) / (1 - zero) / spike;
    if (second) out.gradient[1] = (4 + (noise > 0 ? normal(words) : 0)) / (1 - zero) / spike;
  }
};

ComparisonRow row_of(const Synthetic& estimator, std::uint64_t samples = 20'000) {
  const Eigen::Vector2d theta(1, 1);
  Exact truth;
  truth.value = 0;
  truth.gradient = Eigen::Vector2d(3, 4);
  return compare(linear, theta, {estimator}, {.samples = samples, .truth = truth}).rows[0];
}

/// Cost of n fair coins; theta are the logits, so that every |d_c p| is 1/4.
enum class Cost { linear, parity, quadratic };
struct Coins {
  Cost cost;
  int n;
  template <class S>
  S operator()(const std::vector<S>& x) const {
    S sum = 0, sign = 1;
    for (int i = 0; i < n; ++i) {
      const S y = 2 * x[static_cast<std::size_t>(i)] - 1;
      sum += (1 + 0.1 * i) * y;
      if (cost == Cost::parity) sign = sign * y;
    }
    if (cost == Cost::linear) return sum;
    if (cost == Cost::parity) return sign;
    return sum + 0.0953 * sum * sum;
  }
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    std::vector<S> x;
    for (int i = 0; i < n; ++i) x.push_back(S(draw(BernoulliLogit(t[i]))));
    return (*this)(x);
  }
};

/// sum_S |S| f(S)^2 / sum_{S not empty} f(S)^2 from the Walsh coefficients of f, by the fast transform over all 2^n outcomes.
double interaction_order(const Coins& coins) {
  const std::size_t size = std::size_t{1} << coins.n;
  std::vector<double> f;
  for (std::size_t x = 0; x < size; ++x) {
    std::vector<double> bits;
    for (int i = 0; i < coins.n; ++i) bits.push_back(static_cast<double>(x >> i & 1));
    f.push_back(coins(bits));
  }
  for (std::size_t step = 1; step < size; step *= 2)
    for (std::size_t x = 0; x < size; ++x)
      if (!(x & step)) {
        const double a = f[x], b = f[x | step];
        f[x] = a + b;
        f[x | step] = a - b;
      }
  double weighted = 0, total = 0;
  for (std::size_t s = 1; s < size; ++s) {
    weighted += static_cast<double>(std::popcount(s)) * f[s] * f[s];
    total += f[s] * f[s];
  }
  return weighted / total;
}

}  // namespace

TEST_CASE("metrics: bias, variance and verdict of a synthetic estimator") {
  // Bounds of 5 standard errors (two-sided 6e-7) on 4 quantities: false alarms below 1e-5.
  const ComparisonRow row = row_of({.bias = 1, .noise = 2});
  const double n = 20'000;
  CHECK(std::abs(row.relative_bias - 0.2) < 5 * row.relative_bias_error);
  CHECK(row.relative_bias_error == doctest::Approx(2 / std::sqrt(n) / 5).epsilon(0.1));
  CHECK(std::abs(row.total_variance - 8) < 5 * 8 / std::sqrt(n));  // of a sum of two squares of normals: variance 2 * 2 * 4^2
  CHECK(row.minimum_detectable_bias == doctest::Approx(3 * std::sqrt(8 / n) / 5).epsilon(0.05));
  CHECK(row.verdict.starts_with("BIASED"));
  CHECK(row.cosine == doctest::Approx((4 * 3 + 4 * 4) / (std::sqrt(32.0) * 5)).epsilon(0.01));
  CHECK(row.zero_share == 0);
  CHECK(row.hits == std::vector<std::uint64_t>{20'000, 20'000});
  CHECK(row_of({.noise = 2}).verdict.starts_with("unbiased within 1.2 %"));
}

TEST_CASE("metrics: a bias without any noise is infinitely many standard errors") {
  const Eigen::Vector2d theta(1, 1);
  Exact truth;
  truth.gradient = Eigen::Vector2d(3, 4);
  const Comparison c = compare(linear, theta, {Synthetic{.bias = 1}, Synthetic{}, Synthetic{.bias = 1, .noise = 1}},
                               {.samples = 100, .truth = truth});
  CHECK(c.rows[0].verdict == "BIASED 20 %");
  CHECK(std::isinf(c.rows[0].projection_z));
  CHECK(c.rows[1].verdict == "deterministic, exact");
  CHECK(c.rows[1].projection_z == 0);
  CHECK((c.rows[2].projection_z > 3 && c.rows[2].projection_z < 30));
  std::ostringstream text;
  c.print(text);
  const std::string infinite = "∞";
  CHECK(text.str().find(infinite) != std::string::npos);
  CHECK(text.str().find(infinite) == text.str().rfind(infinite));
}

TEST_CASE("metrics: directions of single draws") {
  // Noise s in two dimensions: g . truth / 5 is normal with mean 5 and deviation s.
  const double s = 5;
  const ComparisonRow row = row_of({.noise = s});
  const double descent = std::erfc(-5 / s / std::sqrt(2.0)) / 2;
  CHECK(std::abs(row.draw_descent - descent) < 5 * std::sqrt(descent * (1 - descent) / 20'000));
  // Mean cosine at signal-to-noise 1 in the plane: sqrt(pi / 8) e^(-1/4) (I0(1/4) + I1(1/4)).
  const double cosine = std::sqrt(M_PI / 8) * std::exp(-0.25) * (std::cyl_bessel_i(0, 0.25) + std::cyl_bessel_i(1, 0.25));
  CHECK(std::abs(row.draw_cosine - cosine) < 5 * 0.5 / std::sqrt(20'000));  // deviation of a cosine: below 1/2 here
  const ComparisonRow exact = row_of({});
  CHECK(exact.draw_cosine == doctest::Approx(1));
  CHECK(exact.draw_descent == 1);
}

TEST_CASE("metrics: zero draws, hits and heavy tails") {
  const ComparisonRow sparse = row_of({.noise = 1, .zero = 0.75});
  CHECK(std::abs(sparse.zero_share - 0.75) < 5 * std::sqrt(0.75 * 0.25 / 20'000));
  CHECK(sparse.hits[0] == static_cast<std::uint64_t>(std::llround((1 - sparse.zero_share) * 20'000)));
  CHECK(sparse.draw_descent == doctest::Approx(1 - sparse.zero_share).epsilon(0.001));
  // The mean of squares of g / (1 - zero): 25 + 2 over 1/4, less 25 for the mean.
  CHECK(sparse.total_variance == doctest::Approx(4 * 27 - 25).epsilon(0.03));
  CHECK(sparse.largest_share < 0.01);
  CHECK(sparse.verdict.starts_with("unbiased"));

  const ComparisonRow once = row_of({.noise = 1, .second = false});
  CHECK(once.hits[1] == 0);
  CHECK_FALSE(hit_enough(once, 1));

  const ComparisonRow spikes = row_of({.spike = 1e-4});  // two draws carry everything
  CHECK(spikes.hits[0] < 10);
  CHECK(spikes.largest_share > 0.1);
  CHECK(spikes.verdict == "heavy tail");
}

TEST_CASE("metrics: work, tape and an observed time") {
  const Comparison c = compare(Coins{Cost::linear, 10}, Eigen::VectorXd::Zero(10),
                               {FiniteDifference{}, ScoreFunction{Baseline::none}, StraightThrough{}}, {.samples = 100});
  CHECK(c.rows[0].tape_bytes == 0);  // finite differences record nothing
  CHECK(c.rows[1].tape_bytes > 100);
  CHECK(c.rows[2].tape_bytes > c.rows[1].tape_bytes);  // edges
  for (const ComparisonRow& row : c.rows) CHECK(row.seconds_per_sample > 0);
}

TEST_CASE("interaction order: Walsh coefficients, the diagnostics, and the ratio of second moments agree") {
  // Theorem: with fair coins, equal |d_c p| and uniform choice, one replay has M times the second moment of the score function.
  struct Case {
    Cost cost;
    double order;
  };
  for (const Case& k : {Case{Cost::linear, 1.0}, Case{Cost::parity, 10.0}, Case{Cost::quadratic, 0.0}}) {
    const Coins coins{k.cost, 10};
    const double order = interaction_order(coins);
    CAPTURE(order);
    if (k.order > 0) CHECK(order == doctest::Approx(k.order).epsilon(1e-12));
    else CHECK(order == doctest::Approx(1.26).epsilon(0.01));

    const Eigen::VectorXd theta = Eigen::VectorXd::Zero(10);
    const ReplayDiagnostics d = diagnose_replays(coins, theta, {.paths = 200, .seed = 3});
    CHECK(d.replays == 2000);
    CHECK(d.replay_cost == doctest::Approx(0.55));  // (10 + 9 + ... + 1) / 10 / 10
    CHECK(std::abs(d.interaction_order - order) < 5 * d.interaction_order_error + 1e-12);
    CHECK(d.interaction_order_error < 0.12 * order);

    const Comparison c = compare(coins, theta,
                                 {StochasticDerivative{1, SiteChoice::uniform}, ScoreFunction{}, StochasticDerivative{0},
                                  StochasticDerivative{1}, DebiasedSurrogate{1}},
                                 {.samples = 20'000, .seed = 5});
    const auto second_moment = [&](std::size_t i) { return c.rows[i].total_variance + c.rows[i].gradient.squaredNorm(); };
    CHECK(second_moment(0) / second_moment(1) == doctest::Approx(order).epsilon(0.05));
    // V_full and R are the variances of the estimators that they speak of.
    const double scale = second_moment(1), floor = c.rows[2].total_variance;
    CHECK(std::abs(d.full_variance - floor) < 0.2 * floor + 1e-9 * scale);
    CHECK(std::abs(d.replay_excess + floor - c.rows[3].total_variance) < 0.05 * scale + 0.1 * c.rows[3].total_variance);
    CHECK(std::abs(d.surrogate_excess + floor - c.rows[4].total_variance) < 0.05 * scale + 0.1 * c.rows[4].total_variance);
  }
}

TEST_CASE("diagnostics: what the surrogate explains, and who is to blame") {
  // Additive cost with weights 1, 1.1, ...: straight-through is exact.
  const Coins additive{Cost::linear, 10};
  const Eigen::VectorXd theta = Eigen::VectorXd::Zero(10);
  ReplayDiagnostics d = diagnose_replays(additive, theta, {.paths = 50});
  CHECK(d.residual_order == 0);
  CHECK(d.full_variance == 0);
  CHECK(std::isinf(d.optimal_replays));
  CHECK(d.by_bias.empty());
  REQUIRE(d.by_replay.size() == 5);
  CHECK(d.by_replay[0].site == 9);  // the largest weight
  CHECK(d.by_replay[0].law == "BernoulliLogit");
  // E Delta_i^2 in proportion to the square of the weight; q is uniform up to the random directions.
  double squares = 0;
  for (int i = 0; i < 10; ++i) squares += std::pow(1 + 0.1 * i, 2);
  CHECK(d.by_replay[0].replay_share == doctest::Approx(std::pow(1.9, 2) / squares).epsilon(0.3));
  CHECK(d.by_score[0].score_share == doctest::Approx(0.1).epsilon(0.01));

  // x_0 is read by an if: the surrogate does not see it. Delta_0 = 6, |d_c p| = 1/4.
  const auto branch = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    if (draw(BernoulliLogit(t[0]))) return 6 + S(draw(BernoulliLogit(t[1])));
    return S(draw(BernoulliLogit(t[1])));
  };
  d = diagnose_replays(branch, Eigen::Vector2d::Zero(), {.paths = 20});
  REQUIRE(d.by_bias.size() == 1);
  CHECK(d.by_bias[0].site == 0);
  CHECK(d.by_bias[0].bias == doctest::Approx(1.5));
  CHECK(d.by_bias[0].bias_error == doctest::Approx(0));
  // Var(6 x_0 + x_1) = 9 + 1/4, of which the surrogate leaves the 9.
  CHECK(std::abs(d.residual_order - 36 / 37.0) < 5 * d.residual_order_error + 1e-12);
  CHECK(std::abs(d.interaction_order - 1) < 5 * d.interaction_order_error + 1e-12);
}

TEST_CASE("diagnostics: laws with more outcomes, and the work is bounded") {
  // f = Poisson(4) + 2 Binomial(5, 1/2): additive, so M = 1 whatever the laws. Replays bounded after the second path.
  const auto counts = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return draw(Poisson(exp(t[0]))) + 2 * draw(Binomial(5, logistic(t[1])));
  };
  const Eigen::Vector2d theta(std::log(4.0), 0);
  const ReplayDiagnostics d = diagnose_replays(counts, theta, {.paths = 400});
  CHECK(d.paths == 400);
  CHECK(std::abs(d.interaction_order - 1) < 5 * d.interaction_order_error);
  CHECK(d.interaction_order_error < 0.1);
  CHECK(std::abs(d.cost_variance - 9) < 1);  // 4 + 4 * 5/4
  CHECK(diagnose_replays(counts, theta, {.paths = 400, .max_replays = 3}).paths == 2);
  CHECK_THROWS_AS(diagnose_replays(counts, theta, {.paths = 1}), InvalidArgument);
}

TEST_CASE("optimisation: losses against work, failures counted") {
  const Coins coins{Cost::quadratic, 6};
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(6, 0.5);
  const auto loss = [&](const Eigen::VectorXd& t) { return enumerate(coins, t).value; };
  const std::vector<AnyEstimator> estimators = {LeaveOneOut{2}, StochasticDerivative{4}, Synthetic{.bias = -1e3, .second = false},
                                                Enumeration{.max_leaves = 3}};
  const OptimisationOptions options{.work = 2000, .samples = 8, .seeds = 5, .checkpoints = 10, .loss = loss, .name = "coins"};
  const Optimisation o = compare_optimisation(coins, theta, estimators, Adam{0.05}, options);
  CHECK(o.optimizer == "Adam(0.05)");
  REQUIRE(o.work.size() == 11);
  CHECK(o.work.back() == 2000);
  const OptimisationRow& row = o.rows[0];
  CHECK(row.iterations == 125);  // 2000 / (8 * 2)
  CHECK(row.runs_per_iteration == 16);
  CHECK(row.diverged == 0);
  CHECK(row.loss.front() == doctest::Approx(loss(theta)));
  CHECK(row.final_loss < row.loss.front() - 1);
  CHECK(row.final_loss_error > 0);
  double area = 0;
  for (std::size_t c = 1; c < row.loss.size(); ++c) area += (row.loss[c - 1] + row.loss[c]) / 2 / 10;
  CHECK(row.area == doctest::Approx(area));
  // The same as minimize() alone.
  double mean = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    mean += loss(minimize(coins, theta, LeaveOneOut{2}, Adam{0.05}, {.iterations = 125, .samples = 8, .seed = seed, .average = 0})
                     .theta) /
            5;
  CHECK(row.final_loss == doctest::Approx(mean).epsilon(1e-12));
  CHECK(o.rows[2].diverged == 5);  // uphill
  CHECK(std::isnan(o.rows[2].final_loss));
  CHECK(o.rows[3].skipped.find("sequences") != std::string::npos);

  OptimisationOptions serial = options;
  serial.threads = 1;
  CHECK(compare_optimisation(coins, theta, estimators, Adam{0.05}, serial).rows[1].loss == o.rows[1].loss);
  serial.seeds = 0;
  CHECK_THROWS_AS(compare_optimisation(coins, theta, estimators, Adam{0.05}, serial), InvalidArgument);
}

TEST_CASE("optimisation: a program that fails on the way is a divergence with its reason") {
  const auto fails = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return -1.0 * draw(Bernoulli(t[0])); };
  const Optimisation o = compare_optimisation(fails, Eigen::VectorXd::Constant(1, 0.9), {LeaveOneOut{2}}, Sgd{1},
                                              {.work = 1000, .seeds = 2, .checkpoints = 2});
  CHECK(o.rows[0].diverged == 2);
  REQUIRE(o.rows[0].notes.size() == 2);
  CHECK(o.rows[0].notes[0].find("outside [0, 1]") != std::string::npos);
}
