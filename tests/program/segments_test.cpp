// Loops recorded in segments: the gradients of recordings in one piece, in bounded memory, and never a wrong one.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
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
void check(const Program<T>& program, const Eigen::VectorX<T>& theta, double tolerance,
           const std::vector<AnyEstimator>& estimators) {
  for (const AnyEstimator& e : estimators) {
    CAPTURE(e.name());
    const auto estimated = [&](std::size_t bytes) {
      return estimate(program, theta, e, {.samples = 20, .seed = 5, .threads = 1, .loops = {.recording = bytes}});
    };
    const Estimate whole = estimated(0);
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
