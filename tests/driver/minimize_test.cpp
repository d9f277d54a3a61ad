#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <sstream>
#include <vector>

#include <doctest/doctest.h>

#include <stoat/distributions/bernoulli.hpp>
#include <stoat/distributions/categorical.hpp>
#include <stoat/distributions/poisson.hpp>
#include <stoat/driver/minimize.hpp>
#include <stoat/estimators/auto.hpp>
#include <stoat/estimators/enumeration.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>

#include "files.hpp"

using namespace stoat;

namespace {

/// A rate r, a chance p and a simplex q: E (k - 3)^2 - E b + p^2 + E w_c + |q|^2, k of Poisson(r), w = (0, 0.2, 0.4). The minimum
/// is at r = 2.5, p = 1/2 and q_i = (nu - w_i) / 2 with sum 1.
const Program<double>& mixed() {
  static const Program<double> program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S k = draw(Poisson(t[0])), b = draw(Bernoulli(t[1]));
    const auto c = draw(Categorical(Vector<S>(t.segment(2, 3)))).value();
    return square(k - 3) - b + t[1] * t[1] + 0.2 * static_cast<double>(c) + dot(t.segment(2, 3), t.segment(2, 3));
  };
  return program;
}
Constraints mixed_constraints() { return Constraints{}.positive(0).interval(1, 1, 0, 1).simplex(2, 3); }
Eigen::VectorXd mixed_start() {
  Eigen::VectorXd theta(5);
  theta << 6, 0.9, 0.1, 0.1, 0.8;
  return theta;
}
Eigen::VectorXd mixed_minimum() {
  Eigen::VectorXd theta(5);
  const double nu = 2.6 / 3;
  theta << 2.5, 0.5, nu / 2, (nu - 0.2) / 2, (nu - 0.4) / 2;
  return theta;
}

/// E (b_1 - 0.3)^2 + (b_2 - 0.3)^2 = 0.18 + 0.4 (p_1 + p_2) with p of a logit each: the gradient never vanishes. Not constrained.
const Program<double>& slope() {
  static const Program<double> program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(BernoulliLogit(t[0])), b = draw(BernoulliLogit(t[1]));
    return square(a - 0.3) + square(b - 0.3);
  };
  return program;
}

/// E theta^2 + noise of a coin: noise in the cost, none in the gradient but at theta = 0 by the coin's own parameter.
const Program<double>& bowl() {
  static const Program<double> program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S noise = draw(Bernoulli(0.5));
    return square(t[0]) + noise;
  };
  return program;
}

bool same_bits(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * 8) == 0);
}
/// Everything but the time.
bool same(const Minimum& a, const Minimum& b) {
  bool equal = same_bits(a.theta, b.theta) && a.value == b.value && a.value_error == b.value_error && a.samples == b.samples &&
               a.work.runs == b.work.runs && a.work.sweeps == b.work.sweeps && a.stopped == b.stopped &&
               a.trace.size() == b.trace.size();
  for (std::size_t i = 0; equal && i < a.trace.size(); ++i) {
    const MinimizeStep &s = a.trace[i], &t = b.trace[i];
    equal = s.iteration == t.iteration && s.value == t.value && s.value_error == t.value_error && s.samples == t.samples &&
            s.gradient_norm == t.gradient_norm && s.gradient_error == t.gradient_error && s.factor == t.factor &&
            s.work == t.work && same_bits(s.theta, t.theta) && same_bits(s.gradient, t.gradient);
  }
  return equal;
}

struct Interrupted {};

}  // namespace

TEST_CASE("a descent under constraints finds the minimum and stays inside") {
  for (const Optimizer& optimizer : {Optimizer(Adam{0.03}), Optimizer(Sgd{0.03, 0.5}), Optimizer(Smorms3{0.03})}) {
    CAPTURE(optimizer.name());
    const Minimum m =
        minimize(mixed(), mixed_start(), StochasticDerivative{3}, optimizer,
                 {.iterations = 1200, .samples = 16, .threads = 1, .average = 0.4, .constraints = mixed_constraints()});
    CHECK((m.theta - mixed_minimum()).cwiseAbs().maxCoeff() < 0.06);
    CHECK(std::abs(m.value - 3.01333) < 5 * m.value_error + 0.01);
    CHECK(m.theta.tail(3).sum() == doctest::Approx(1));
    for (const MinimizeStep& s : m.trace) {
      REQUIRE(s.theta.minCoeff() > 0);
      REQUIRE(s.theta.tail(4).maxCoeff() < 1);
    }
  }
  // One step by hand: x - rate J^T g with the gradient of the trace.
  const Minimum one =
      minimize(mixed(), mixed_start(), StochasticDerivative{}, Sgd{0.01},
               {.iterations = 1, .average = 0, .constraints = mixed_constraints(), .schedule = schedule::exponential(0.5)});
  const Eigen::VectorXd g = one.trace[0].gradient, at = mixed_start();
  CHECK(one.theta[0] == doctest::Approx(std::exp(std::log(6) - 0.01 * g[0] * 6)));
  CHECK(one.theta[1] == doctest::Approx(1 / (1 + std::exp(-std::log(9) + 0.01 * g[1] * 0.09))));
  const double inner = at.tail(3).dot(g.tail(3));
  const Eigen::ArrayXd q = at.tail(3).array() * (-0.01 * at.tail(3).array() * (g.tail(3).array() - inner)).exp();
  CHECK(one.theta.tail(3).isApprox((q / q.sum()).matrix(), 1e-12));
}

TEST_CASE("the rate follows a schedule") {
  MinimizeOptions options{.iterations = 4, .average = 0};
  options.schedule = schedule::steps(2, 0.25);
  const Minimum m = minimize(bowl(), Eigen::VectorXd::Ones(1), Enumeration{}, Sgd{0.25}, options);
  // theta <- theta (1 - rate * 2): halved twice, then times 7/8.
  CHECK(m.theta[0] == doctest::Approx(0.25 * 0.875 * 0.875));
  CHECK(m.trace[2].factor == 0.25);
  CHECK(m.trace[1].theta[0] == doctest::Approx(0.5));
  CHECK(m.trace[1].samples == 1);  // a deterministic estimator
  CHECK(m.trace[1].gradient_norm == doctest::Approx(1));
  CHECK(m.trace[1].gradient_error == 0);
  options.schedule = [](int done) { return done == 2 ? -1.0 : 1.0; };
  CHECK_THROWS_WITH_AS(minimize(bowl(), Eigen::VectorXd::Ones(1), Enumeration{}, Sgd{0.25}, options),
                       "minimize: iteration 2: schedule = -1 is outside [0, infinity)", InvalidArgument);
}

TEST_CASE("the number of draws is the one at which the noise passes the test") {
  // Steps too short to move: the number settles at V / (noise^2 signal), V and signal known from a long estimate.
  const Eigen::VectorXd theta = Eigen::Vector2d(0.5, -1.5);
  const Estimate e = estimate(slope(), theta, StochasticDerivative{}, {.samples = 100'000, .covariance = true});
  const double square = e.gradient.squaredNorm();
  const double along = e.gradient.dot(e.covariance * e.gradient) * static_cast<double>(e.samples) / square;
  const auto settled = [&](SampleTest test, double noise, const AnyEstimator& estimator, const Constraints& constraints = {}) {
    const Minimum m = minimize(slope(), theta, estimator, Sgd{1e-9},
                               {.iterations = 150,
                                .samples = 2,
                                .threads = 1,
                                .max_samples = 100'000,
                                .noise = noise,
                                .test = test,
                                .constraints = constraints});
    double mean = 0;
    for (std::size_t i = 1; i < 150; ++i) {
      REQUIRE(m.trace[i].samples <= 2 * m.trace[i - 1].samples);
      REQUIRE(2 * m.trace[i].samples >= m.trace[i - 1].samples);
      if (i >= 50) mean += static_cast<double>(m.trace[i].samples) / 100;
    }
    return mean;
  };
  CHECK(settled(SampleTest::norm, 0.05, StochasticDerivative{}) ==
        doctest::Approx(e.total_variance / square / 0.0025).epsilon(0.1));
  CHECK(settled(SampleTest::inner_product, 0.01, StochasticDerivative{}) == doctest::Approx(along / square / 0.0001).epsilon(0.1));
  // In free coordinates the same, with the first coordinate scaled by J = theta[0].
  const double j = 0.5, scaled = std::pow(j * e.gradient[0], 2) + std::pow(e.gradient[1], 2),
               noise = (j * j * e.covariance(0, 0) + e.covariance(1, 1)) * static_cast<double>(e.samples);
  CHECK(settled(SampleTest::norm, 0.05, StochasticDerivative{}, Constraints{}.positive(0)) ==
        doctest::Approx(noise / scaled / 0.0025).epsilon(0.1));
}

TEST_CASE("what noise adds to the length of a gradient does not count") {
  // Near the minimum one draw is mostly noise. Left in, V / n of |h|^2 would halve the number of draws for noise = 0.7.
  Eigen::VectorXd theta = mixed_minimum();
  theta[0] = 2.8;
  const Estimate e = estimate(mixed(), theta, ScoreFunction{}, {.samples = 100'000});
  const double expected = e.total_variance / e.gradient.squaredNorm() / 0.49;
  const Minimum m = minimize(mixed(), theta, ScoreFunction{}, Sgd{1e-9},
                             {.iterations = 400, .samples = 2, .threads = 1, .max_samples = 100'000, .noise = 0.7});
  std::vector<double> sizes;
  for (std::size_t i = 50; i < 400; ++i) sizes.push_back(static_cast<double>(m.trace[i].samples));
  std::nth_element(sizes.begin(), sizes.begin() + 175, sizes.end());
  CHECK(sizes[175] == doctest::Approx(expected).epsilon(0.3));
}

TEST_CASE("draws are few far from the minimum and many near to it, with the same bits on any number of threads") {
  const auto descent = [](int threads, SampleTest test) {
    return minimize(mixed(), mixed_start(), StochasticDerivative{}, Sgd{0.002},
                    {.iterations = 150,
                     .samples = 4,
                     .threads = threads,
                     .max_samples = 200,
                     .noise = 1.5,
                     .test = test,
                     .constraints = mixed_constraints()});
  };
  for (const SampleTest test : {SampleTest::norm, SampleTest::inner_product}) {
    const Minimum m = descent(1, test);
    CHECK(m.trace[5].samples < 40);
    std::uint64_t most = 0, sum = 0;
    for (const MinimizeStep& s : m.trace) most = std::max(most, s.samples), sum += s.samples;
    CHECK(most == 200);
    CHECK(sum == m.samples);
    CHECK(same(m, descent(3, test)));
  }
}

TEST_CASE("common random numbers: the same runs in every iteration") {
  MinimizeOptions options{.iterations = 6, .samples = 50, .threads = 1, .average = 0.5, .common_random_numbers = true};
  const Minimum m = minimize(mixed(), mixed_minimum(), StochasticDerivative{}, Sgd{1e-12}, options);
  for (const MinimizeStep& s : m.trace) CHECK(s.value == doctest::Approx(m.trace[0].value).epsilon(1e-9));
  CHECK(m.value_error == doctest::Approx(m.trace[0].value_error).epsilon(1e-6));  // no smaller for being the mean of three
  options.common_random_numbers = false;
  const Minimum fresh = minimize(mixed(), mixed_minimum(), StochasticDerivative{}, Sgd{1e-12}, options);
  CHECK(std::abs(fresh.trace[1].value - fresh.trace[0].value) > 1e-3);
  CHECK(fresh.value_error < 0.8 * fresh.trace[0].value_error);
}

TEST_CASE("a descent stops when a window shows no progress") {
  // At the minimum the line's slope is Student's t: 5 % of the first windows show a fall that is none. The coin alone is noise. The
  // bounds are 4.5 standard deviations of the binomial count.
  int went_on = 0;
  const int seeds = 400;
  MinimizeOptions options{.iterations = 40, .samples = 4, .threads = 1, .window = 20};
  for (int seed = 1; seed <= seeds; ++seed) {
    options.seed = static_cast<std::uint64_t>(seed);
    const Minimum m = minimize(bowl(), Eigen::VectorXd::Zero(1), StochasticDerivative{}, Sgd{0.1}, options);
    went_on += m.trace.size() > 20;
    if (m.trace.size() == 20) REQUIRE(m.stopped == Stopped::converged);
  }
  CHECK(std::abs(went_on - 0.05 * seeds) < 4.5 * std::sqrt(0.05 * 0.95 * seeds));

  // On the way down it goes on, then it stops, and says so.
  options = {.iterations = 1000, .samples = 64, .threads = 1, .window = 20, .confidence = 0.99};
  const Minimum m = minimize(bowl(), Eigen::VectorXd::Constant(1, 5.0), StochasticDerivative{}, Sgd{0.03}, options);
  CHECK(m.stopped == Stopped::converged);
  CHECK(m.trace.size() >= 60);
  CHECK(m.trace.size() < 200);
  CHECK(m.trace.size() % 20 == 0);
  CHECK(std::abs(m.theta[0]) < 0.3);
  CHECK(m.decrease < 2.6 * m.decrease_error);
  std::ostringstream text;
  text << m;
  CHECK(text.str().find("stopped: converged: no further progress can be told from noise\n") != std::string::npos);
  CHECK(text.str().find("over the last window") != std::string::npos);

  // Without noise: SGD on a plane falls by rate |g|^2 = 0.01 in every iteration, which is 0.09 in a window of 10.
  const auto plane = []<class S>(Sampler<S>&, const Vector<S>& t) -> S { return t[0]; };
  options = {.iterations = 25, .threads = 1, .window = 10, .tolerance = 0.08};
  const Minimum falls = minimize(plane, Eigen::VectorXd::Ones(1), Enumeration{}, Sgd{0.01}, options);
  CHECK(falls.stopped == Stopped::iterations);
  CHECK(falls.decrease == doctest::Approx(0.09));
  CHECK(falls.decrease_error < 1e-9);
  options.tolerance = 0.1;
  CHECK(minimize(plane, Eigen::VectorXd::Ones(1), Enumeration{}, Sgd{0.01}, options).trace.size() == 10);
}

TEST_CASE("a descent stops when its time is up") {
  const Minimum m = minimize(bowl(), Eigen::VectorXd::Ones(1), StochasticDerivative{}, Sgd{0.1},
                             {.iterations = 100'000'000, .threads = 1, .time_limit = 0.05});
  CHECK(m.stopped == Stopped::time_limit);
  CHECK(m.trace.size() > 1);
  std::ostringstream text;
  text << m;
  CHECK(text.str().find("stopped: the time was up") != std::string::npos);
}

TEST_CASE("without points the trace is thin and the average the same") {
  MinimizeOptions options{.iterations = 40, .samples = 4, .threads = 1, .average = 0.3};
  const Minimum kept = minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1}, options);
  options.points = false;
  const Minimum thin = minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1}, options);
  CHECK(thin.theta.isApprox(kept.theta, 1e-13));
  CHECK(thin.value == kept.value);
  CHECK(thin.trace[3].theta.size() == 0);
  options.average = 0;
  const Minimum last = minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1}, options);
  options.points = true;
  CHECK(same_bits(last.theta, minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1}, options).theta));
}

TEST_CASE("an interrupted descent goes on with the same bits") {
  const Folder folder("minimize-resume");
  const auto check = [&](const AnyEstimator& estimator, const Optimizer& optimizer, MinimizeOptions options) {
    CAPTURE(estimator.name());
    CAPTURE(optimizer.name());
    const Minimum whole = minimize(mixed(), mixed_start(), estimator, optimizer, options);
    options.checkpoint = folder / "descent.checkpoint";
    options.checkpoint_every = 7;
    options.progress = [](int iteration, double) {
      if (iteration == 25) throw Interrupted();
    };
    CHECK_THROWS_AS(minimize(mixed(), mixed_start(), estimator, optimizer, options), Interrupted);
    options.progress = nullptr;
    options.threads = 2;
    const Minimum rest = minimize(mixed(), mixed_start(), estimator, optimizer, options);
    CHECK(rest.resumed == 21);
    CHECK(same(rest, whole));
    const Minimum again = minimize(mixed(), mixed_start(), estimator, optimizer, options);
    CHECK(again.resumed == static_cast<int>(whole.trace.size()));
    CHECK(same(again, whole));
    options.resume = false;
    options.progress = [](int, double) { throw Interrupted(); };
    CHECK_THROWS_AS(minimize(mixed(), mixed_start(), estimator, optimizer, options), Interrupted);
    options.resume = true;
    options.progress = nullptr;
    options.iterations -= 20;
    if (options.points)
      CHECK_THROWS_WITH_AS(minimize(mixed(), mixed_start(), estimator, optimizer, options),
                           doctest::Contains("more than iterations"), InvalidArgument);
    std::filesystem::remove(options.checkpoint);
  };
  MinimizeOptions options{.iterations = 40, .samples = 8, .threads = 1, .max_samples = 64, .constraints = mixed_constraints()};
  options.schedule = schedule::cosine(60);
  check(StochasticDerivative{}, Adam{0.05}, options);
  options.test = SampleTest::inner_product;
  options.noise = 2;  // so that the number of draws goes up and down
  options.max_samples = 10'000;
  check(ScoreFunction{}, Sgd{0.01, 0.9}, options);  // has a mean cost from the iteration before
  options.points = false;
  options.max_samples = 0;
  check(LeaveOneOut{2}, Smorms3{0.05}, options);
  options.points = true;
  options.common_random_numbers = true;
  // Learns at the start and twice on the way: 10 times the work of learning lies between.
  options.samples = 32;
  check(Auto{.candidates = {StochasticDerivative{}, ScoreFunctionMartingale{.pilot = 8}}, .pilot = 8}, Adam{0.05}, options);
}

TEST_CASE("more iterations may follow; a descent that has converged has") {
  const Folder folder("minimize-more");
  MinimizeOptions options{.iterations = 30, .samples = 8, .threads = 1, .window = 10};
  options.confidence = 0.51;
  options.constraints = mixed_constraints();
  options.tolerance = 1e6;
  options.checkpoint = folder / "descent.checkpoint";
  CHECK(minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.05}, options).trace.size() == 10);
  options.iterations = 60;
  const Minimum again = minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.05}, options);
  CHECK(again.stopped == Stopped::converged);
  CHECK(again.trace.size() == 10);
  options.window = 0;
  const Minimum more = minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.05}, options);
  CHECK(more.resumed == 10);
  options.checkpoint.clear();
  CHECK(same(more, minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.05}, options)));
}

TEST_CASE("the checkpoint of another descent is refused, by what differs, and a damaged one is noticed") {
  const Folder folder("minimize-refused");
  MinimizeOptions options{.iterations = 3, .samples = 4, .threads = 1, .constraints = mixed_constraints()};
  options.checkpoint = folder / "d.checkpoint";
  minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, options);
  const std::string good = content(options.checkpoint);
  const auto refused = [&](const Program<double>& program, const Eigen::VectorXd& start, const AnyEstimator& estimator,
                           const Optimizer& optimizer, const MinimizeOptions& changed, const char* message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(minimize(program, start, estimator, optimizer, changed), doctest::Contains(message), InvalidArgument);
    CHECK((content(options.checkpoint) == good));
  };
  MinimizeOptions changed = options;
  changed.seed = 2;
  refused(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, changed, "seed is 1 there and 2 here; remove it to start anew");
  changed = options, changed.samples = 5;
  refused(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, changed, "samples is 4 there and 5 here");
  changed = options, changed.max_samples = 50;
  refused(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, changed, "max_samples is missing there and 50 here");
  changed = options, changed.constraints = Constraints{}.positive(0, 2).simplex(2, 3);
  refused(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, changed, "constraints is \"interval [0, 1) in (0, inf); inter");
  changed = options, changed.common_random_numbers = true;
  refused(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, changed, "common_random_numbers is false there");
  changed = options, changed.schedule = schedule::exponential(0.9);
  refused(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, changed, "schedule is null there and [1.0,0.9,");
  refused(mixed(), mixed_start(), LeaveOneOut{2}, Adam{0.1}, options,
          "estimator is \"ScoreFunction\" there and \"LeaveOneOut(2)\"");
  refused(mixed(), mixed_start(), ScoreFunction{}, Sgd{0.1}, options, "optimizer is \"Adam(rate 0.1,");
  refused(slope(), mixed_start(), ScoreFunction{}, Adam{0.1}, options, "program/costs is");
  Eigen::VectorXd other = mixed_start();
  other[0] = 6.0001;
  refused(mixed(), other, ScoreFunction{}, Adam{0.1}, options, "start/checksum differs");

  const auto damaged = [&](const std::string& bytes, const char* message) {
    folder.write("d.checkpoint", bytes);
    CHECK_THROWS_WITH_AS(minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, options), doctest::Contains(message), Error);
    CHECK((content(options.checkpoint) == bytes));
  };
  for (std::size_t length = 0; length < good.size(); length += good.size() / 13) damaged(good.substr(0, length), "d.checkpoint");
  for (std::size_t at = 3; at < good.size(); at += good.size() / 23) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    damaged(flipped, "d.checkpoint");
  }
  std::string training = good;
  training.replace(training.find("stoat descent 1"), 15, "stoat training1");
  damaged(training, "it has another format: \"stoat training1\" instead of \"stoat descent 1\"");
  folder.write("d.checkpoint", good);
  CHECK(minimize(mixed(), mixed_start(), ScoreFunction{}, Adam{0.1}, options).resumed == 3);
}

TEST_CASE("a descent as a table, as a picture and on the terminal") {
  const Folder folder("minimize-shown");
  const Minimum m =
      minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1}, {.iterations = 250, .samples = 4, .threads = 1});
  m.write_csv(folder / "descent.csv");
  std::istringstream csv(content(folder / "descent.csv"));
  std::string line;
  std::getline(csv, line);
  CHECK(line == "iteration,samples,value,value_error,gradient_norm,gradient_error,factor,work,seconds,theta_0,theta_1");
  std::getline(csv, line);
  CHECK(line.starts_with("0,4,"));
  CHECK(line.ends_with(",1,2"));
  int lines = 1;
  while (std::getline(csv, line)) ++lines;
  CHECK(lines == 250);
  CHECK_THROWS_AS(m.write_csv(folder / "missing/descent.csv"), Error);

  CHECK_THROWS_AS(Minimum{}.plot_loss(folder / "none.svg"), InvalidArgument);
  if (std::system("command -v gnuplot >/dev/null 2>&1") == 0) {
    m.plot_loss(folder / "loss.svg");
    CHECK(content(folder / "loss.svg").find("95 % confidence") != std::string::npos);
    std::istringstream data(content(folder / "loss.csv"));
    std::getline(data, line);
    CHECK(line == "iteration,loss,lower,upper");
    std::getline(data, line);
    double at = 0, mean = 0, lower = 0, upper = 0;
    CHECK(std::sscanf(line.c_str(), "%lf,%lf,%lf,%lf", &at, &mean, &lower, &upper) == 4);
    CHECK(at == 0.5);
    CHECK(mean == doctest::Approx((m.trace[0].value + m.trace[1].value) / 2));
    CHECK(upper - mean == doctest::Approx(1.959964 * std::hypot(m.trace[0].value_error, m.trace[1].value_error) / 2));
    CHECK(mean - lower == doctest::Approx(upper - mean));
  }

  const auto shown = [](Display display) {
    std::ostringstream text;
    std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
    minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1},
             {.iterations = 40, .samples = 4, .threads = 1, .display = display});
    std::cerr.rdbuf(before);
    return text.str();
  };
  CHECK(shown(Display::none).empty());
  CHECK(shown(Display::automatic).empty());  // not within a second, even on a terminal
  const std::string list = shown(Display::lines);
  CHECK(std::count(list.begin(), list.end(), '\n') == 10);
  CHECK(list.starts_with("iteration 4/40  loss "));
  const std::string bar = shown(Display::bar);
  CHECK(bar.starts_with("\r["));
  CHECK(bar.find("] iteration 2/40  loss ") != std::string::npos);
  CHECK(bar.find(" left") != std::string::npos);
}

TEST_CASE("a descent that cannot be is refused by name") {
  const auto refused = [](MinimizeOptions options, const char* message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(minimize(slope(), Eigen::Vector2d(1, 2), ScoreFunction{}, Adam{0.1}, options), doctest::Contains(message),
                         InvalidArgument);
  };
  refused({.samples = 0}, "minimize: samples = 0 is outside [1, infinity)");
  refused({.samples = 1, .max_samples = 10}, "samples = 1 is outside [2, max_samples]");
  refused({.average = 1.5}, "average = 1.5 is outside [0, 1]");
  refused({.noise = 0}, "noise = 0 is outside (0, infinity)");
  refused({.window = 5}, "window = 5 is outside {0} and [10, infinity)");
  refused({.confidence = 0.5}, "confidence = 0.5 is outside (0.5, 1)");
  refused({.tolerance = -1}, "tolerance = -1 is outside [0, infinity)");
  refused({.time_limit = 0}, "time_limit = 0 is outside (0, infinity]");
  refused({.checkpoint_every = 0}, "checkpoint_every = 0 is outside [1, infinity)");
  refused({.checkpoint = "/nowhere/x"}, "cannot write /nowhere/x: its folder does not exist");
  refused({.constraints = Constraints{}.interval(0, 1, 0, 1)},
          "theta[0] = 1 is outside (0, 1): a descent cannot leave the boundary");
  refused({.constraints = Constraints{}.positive(0, 3)}, "goes beyond the 2 parameters");
  // What goes wrong on the way is told with the iteration.
  const auto breaks = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(0.5)) + log(t[0]); };
  CHECK_THROWS_WITH_AS(minimize(breaks, Eigen::VectorXd::Ones(1), ScoreFunction{}, Sgd{0.3}, {.iterations = 50}),
                       doctest::Contains("minimize: iteration "), Error);
  CHECK_THROWS_WITH_AS(minimize(bowl(), Eigen::VectorXd::Ones(1), ScoreFunction{}, Sgd{1e308}, {.iterations = 9}),
                       doctest::Contains("minimize: iteration 0: after the step coordinate 0 is -inf"), Error);
}
