#include "gallery.hpp"

#include <array>
#include <cmath>

using namespace stoat;

// Every truth is computed here by arithmetic that shares nothing with the library. "Reference:" gives the value and derivative
// that were worked out separately, to as many digits as are known.

namespace {

Eigen::VectorXd vector(std::initializer_list<double> values) {
  return Eigen::Map<const Eigen::VectorXd>(values.begin(), static_cast<Eigen::Index>(values.size()));
}

Exact exact(double value, Eigen::VectorXd gradient, std::string source) {
  Exact x;
  x.value = value;
  x.gradient = std::move(gradient);
  x.source = std::move(source);
  return x;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// ---- walks ----------------------------------------------------------------------------------------------------------

/// E X_n^2 = n + n (n - 1) (2p - 1)^2. Reference: 35.2, 304.
GalleryProgram homogeneous_walk() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    for (int i = 0; i < 20; ++i) {
      if (draw(Bernoulli(t[0]))) x += 1;
      else x -= 1;
    }
    return x * x;
  };
  const double n = 20, p = 0.6;
  return {"homogeneous_walk", "20 steps of +-1, squared end point", with_duals(program), vector({p}),
          exact(n + n * (n - 1) * (2 * p - 1) * (2 * p - 1), vector({4 * n * (n - 1) * (2 * p - 1)}), "closed form")};
}

// ---- compositions of laws -------------------------------------------------------------------------------------------

/// 20p^2 + 190p^3 - 210p^4. Reference: 21.024, 47.76.
GalleryProgram introduction() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S p = t[0];
    const S a = p * (1 - p);
    const S b = draw(Binomial(10, p));
    const S c = 2 * b + 3 * draw(Bernoulli(p));
    return a * c * draw(Normal(b, a));
  };
  const double p = 0.6;
  return {
      "introduction", "Binomial, Bernoulli and Normal multiplied", with_duals(program), vector({p}),
      exact(20 * p * p + 190 * p * p * p - 210 * p * p * p * p, vector({40 * p + 570 * p * p - 840 * p * p * p}), "closed form")};
}

/// Bin(Bin(10, p), p) = Bin(10, p^2). Reference: derivative 6.
GalleryProgram nested_binomials() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto n = draw(Binomial(10, t[0]));
    return S(draw(Binomial(n.value(), t[0])));
  };
  const double p = 0.3;
  return {"nested_binomials", "Binomial(Binomial(10, p), p)", with_duals(program), vector({p}),
          exact(10 * p * p, vector({20 * p}), "closed form")};
}

GalleryProgram poisson_times_rate() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return t[0] * draw(Poisson(t[0])); };
  return {"poisson_times_rate", "rate * Poisson(rate): the direct term must not be lost", with_duals(program), vector({3}),
          exact(9, vector({6}), "closed form")};
}

/// Reference: 9.4690837463, .6967761.
GalleryProgram newsvendor() {
  const double rate = 10;
  double pmf = std::exp(-rate), value = 12, below = 0;
  for (int k = 0; k < 12; ++k) {
    value -= (12 - k) * pmf;
    below += pmf;
    pmf *= rate / (k + 1);
  }
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return min(draw(Poisson(t[0])), 12.0); };
  return {"newsvendor", "sales min(D, 12) for a Poisson demand D", with_duals(program), vector({rate}),
          exact(value, vector({below}), "sum over demands; the derivative is P(D < 12)")};
}

/// Reference: 3030, 5050.
GalleryProgram weighted_coins() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S sum = 0;
    for (int i = 1; i <= 100; ++i) sum += i * draw(Bernoulli(t[0]));
    return sum;
  };
  return {"weighted_coins", "sum of i * Bernoulli(p), i = 1 to 100", with_duals(program), vector({0.6}),
          exact(3030, vector({5050}), "closed form")};
}

// ---- indices and branches -------------------------------------------------------------------------------------------

/// Reference: 7.185, -4.05.
GalleryProgram array_index() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const std::array<double, 3> value = {3.5, 5.2, 8.4};
    const Vector<S> p = {t[0] / 2, t[0] / 2, 1 - t[0]};
    return S(value[static_cast<std::size_t>(draw(Categorical(p)).value())]);
  };
  const double p = 0.3;
  return {"array_index", "an array read at a random index", with_duals(program), vector({p}),
          exact(p / 2 * (3.5 + 5.2) + (1 - p) * 8.4, vector({(3.5 + 5.2) / 2 - 8.4}), "closed form")};
}

/// Each element is multiplied by a coin of its own: E = p E value[i], derivative E value[i] + p dE value[i] = 7.185 - 0.3 * 4.05.
/// Reference: derivative 5.97.
GalleryProgram random_array() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const std::array<S, 3> value = {3.5 * draw(Bernoulli(t[0])), 5.2 * draw(Bernoulli(t[0])), 8.4 * draw(Bernoulli(t[0]))};
    const Vector<S> p = {t[0] / 2, t[0] / 2, 1 - t[0]};
    return value[static_cast<std::size_t>(draw(Categorical(p)).value())];
  };
  const double p = 0.3;
  return {"random_array", "a random element of an array whose elements are random", with_duals(program), vector({p}),
          exact(8.4 * p - 4.05 * p * p, vector({8.4 - 8.1 * p}), "closed form")};
}

/// Reference: -5 + 6p, 6.
GalleryProgram coupled_index() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto b = draw(Bernoulli(t[0]));
    const std::array<S, 2> value = {S(-5), S(b)};
    return value[static_cast<std::size_t>(b.value())];
  };
  const double p = 0.3;
  return {"coupled_index", "the same coin is index and element", with_duals(program), vector({p}),
          exact(-5 + 6 * p, vector({6}), "closed form")};
}

/// Reference: p = .4: 1.5, -6.25; squared 6, -43.75.
GalleryProgram geometric_loop(int power) {
  const auto program = [power]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S failures = 0;
    while (!draw(Bernoulli(t[0]))) failures += 1;
    return power == 1 ? failures : S(failures * failures);
  };
  const double p = 0.4;
  if (power == 1)
    return {"geometric_loop", "failures before a success, by a while loop", with_duals(program), vector({p}),
            exact((1 - p) / p, vector({-1 / (p * p)}), "closed form")};
  return {"geometric_loop_squared", "the same, squared", with_duals(program), vector({p}),
          exact((1 - p) * (2 - p) / (p * p), vector({-4 / (p * p * p) + 3 / (p * p)}), "closed form")};
}

/// Reference: 33.7222222, -810.7407407.
GalleryProgram geometric_of_coin() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S p = 2 * t[0] + 0.1 * draw(Bernoulli(t[0]));
    S failures = 0;
    while (!draw(Bernoulli(p))) failures += 1;
    return failures * failures;
  };
  const auto f = [](double p) { return (1 - p) * (2 - p) / (p * p); };
  const auto df = [](double p) { return -4 / (p * p * p) + 3 / (p * p); };
  const double x = 0.1, a = 2 * x, b = 2 * x + 0.1;
  return {"geometric_of_coin", "a while loop whose probability depends on a coin", with_duals(program), vector({x}),
          exact((1 - x) * f(a) + x * f(b), vector({f(b) - f(a) + 2 * ((1 - x) * df(a) + x * df(b))}), "closed form")};
}

/// Exactly one coin is added each time, whichever count it goes to: 2 + 10p. Reference: derivative 10.
GalleryProgram race() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S a = 0, b = 2;
    for (int i = 0; i < 10; ++i) {
      // Both are sums of draws: which one grows next depends on all earlier outcomes.
      if (value(a) < value(b)) a += draw(Bernoulli(t[0]));
      else b += draw(Bernoulli(t[0]));
    }
    return a + b;
  };
  return {"race", "the smaller of two random counts grows", with_duals(program), vector({0.5}),
          exact(7, vector({10}), "closed form")};
}

/// Reference: -.12, -.1.
GalleryProgram branch_value() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    if (draw(Bernoulli(t[0]))) return S(0);
    return -t[0] / 2;
  };
  const double p = 0.4;
  return {"branch_value", "0 if a coin shows 1, else -theta / 2", with_duals(program), vector({p}),
          exact(-(1 - p) * p / 2, vector({p - 0.5}), "closed form")};
}

// ---- reference problems of the estimator literature -----------------------------------------------------------------

GalleryProgram three_coins() {
  const auto cost = [](const auto& a, const auto& b, const auto& c) {
    return sin(1.3 * a + 0.7 * b - c) + a * b * b + 1.5 * c * c * a + 0.3;
  };
  const auto program = [cost]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    const S b = draw(Bernoulli(logistic(t[1])));
    const S c = draw(Bernoulli(logistic(t[2])));
    return cost(a, b, c);
  };
  const Eigen::VectorXd theta = vector({0.4, -0.9, 1.3});
  double value = 0;
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(3);
  for (int x = 0; x < 8; ++x) {
    double p = 1;
    for (int i = 0; i < 3; ++i) p *= x >> i & 1 ? sigmoid(theta[i]) : 1 - sigmoid(theta[i]);
    const double f = cost(double(x & 1), double(x >> 1 & 1), double(x >> 2 & 1));
    value += p * f;
    for (int i = 0; i < 3; ++i) gradient[i] += p * f * ((x >> i & 1) - sigmoid(theta[i]));
  }
  return {"three_coins", "a curved cost of three independent coins", with_duals(program), theta,
          exact(value, gradient, "sum over 8 outcomes")};
}

GalleryProgram four_labels() {
  const std::array<double, 4> f = {1, -0.7, 2.2, 0.4};
  const auto program = [f]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return S(f[static_cast<std::size_t>(draw(CategoricalLogit(t)).value())]);
  };
  const Eigen::VectorXd theta = vector({0.3, -0.5, 0.9, 0.1});
  Eigen::VectorXd p = theta.array().exp();
  p /= p.sum();
  double value = 0;
  for (Eigen::Index k = 0; k < 4; ++k) value += p[k] * f[static_cast<std::size_t>(k)];
  Eigen::VectorXd gradient(4);
  for (Eigen::Index k = 0; k < 4; ++k) gradient[k] = p[k] * (f[static_cast<std::size_t>(k)] - value);
  return {"four_labels", "one of four unordered labels, in the logits", with_duals(program), theta,
          exact(value, gradient, "sum over 4 outcomes")};
}

/// x -> g -> (h1, h2) -> y with coins for neurons and slope beta = 5; theta = (w, v1, v2, u1, u2) (Gygax and Zenke 2025).
/// Reference: .680828213220; .1993465152, .1711883126, -.4303083503, .4816690634, .2973756081. Straight-through has
/// .1251422034 for w.
GalleryProgram two_layer_network() {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S g = draw(Bernoulli(logistic(5 * t[0])));
    const S h1 = draw(Bernoulli(logistic(5 * t[1] * g)));
    const S h2 = draw(Bernoulli(logistic(5 * t[2] * g)));
    return draw(Bernoulli(logistic(5 * (t[3] * h1 + t[4] * h2))));
  };
  const Eigen::VectorXd theta = vector({0.3, 0.4, -0.2, 0.5, -0.6});
  double value = 0;
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(5);
  for (int x = 0; x < 8; ++x) {
    const double g = x & 1, h1 = x >> 1 & 1, h2 = x >> 2 & 1;
    const double pg = sigmoid(5 * theta[0]), p1 = sigmoid(5 * theta[1] * g), p2 = sigmoid(5 * theta[2] * g);
    const double y = sigmoid(5 * (theta[3] * h1 + theta[4] * h2));
    const double p = (g != 0 ? pg : 1 - pg) * (h1 != 0 ? p1 : 1 - p1) * (h2 != 0 ? p2 : 1 - p2);
    value += p * y;
    gradient[0] += p * y * 5 * (g - pg);
    gradient[1] += p * y * 5 * g * (h1 - p1);
    gradient[2] += p * y * 5 * g * (h2 - p2);
    gradient[3] += p * 5 * y * (1 - y) * h1;
    gradient[4] += p * 5 * y * (1 - y) * h2;
  }
  return {"two_layer_network", "network x-g-(h1,h2)-y of coins with slope 5; theta = (w, v1, v2, u1, u2)", with_duals(program),
          theta, exact(value, gradient, "sum over 8 hidden states")};
}

}  // namespace

// ---- walks ----------------------------------------------------------------------------------------------------------

/// X += 1 with probability e^(-X / theta), else X -= 1; cost X^2 after n steps (Arya et al. 2022).
/// Reference: n = 50, theta = 100: 1130.3988302544, 7.5581881937; n = 100, theta = 200: 4462.4603562, 15.1349014418.
GalleryProgram inhomogeneous_walk(int n, double theta) {
  // Dynamic programming over positions, with the derivative carried along. The walk never goes below 0.
  std::vector<double> p(static_cast<std::size_t>(n) + 2), d(p.size());
  p[0] = 1;
  for (int t = 0; t < n; ++t) {
    std::vector<double> q(p.size()), e(p.size());
    for (std::size_t x = 0; x + 1 < p.size(); ++x) {
      if (p[x] == 0) continue;
      const double up = std::exp(-static_cast<double>(x) / theta), slope = static_cast<double>(x) / (theta * theta) * up;
      q[x + 1] += p[x] * up;
      e[x + 1] += d[x] * up + p[x] * slope;
      if (x > 0) {
        q[x - 1] += p[x] * (1 - up);
        e[x - 1] += d[x] * (1 - up) - p[x] * slope;
      }
    }
    p = q;
    d = e;
  }
  double value = 0, derivative = 0;
  for (std::size_t x = 0; x < p.size(); ++x) {
    const double square = static_cast<double>(x * x);
    value += p[x] * square;
    derivative += d[x] * square;
  }
  const auto program = [n]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    for (int i = 0; i < n; ++i) {
      if (draw(Bernoulli(exp(-x / t[0])))) x += 1;
      else x -= 1;
    }
    return x * x;
  };
  return {"walk" + std::to_string(n), "inhomogeneous random walk of " + std::to_string(n) + " steps, squared end point",
          with_duals(program), vector({theta}), exact(value, vector({derivative}), "dynamic programming over positions")};
}

const std::vector<GalleryProgram>& gallery() {
  static const std::vector<GalleryProgram> programs = {
      toy(0.45, 0),
      toy(0.49, 0),
      toy(0.499, 0),
      toy(0.45, 1),
      toy(0.49, 1),
      toy(0.499, 1),
      branch_value(),
      coupled_index(),
      array_index(),
      random_array(),
      three_coins(),
      four_labels(),
      two_layer_network(),
      poisson_times_rate(),
      newsvendor(),
      nested_binomials(),
      introduction(),
      geometric_loop(1),
      geometric_loop(2),
      geometric_of_coin(),
      race(),
      homogeneous_walk(),
      weighted_coins(),
      inhomogeneous_walk(50, 100),
      inhomogeneous_walk(100, 200),
      drifting_walk(100),
      binomial_epidemic(30, 12),
      quadratic_coins(20),
      quadratic_coins(200),
      tanh_coins(20),
      binary_network(10, 20),
      bars_autoencoder(8, 16, 4),
      recurrent_network(),
  };
  return programs;
}

const std::vector<GalleryFamily>& families() {
  static const std::vector<GalleryFamily> list = {
      {"inhomogeneous walk of n steps, theta = 2n", {10, 30, 100, 300}, [](int n) { return inhomogeneous_walk(n, 2 * n); }},
      {"quadratic form of n coins", {10, 30, 100, 300}, [](int n) { return quadratic_coins(n); }},
      {"tanh of the sum of n coins", {10, 30, 100, 300}, [](int n) { return tanh_of_sum(n); }},
  };
  return list;
}
