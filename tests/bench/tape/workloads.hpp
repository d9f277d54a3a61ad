// The workloads of the tape benchmark. Each is written once, generic in the scalar S and in how its inputs are stored
// (x[i] gives an S), and has a gradient by hand: what a person would write who has no library.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace bench {

/// The number behind a scalar; each engine specialises it.
template <class S>
struct NumberOf;
template <>
struct NumberOf<double> {
  static double get(double x) { return x; }
};

inline std::vector<double> uniforms(std::size_t n, double low, double high, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<double> values(n);
  for (double& v : values) v = uniform(generator);
  return values;
}

/// s = s a + b x, 1e6 statements over 1000 inputs.
struct CheapChain {
  static constexpr const char* name = "cheap chain";
  static constexpr double statements = 1e6;
  std::vector<double> x = uniforms(1000, -1, 1, 1);
  static constexpr double a = 0.999, b = 0.3;

  template <class S, class X>
  S run(const X& in) const {
    S s = in[0];
    for (int i = 0; i < 1000; ++i)
      for (std::size_t j = 0; j < 1000; ++j) s = s * a + b * in[j];
    return s;
  }
  double gradient(std::vector<double>& g) const {
    double s = x[0], adjoint = 1;
    for (int i = 0; i < 1000; ++i)
      for (std::size_t j = 0; j < 1000; ++j) s = s * a + b * x[j];
    for (double& e : g) e = 0;
    for (int i = 0; i < 1000; ++i)
      for (std::size_t j = 1000; j-- > 0;) {
        g[j] += b * adjoint;
        adjoint *= a;
      }
    g[0] += adjoint;
    return s;
  }
};

/// Chains of ten y = sin(y) a + exp(-y^2), and their sum: 1e6 statements over 1000 inputs.
struct TranscendentalChain {
  static constexpr const char* name = "transcendental chain";
  static constexpr double statements = 1.1 * 91 * 1000 * 10;
  std::vector<double> x = uniforms(1000, -1, 1, 2);

  template <class S, class X>
  S run(const X& in) const {
    S total = 0;
    for (int k = 0; k < 91; ++k)
      for (std::size_t j = 0; j < 1000; ++j) {
        S y = in[j];
        for (int i = 0; i < 10; ++i) y = sin(y) * 0.9 + exp(-y * y);
        total += y;
      }
    return total;
  }
  double gradient(std::vector<double>& g) const {
    double total = 0;
    for (double& e : g) e = 0;
    for (int k = 0; k < 91; ++k)
      for (std::size_t j = 0; j < 1000; ++j) {
        double y = x[j], dy = 1;
        for (int i = 0; i < 10; ++i) {
          const double e = std::exp(-y * y);
          dy *= std::cos(y) * 0.9 - 2 * y * e;
          y = std::sin(y) * 0.9 + e;
        }
        total += y;
        g[j] += dy;
      }
    return total;
  }
};

/// s += x y, 5e5 statements over 1e6 inputs.
struct Dot {
  static constexpr const char* name = "dot";
  static constexpr double statements = 5e5;
  static constexpr std::size_t n = 500'000;
  std::vector<double> x = uniforms(2 * n, -1, 1, 3);

  template <class S, class X>
  S run(const X& in) const {
    S s = 0;
    for (std::size_t i = 0; i < n; ++i) s += in[i] * in[n + i];
    return s;
  }
  double gradient(std::vector<double>& g) const {
    double s = 0;
    for (std::size_t i = 0; i < n; ++i) s += x[i] * x[n + i];
    for (std::size_t i = 0; i < n; ++i) {
      g[i] = x[n + i];
      g[n + i] = x[i];
    }
    return s;
  }
};

/// The log-likelihood of a logistic regression, 10000 observations of 50 features: 5.1e5 statements over 50 inputs.
struct Logistic {
  static constexpr const char* name = "logistic likelihood";
  static constexpr double statements = 5.1e5;
  static constexpr std::size_t observations = 10'000, features = 50;
  std::vector<double> x = uniforms(features, -1, 1, 4);
  std::vector<double> data = uniforms(observations * features, -1, 1, 5);
  static double label(std::size_t i) { return i % 3 == 0 ? 1 : 0; }

  template <class S, class X>
  S run(const X& w) const {
    S loss = 0;
    for (std::size_t i = 0; i < observations; ++i) {
      S z = 0;
      for (std::size_t j = 0; j < features; ++j) z += w[j] * data[i * features + j];
      loss += log(1.0 + exp(-z)) + (1 - label(i)) * z;
    }
    return loss;
  }
  double gradient(std::vector<double>& g) const {
    double loss = 0;
    for (double& e : g) e = 0;
    for (std::size_t i = 0; i < observations; ++i) {
      const double* const row = &data[i * features];
      double z = 0;
      for (std::size_t j = 0; j < features; ++j) z += x[j] * row[j];
      const double e = std::exp(-z);
      loss += std::log(1 + e) + (1 - label(i)) * z;
      const double dz = (1 - label(i)) - e / (1 + e);
      for (std::size_t j = 0; j < features; ++j) g[j] += dz * row[j];
    }
    return loss;
  }
};

/// Euler-Maruyama paths of a geometric Brownian motion, 100 paths of 1000 steps: 1e5 statements over 3 inputs.
struct EulerMaruyama {
  static constexpr const char* name = "Euler-Maruyama paths";
  static constexpr double statements = 1e5;
  static constexpr std::size_t paths = 100, steps = 1000;
  static constexpr double dt = 1e-3;
  std::vector<double> x = {0.05, 0.2, 1.0};
  std::vector<double> noise = uniforms(paths * steps, -1.7, 1.7, 6);

  template <class S, class X>
  S run(const X& p) const {
    const double root = std::sqrt(dt);
    S total = 0;
    for (std::size_t i = 0; i < paths; ++i) {
      S y = p[2];
      for (std::size_t t = 0; t < steps; ++t) y = y * (1.0 + p[0] * dt + p[1] * (root * noise[i * steps + t]));
      total += y;
    }
    return total / static_cast<double>(paths);
  }
  double gradient(std::vector<double>& g) const {
    const double root = std::sqrt(dt);
    static std::vector<double> path(steps);
    double total = 0, drift = 0, volatility = 0, start = 0;
    for (std::size_t i = 0; i < paths; ++i) {
      double y = x[2];
      for (std::size_t t = 0; t < steps; ++t) {
        path[t] = y;
        y = y * (1.0 + x[0] * dt + x[1] * (root * noise[i * steps + t]));
      }
      total += y;
      double adjoint = 1.0 / static_cast<double>(paths);
      for (std::size_t t = steps; t-- > 0;) {
        const double z = root * noise[i * steps + t];
        drift += adjoint * path[t] * dt;
        volatility += adjoint * path[t] * z;
        adjoint *= 1.0 + x[0] * dt + x[1] * z;
      }
      start += adjoint;
    }
    g = {drift, volatility, start};
    return total / static_cast<double>(paths);
  }
};

/// A multi-layer perceptron 64-128-64-1 with tanh, all weights active: 16.9e3 statements over 16.6e3 inputs.
struct Perceptron {
  static constexpr const char* name = "perceptron";
  static constexpr std::size_t in = 64, first = 128, second = 64;
  static constexpr std::size_t at_second = first * (in + 1), at_third = at_second + second * (first + 1);
  static constexpr double statements = 16.9e3;
  std::vector<double> x = uniforms(at_third + second + 1, -0.2, 0.2, 7);
  std::vector<double> input = uniforms(in, -1, 1, 8);

  template <class S, class X>
  S run(const X& w) const {
    std::vector<S> h(first), k(second);
    for (std::size_t i = 0, o = 0; i < first; ++i, o += in + 1) {
      S z = w[o + in];
      for (std::size_t j = 0; j < in; ++j) z += w[o + j] * input[j];
      h[i] = tanh(z);
    }
    for (std::size_t i = 0, o = at_second; i < second; ++i, o += first + 1) {
      S z = w[o + first];
      for (std::size_t j = 0; j < first; ++j) z += w[o + j] * h[j];
      k[i] = tanh(z);
    }
    S y = w[at_third + second];
    for (std::size_t j = 0; j < second; ++j) y += w[at_third + j] * k[j];
    return y * y;
  }
  double gradient(std::vector<double>& g) const {
    double h[first], k[second], back[first] = {};
    for (std::size_t i = 0, o = 0; i < first; ++i, o += in + 1) {
      double z = x[o + in];
      for (std::size_t j = 0; j < in; ++j) z += x[o + j] * input[j];
      h[i] = std::tanh(z);
    }
    for (std::size_t i = 0, o = at_second; i < second; ++i, o += first + 1) {
      double z = x[o + first];
      for (std::size_t j = 0; j < first; ++j) z += x[o + j] * h[j];
      k[i] = std::tanh(z);
    }
    double y = x[at_third + second];
    for (std::size_t j = 0; j < second; ++j) y += x[at_third + j] * k[j];
    const double dy = 2 * y;
    g[at_third + second] = dy;
    for (std::size_t i = 0, o = at_second; i < second; ++i, o += first + 1) {
      g[at_third + i] = dy * k[i];
      const double dz = dy * x[at_third + i] * (1 - k[i] * k[i]);
      for (std::size_t j = 0; j < first; ++j) {
        g[o + j] = dz * h[j];
        back[j] += dz * x[o + j];
      }
      g[o + first] = dz;
    }
    for (std::size_t i = 0, o = 0; i < first; ++i, o += in + 1) {
      const double dz = back[i] * (1 - h[i] * h[i]);
      for (std::size_t j = 0; j < in; ++j) g[o + j] = dz * input[j];
      g[o + in] = dz;
    }
    return y * y;
  }
};

/// The log-probability of a walk that steps up with probability exp(-position / theta), 1000 steps with branches on
/// uniforms: 2000 statements over 1 input. 50 sets of uniforms in turn, or the branch predictor would learn them.
struct BernoulliWalk {
  static constexpr const char* name = "Bernoulli walk";
  static constexpr double statements = 2000;
  static constexpr std::size_t steps = 1000, sets = 50;
  std::vector<double> x = {200.0};
  std::vector<double> draws = uniforms(sets * steps, 0, 1, 9);
  mutable std::size_t set = 0;

  static double moved(double position, double by) { return std::max(1.0, position + by); }
  template <class S, class X>
  S run(const X& theta) const {
    const double* const u = &draws[set++ % sets * steps];
    double position = 1;
    S total = 0;
    for (std::size_t t = 0; t < steps; ++t) {
      const S p = exp(-position / theta[0]);
      if (u[t] < NumberOf<S>::get(p)) {
        total += log(p);
        position = moved(position, 1);
      } else {
        total += log(1.0 - p);
        position = moved(position, -1);
      }
    }
    return total;
  }
  double gradient(std::vector<double>& g) const {
    const double* const u = &draws[set++ % sets * steps];
    double position = 1, total = 0, slope = 0;
    for (std::size_t t = 0; t < steps; ++t) {
      const double p = std::exp(-position / x[0]), dp = p * position / (x[0] * x[0]);
      if (u[t] < p) {
        total += std::log(p);
        slope += dp / p;
        position = moved(position, 1);
      } else {
        total += std::log(1.0 - p);
        slope -= dp / (1.0 - p);
        position = moved(position, -1);
      }
    }
    g[0] = slope;
    return total;
  }
};

}  // namespace bench
