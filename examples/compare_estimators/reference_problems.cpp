// Reference problems of the estimator literature, at sizes whose exact answer fits into a second of arithmetic.
#include <array>
#include <cmath>

#include <stoat/driver/report.hpp>

#include "gallery.hpp"

using namespace stoat;

// As in gallery.cpp, every truth is computed by arithmetic that shares nothing with the library: dynamic programming, closed
// forms and sums over all outcomes. Sums over n coins go over two halves of the outcomes, so that what depends on one half alone is
// computed once.

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
Eigen::ArrayXd sigmoid(const Eigen::ArrayXd& x) { return 1 / (1 + (-x).exp()); }

/// Fixed numbers that look random, with mean 0 and variance 1 (the finaliser of SplitMix64, Steele et al. 2014).
double scatter(std::uint64_t k) {
  k = (k + 1) * 0x9e3779b97f4a7c15;
  k = (k ^ (k >> 30)) * 0xbf58476d1ce4e5b9;
  k = (k ^ (k >> 27)) * 0x94d049bb133111eb;
  k ^= k >> 31;
  return std::sqrt(12.0) * (static_cast<double>(k >> 11) * 0x1p-53 - 0.5);
}
Eigen::MatrixXd scattered(Eigen::Index rows, Eigen::Index cols, std::uint64_t table) {
  return Eigen::MatrixXd::NullaryExpr(rows, cols, [&](Eigen::Index i, Eigen::Index j) {
    return scatter(table << 40 | static_cast<std::uint64_t>(i) << 20 | static_cast<std::uint64_t>(j));
  });
}

Exact exact(double value, Eigen::VectorXd gradient, std::string source) {
  Exact x;
  x.value = value;
  x.gradient = std::move(gradient);
  x.source = std::move(source);
  return x;
}

double bit(Eigen::Index x, Eigen::Index i) { return static_cast<double>(x >> i & 1); }

/// Probabilities of the outcomes of some coins; coin i is bit i.
Eigen::ArrayXd outcome_probabilities(const Eigen::ArrayXd& p) {
  Eigen::ArrayXd result(Eigen::Index{1} << p.size());
  for (Eigen::Index x = 0; x < result.size(); ++x) {
    result[x] = 1;
    for (Eigen::Index i = 0; i < p.size(); ++i) result[x] *= x >> i & 1 ? p[i] : 1 - p[i];
  }
  return result;
}
/// Column x: W times outcome x.
Eigen::MatrixXd outcome_products(const Eigen::MatrixXd& w) {
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(w.rows(), Eigen::Index{1} << w.cols());
  for (Eigen::Index x = 0; x < result.cols(); ++x)
    for (Eigen::Index i = 0; i < w.cols(); ++i)
      if (x >> i & 1) result.col(x) += w.col(i);
  return result;
}

/// Sums over all outcomes z of n coins with probabilities p: visit(low, high, P(z)) returns f(z). Gives E f and, for each
/// coin, E f (z_i - p_i), the derivative of E f in its logit.
template <class Visit>
std::pair<double, Eigen::VectorXd> sum_over_coins(const Eigen::ArrayXd& p, const Visit& visit) {
  const Eigen::Index n = p.size(), half = n / 2;
  const Eigen::ArrayXd low = outcome_probabilities(p.head(half)), high = outcome_probabilities(p.tail(n - half));
  Eigen::ArrayXd by_low = Eigen::ArrayXd::Zero(low.size()), by_high = Eigen::ArrayXd::Zero(high.size());
  for (Eigen::Index h = 0; h < high.size(); ++h)
    for (Eigen::Index l = 0; l < low.size(); ++l) {
      const double probability = low[l] * high[h], f = probability * visit(l, h, probability);
      by_low[l] += f;
      by_high[h] += f;
    }
  const double mean = by_low.sum();
  Eigen::VectorXd gradient = -mean * p;
  for (Eigen::Index i = 0; i < n; ++i) {
    const Eigen::ArrayXd& part = i < half ? by_low : by_high;
    for (Eigen::Index x = 0; x < part.size(); ++x) gradient[i] += bit(x, i < half ? i : i - half) * part[x];
  }
  return {mean, gradient};
}

}  // namespace

// ---- coins ----------------------------------------------------------------------------------------------------------

/// E(b - t)^2 with P(b = 1) = sigmoid(theta) (Tucker et al. 2017; Grathwohl et al. 2018): derivative p (1 - p) (1 - 2t). At theta
/// = 0: .025, .005, .0005 for t = .45, .49, .499; at theta = 1: .0196612, .0039322, .00039322.
GalleryProgram toy(double target, double theta) {
  const auto program = [target]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return square(draw(Bernoulli(logistic(t[0]))) - target);
  };
  const auto loss = [target](const Eigen::VectorXd& t) {
    const double p = sigmoid(t[0]);
    return p * (1 - target) * (1 - target) + (1 - p) * target * target;
  };
  const double p = sigmoid(theta);
  const Eigen::VectorXd at = Eigen::VectorXd::Constant(1, theta);
  std::string number = report::digits(target), place = theta == 0 ? "" : "_at_" + report::digits(theta);
  return {.name = "toy_" + number.substr(number.find('.') + 1) + place,
          .description = "(b - " + number + ")^2 for a coin b, in the logit, at " + report::digits(theta),
          .program = with_duals(program),
          .theta = at,
          .truth = exact(loss(at), Eigen::VectorXd::Constant(1, p * (1 - p) * (1 - 2 * target)), "closed form"),
          .loss = loss,
          .rate = target == 0.499 && theta == 0 ? 0.05 : 0.0};
}

/// b x + x A x / 2 of n independent coins x, with logits theta: E = b p + p A p / 2 + sum_i A_ii p_i (1 - p_i) / 2.
GalleryProgram quadratic_coins(int n) {
  const Eigen::VectorXd theta = scattered(n, 1, 1), b = scattered(n, 1, 2);
  const Eigen::MatrixXd root = scattered(n, n, 3), a = (root + root.transpose()) / std::sqrt(2.0 * n);
  const auto program = [b = Vector<double>(b), a = Matrix<double>(a)]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(Vector<S>(logistic(t))));
    return dot(b, x) + dot(x, a * x) / 2;
  };
  const auto loss = [a, b](const Eigen::VectorXd& t) {
    const Eigen::VectorXd p = sigmoid(t.array());
    return b.dot(p) + p.dot(a * p) / 2 + (a.diagonal().array() * p.array() * (1 - p.array())).sum() / 2;
  };
  const Eigen::ArrayXd p = sigmoid(theta.array());
  const Eigen::VectorXd slope = b.array() + (a * p.matrix()).array() + a.diagonal().array() * (0.5 - p);
  return {.name = "quad" + std::to_string(n),
          .description = "a quadratic form of " + std::to_string(n) + " coins, in the logits",
          .program = with_duals(program),
          .theta = theta,
          .truth = exact(loss(theta), p * (1 - p) * slope.array(), "closed form"),
          .samples = n > 50 ? std::uint64_t{2'000} : std::uint64_t{10'000},
          .loss = loss,
          .rate = 0.05};
}

/// tanh((sum of n coins - n / 2) / sqrt(n)). The distribution of the sum by dynamic programming, also without each coin.
GalleryProgram tanh_of_sum(int n) {
  const Eigen::VectorXd theta = scattered(n, 1, 1);
  const auto cost = [n](const auto& sum) { return tanh((sum - 0.5 * n) / std::sqrt(static_cast<double>(n))); };
  const auto program = [cost]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(Vector<S>(logistic(t))));
    return cost(S(sum(x)));
  };
  const Eigen::ArrayXd p = sigmoid(theta.array());
  const auto distribution = [&](int without) {
    Eigen::ArrayXd q = Eigen::ArrayXd::Zero(n + 1);
    q[0] = 1;
    for (int i = 0; i < n; ++i) {
      if (i == without) continue;
      for (int k = n; k > 0; --k) q[k] += p[i] * (q[k - 1] - q[k]);
      q[0] *= 1 - p[i];
    }
    return q;
  };
  const Eigen::ArrayXd all = distribution(-1);
  double value = 0;
  for (int k = 0; k <= n; ++k) value += all[k] * cost(static_cast<double>(k));
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(n);
  for (int i = 0; i < n; ++i) {
    const Eigen::ArrayXd others = distribution(i);
    for (int k = 0; k < n; ++k)
      gradient[i] += p[i] * (1 - p[i]) * others[k] * (cost(static_cast<double>(k + 1)) - cost(static_cast<double>(k)));
  }
  return {.name = "tanh_sum" + std::to_string(n),
          .description = "tanh of the sum of " + std::to_string(n) + " coins",
          .program = with_duals(program),
          .theta = theta,
          .truth = exact(value, gradient, "dynamic programming over the sum"),
          .samples = 2'000};
}

/// A fixed network of eight tanh units reads n independent coins.
GalleryProgram tanh_coins(int n) {
  const Eigen::VectorXd theta = scattered(n, 1, 1);
  const Eigen::MatrixXd w = scattered(8, n, 4) / std::sqrt(n / 4.0);
  const Eigen::VectorXd d = scattered(8, 1, 5) / 2, c = scattered(8, 1, 6) / std::sqrt(8.0);
  const auto program = [w = Matrix<double>(w), d = Vector<double>(d), c = Vector<double>(c)]<class S>(Sampler<S>& draw,
                                                                                                      const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(Vector<S>(logistic(t))));
    return dot(c, Vector<S>(tanh(w * x + d)));
  };
  const auto compute = [=] {
    const Eigen::MatrixXd low = outcome_products(w.leftCols(n / 2)), high = outcome_products(w.rightCols(n - n / 2));
    auto [value, gradient] = sum_over_coins(sigmoid(theta.array()), [&](Eigen::Index l, Eigen::Index h, double) {
      return c.dot((low.col(l) + high.col(h) + d).array().tanh().matrix());
    });
    return exact(value, gradient, "sum over " + std::to_string(std::int64_t{1} << n) + " outcomes");
  };
  return {.name = "tanh" + std::to_string(n),
          .description = "a small tanh network of " + std::to_string(n) + " coins, in the logits",
          .program = with_duals(program),
          .theta = theta,
          .truth = std::function<Exact()>(compute),
          .samples = 10'000};
}

// ---- networks -------------------------------------------------------------------------------------------------------

/// Two layers of stochastic binary units and a squared error: x -> h -> g -> (c g / sqrt(n) - y)^2; theta = weights and biases of
/// both layers. All of h is summed over; given h the units of g are independent and the cost is quadratic in them.
GalleryProgram binary_network(int inputs, int hidden) {
  const int m = inputs, n = hidden, first = n * m, second = first + n, third = second + n * n, size = third + n;
  Eigen::VectorXd theta(size);
  theta.head(first) = scattered(first, 1, 11) * std::sqrt(0.49 / m);
  theta.segment(first, n) = scattered(n, 1, 12) / 5;
  theta.segment(second, n * n) = scattered(n * n, 1, 13) * std::sqrt(2 * 0.49 / n);
  theta.tail(n) = scattered(n, 1, 14) / 5;
  const Eigen::VectorXd x = scattered(m, 1, 15), c = scattered(n, 1, 16) / std::sqrt(static_cast<double>(n));
  const double target = 1;
  const auto program = [=, x = Vector<double>(x), c = Vector<double>(c)]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> h = draw(Bernoulli(Vector<S>(logistic(t.matrix(0, n, m) * x + t.segment(first, n)))));
    const Vector<S> g = draw(Bernoulli(Vector<S>(logistic(t.matrix(second, n, n) * h + t.segment(third, n)))));
    return square(dot(c, g) - target);
  };
  const auto compute = [=] {
    using Weights = Eigen::Map<const Eigen::MatrixXd>;
    const Weights w1(theta.data(), n, m), w2(theta.data() + second, n, n);
    const Eigen::ArrayXd p1 = sigmoid((w1 * x + theta.segment(first, n)).array());
    const Eigen::Index half = n / 2;
    const Eigen::MatrixXd low = outcome_products(w2.leftCols(half)), high = outcome_products(w2.rightCols(n - half));
    Eigen::MatrixXd by_low = Eigen::MatrixXd::Zero(n, low.cols()), by_high = Eigen::MatrixXd::Zero(n, high.cols());
    Eigen::ArrayXd p2(n), slope(n);
    const auto [value, in_logits] = sum_over_coins(p1, [&](Eigen::Index l, Eigen::Index h, double probability) {
      p2 = sigmoid((low.col(l) + high.col(h) + theta.tail(n)).array());
      const double miss = (c.array() * p2).sum() - target;
      slope = probability * (2 * miss * c.array() + c.array().square() * (1 - 2 * p2)) * p2 * (1 - p2);
      by_low.col(l) += slope.matrix();
      by_high.col(h) += slope.matrix();
      return miss * miss + (c.array().square() * p2 * (1 - p2)).sum();
    });
    Eigen::VectorXd gradient = Eigen::VectorXd::Zero(size);
    Eigen::Map<Eigen::MatrixXd>(gradient.data(), n, m) = in_logits * x.transpose();
    gradient.segment(first, n) = in_logits;
    Eigen::Map<Eigen::MatrixXd> g2(gradient.data() + second, n, n);
    for (Eigen::Index j = 0; j < n; ++j) {
      const Eigen::MatrixXd& part = j < half ? by_low : by_high;
      for (Eigen::Index z = 0; z < part.cols(); ++z)
        if (z >> (j < half ? j : j - half) & 1) g2.col(j) += part.col(z);
    }
    gradient.tail(n) = by_low.rowwise().sum();
    return exact(value, gradient,
                 "sum over " + std::to_string(std::int64_t{1} << n) + " states of the first layer, closed form of the second");
  };
  return {.name = "network_" + std::to_string(m) + "_" + std::to_string(n) + "_" + std::to_string(n),
          .description = "two layers of " + std::to_string(n) + " stochastic binary units, " + std::to_string(size) + " weights",
          .program = with_duals(program),
          .theta = theta,
          .truth = std::function<Exact()>(compute),
          .samples = 4'000};
}

/// Variational autoencoder with Bernoulli latents on pictures of bars (as in Titsias and Shi 2022, at a size that can be
/// summed): minus the evidence lower bound, KL in closed form, mean over the pictures. theta = encoder weights, biases, decoder
/// weights, biases.
GalleryProgram bars_autoencoder(int side, int latents, int images) {
  const int pixels = side * side, n = latents, first = n * pixels, second = first + n, third = second + pixels * n,
            size = third + pixels;
  Eigen::VectorXd theta(size);
  theta.head(first) = scattered(first, 1, 21) * std::sqrt(4.0 / pixels);
  theta.segment(first, n) = scattered(n, 1, 22) / 5;
  theta.segment(second, pixels * n) = scattered(pixels * n, 1, 23) / std::sqrt(static_cast<double>(n));
  theta.tail(pixels) = scattered(pixels, 1, 24) / 5;
  // Each row is on with probability 1/2, then each column: fixed pictures of that kind.
  Eigen::MatrixXd data = Eigen::MatrixXd::Zero(pixels, images);
  for (Eigen::Index k = 0; k < images; ++k)
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j)
        data(i * side + j, k) = scatter(static_cast<std::uint64_t>(1000 * k + i)) > 0.8 ||
                                scatter(static_cast<std::uint64_t>(1000 * k + 500 + j)) > 0.8;
  const auto program = [=, data = Matrix<double>(data)]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Matrix<S> encoder = t.matrix(0, n, pixels), decoder = t.matrix(second, pixels, n);
    S total = 0;
    for (int k = 0; k < images; ++k) {
      const Vector<double> x = data.col(k);
      const Vector<S> logits = encoder * x + t.segment(first, n);
      const Vector<S> q = logistic(logits);
      const Vector<S> z = draw(Bernoulli(q));
      const Vector<S> pixel = decoder * z + t.segment(third, pixels);
      // log q(z) - log p(z) in expectation: q log q + (1 - q) log(1 - q) + log 2 = q logit - softplus(logit) + log 2.
      total += dot(q, logits) - sum(softplus(logits)) + n * std::log(2.0);
      total += sum(softplus(pixel)) - dot(x, pixel);
    }
    return total / images;
  };
  const auto compute = [=] {
    using Weights = Eigen::Map<const Eigen::MatrixXd>;
    const Weights encoder(theta.data(), n, pixels), decoder(theta.data() + second, pixels, n);
    const Eigen::Index half = n / 2;
    const Eigen::MatrixXd low = outcome_products(decoder.leftCols(half)), high = outcome_products(decoder.rightCols(n - half));
    double value = 0;
    Eigen::VectorXd gradient = Eigen::VectorXd::Zero(size);
    for (Eigen::Index k = 0; k < images; ++k) {
      const Eigen::VectorXd x = data.col(k), logits = encoder * x + theta.segment(first, n);
      const Eigen::ArrayXd q = sigmoid(logits.array());
      Eigen::MatrixXd by_low = Eigen::MatrixXd::Zero(pixels, low.cols()), by_high = Eigen::MatrixXd::Zero(pixels, high.cols());
      Eigen::ArrayXd pixel(pixels), growth(pixels);
      const auto [loss, in_logits] = sum_over_coins(q, [&](Eigen::Index l, Eigen::Index h, double probability) {
        pixel = (low.col(l) + high.col(h) + theta.tail(pixels)).array();
        growth = pixel.exp();
        by_low.col(l) += (probability * (growth / (1 + growth) - x.array())).matrix();
        by_high.col(h) += (probability * (growth / (1 + growth) - x.array())).matrix();
        return (1 + growth).log().sum() - (x.array() * pixel).sum();
      });
      value += loss + (q * q.log() + (1 - q) * (1 - q).log() + std::log(2.0)).sum();
      const Eigen::VectorXd g = in_logits.array() + q * (1 - q) * logits.array();
      Eigen::Map<Eigen::MatrixXd>(gradient.data(), n, pixels) += g * x.transpose();
      gradient.segment(first, n) += g;
      Eigen::Map<Eigen::MatrixXd> decoded(gradient.data() + second, pixels, n);
      for (Eigen::Index j = 0; j < n; ++j) {
        const Eigen::MatrixXd& part = j < half ? by_low : by_high;
        for (Eigen::Index z = 0; z < part.cols(); ++z)
          if (z >> (j < half ? j : j - half) & 1) decoded.col(j) += part.col(z);
      }
      gradient.tail(pixels) += by_low.rowwise().sum();
    }
    return exact(value / images, gradient / images,
                 "sum over " + std::to_string(std::int64_t{1} << n) + " latent states of each picture");
  };
  return {.name = "bars_vae" + std::to_string(n),
          .description = "minus the ELBO of an autoencoder with " + std::to_string(n) + " Bernoulli latents on " +
                         std::to_string(images) + " pictures of " + std::to_string(side) + " x " + std::to_string(side) + " bars",
          .program = with_duals(program),
          .theta = theta,
          .truth = std::function<Exact()>(compute),
          .samples = 1'000,
          .rate = 0.02};
}

namespace {

constexpr int recurrent_units = 20, recurrent_steps = 10;

Program<double> recurrent_program() {
  const Eigen::MatrixXd w = scattered(recurrent_units, recurrent_units, 31) * (2 * std::sqrt(2.0 / recurrent_units));
  const Eigen::VectorXd c = scattered(recurrent_units, 1, 32) / std::sqrt(static_cast<double>(recurrent_units));
  return with_duals([w = Matrix<double>(w), c = Vector<double>(c)]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    Vector<S> s = draw(Bernoulli(Vector<S>(logistic(2 * t))));
    for (int step = 1; step < recurrent_steps; ++step)
      s = Vector<S>(draw(Bernoulli(Vector<S>(logistic(w * Vector<S>(2 * s - 1) + 2 * t)))));
    return square(dot(c, Vector<S>(2 * s - 1)));
  });
}
Eigen::VectorXd recurrent_theta() { return scattered(recurrent_units, 1, 33) / 2; }

}  // namespace

Exact recompute_recurrent_truth(std::uint64_t samples, std::uint64_t seed) {
  const Estimate e = estimate(recurrent_program(), recurrent_theta(), LeaveOneOut{16}, {.samples = samples, .seed = seed});
  Exact x = exact(e.value, e.gradient, "pooled draws of LeaveOneOut(16)");
  x.value_error = e.value_error;
  x.gradient_error = e.gradient_error;
  return x;
}

/// A recurrent network in which one spike more soon changes all others: replays lose to score functions. There is no exact
/// answer; this one is the mean of many draws, with its standard errors (`--verify-truth` makes another).
GalleryProgram recurrent_network() {
  Eigen::VectorXd gradient(recurrent_units), error(recurrent_units);
  gradient << -0.004472387, 0.01804642, 0.01950995, 0.05562304, 0.0652536, -0.05432206, 0.07146804, -0.04522987, 0.03557972,
      0.01271561, 0.01062573, 0.007339199, -0.09703558, 0.04332876, -0.002208329, -0.04189056, -0.04708217, 0.007055496,
      -0.01232735, -0.03223356;
  error << 0.00093, 0.00097, 0.00094, 0.0009, 0.00098, 0.00094, 0.00091, 0.00094, 0.00091, 0.00091, 0.00098, 0.0008, 0.00095,
      0.00092, 0.00089, 0.00092, 0.00096, 0.00097, 0.00091, 0.00092;
  Exact truth = exact(0.6626112, gradient, "300000 pooled draws of LeaveOneOut(16), not exact");
  truth.value_error = 0.0004027;
  truth.gradient_error = error;
  return {.name = "recurrent_network",
          .description = "20 recurrent stochastic units for 10 steps, a chaotic gain; the truth is pooled, not exact",
          .program = recurrent_program(),
          .theta = recurrent_theta(),
          .truth = truth,
          .samples = 2'000};
}

// ---- chains ---------------------------------------------------------------------------------------------------------

/// p_t = sigmoid(theta_0 + theta_1 x_t) is the probability of a step up, else down; cost x_n^2. Dynamic programming.
GalleryProgram drifting_walk(int n) {
  const Eigen::VectorXd theta = Eigen::Vector2d(0.2, -0.05);
  const auto program = [n]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    for (int i = 0; i < n; ++i) x += 2 * draw(Bernoulli(logistic(t[0] + t[1] * x))) - 1;
    return x * x;
  };
  // Column 0: probability of position k - n; columns 1, 2: its derivatives.
  Eigen::ArrayXXd state = Eigen::ArrayXXd::Zero(2 * n + 1, 3);
  state(n, 0) = 1;
  for (int t = 0; t < n; ++t) {
    Eigen::ArrayXXd next = Eigen::ArrayXXd::Zero(2 * n + 1, 3);
    for (int k = n - t; k <= n + t; k += 2) {
      const double x = k - n, p = sigmoid(theta[0] + theta[1] * x), v = p * (1 - p);
      const Eigen::RowVector3d slope(0, v, v * x);
      next.row(k + 1) += p * state.row(k) + state(k, 0) * slope.array();
      next.row(k - 1) += (1 - p) * state.row(k) - state(k, 0) * slope.array();
    }
    state = next;
  }
  Eigen::RowVector3d sums = Eigen::RowVector3d::Zero();
  for (int k = 0; k <= 2 * n; ++k) sums += std::pow(k - n, 2) * state.row(k).matrix();
  return {.name = "drifting_walk" + std::to_string(n),
          .description = "walk of " + std::to_string(n) + " steps whose drift depends on the position linearly, squared end point",
          .program = with_duals(program),
          .theta = theta,
          .truth = exact(sums[0], sums.tail(2).transpose(), "dynamic programming over positions"),
          .samples = 10'000};
}

/// Susceptible, infected and recovered people: each step Binomial(S, 1 - exp(-e^theta_0 I / N)) infections and Binomial(I,
/// 1 - exp(-e^theta_1)) recoveries; cost (people ever infected)^2 / N. Dynamic programming over (S, I).
GalleryProgram binomial_epidemic(int people, int steps) {
  const Eigen::VectorXd theta = Eigen::Vector2d(0.2, -0.7);
  const int start = 2;
  const auto program = [=]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    // Sizes as integers for the laws, and as scalars, through which the tape sees them.
    std::int64_t susceptible = people - start, infected = start;
    S susceptible_size = people - start, infected_size = start;
    // The bracket is 0: it tells surrogates that a larger group has more events, d mean / d size = p.
    const auto events = [&](std::int64_t count, const S& size, const S& p) {
      const auto happened = draw(Binomial(count, p));
      return std::pair(happened.value(), S(happened + value(p) * (size - static_cast<double>(count))));
    };
    for (int k = 0; k < steps && infected > 0; ++k) {
      const auto infections = events(susceptible, susceptible_size, S(-expm1(-exp(t[0]) * infected_size / people)));
      const auto recoveries = events(infected, infected_size, S(-expm1(-exp(t[1]))));
      susceptible -= infections.first;
      infected += infections.first - recoveries.first;
      susceptible_size -= infections.second;
      infected_size += infections.second - recoveries.second;
    }
    const S total = people - susceptible_size;  // ever infected
    return total * total / people;
  };
  const auto compute = [=] {
    // P(k) and dP(k)/dp of Binomial(n, p), from logarithms of factorials.
    const auto binomial = [](int n, int k, double p) -> std::pair<double, double> {
      if (p == 0) return {k == 0 ? 1.0 : 0.0, 0.0};
      const double log_choose = std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
      const double pmf = std::exp(log_choose + k * std::log(p) + (n - k) * std::log1p(-p));
      return {pmf, pmf * (k - n * p) / (p * (1 - p))};
    };
    const int n = people;
    using State = std::vector<Eigen::Array3d>;  // probability and derivatives, at S * (n + 1) + I
    State state(static_cast<std::size_t>((n + 1) * (n + 1)), Eigen::Array3d::Zero());
    const auto at = [n](State& s, int susceptible, int infected) -> Eigen::Array3d& {
      return s[static_cast<std::size_t>(susceptible * (n + 1) + infected)];
    };
    at(state, n - start, start)[0] = 1;
    const double rate = std::exp(theta[0]), leave = std::exp(theta[1]), recovery = -std::expm1(-leave);
    const double recovery_slope = leave * std::exp(-leave);
    for (int t = 0; t < steps; ++t) {
      State next(state.size(), Eigen::Array3d::Zero());
      for (int s = 0; s <= n; ++s)
        for (int i = 0; i + s <= n; ++i) {
          const Eigen::Array3d here = at(state, s, i);
          if (here[0] == 0) continue;
          const double force = rate * i / n, infection = -std::expm1(-force), infection_slope = force * std::exp(-force);
          for (int a = 0; a <= s; ++a) {
            const auto [pa, da] = binomial(s, a, infection);
            if (pa == 0 && da == 0) continue;
            for (int b = 0; b <= i; ++b) {
              const auto [pb, db] = binomial(i, b, recovery);
              at(next, s - a, i + a - b) +=
                  pa * pb * here + here[0] * Eigen::Array3d(0, da * infection_slope * pb, pa * db * recovery_slope);
            }
          }
        }
      state = next;
    }
    Eigen::Array3d sums = Eigen::Array3d::Zero();
    for (int s = 0; s <= n; ++s)
      for (int i = 0; i + s <= n; ++i) sums += std::pow(n - s, 2) / n * at(state, s, i);
    return exact(sums[0], sums.tail(2).matrix(), "dynamic programming over susceptible and infected");
  };
  return {.name = "sir" + std::to_string(people),
          .description = "an epidemic among " + std::to_string(people) + " people for " + std::to_string(steps) +
                         " steps, with binomial transitions",
          .program = with_duals(program),
          .theta = theta,
          .truth = std::function<Exact()>(compute),
          .samples = 10'000};
}
