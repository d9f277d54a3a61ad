// examples/surrogate_gradients/multilayer.hpp: a stochastic network of two hidden layers, where the definitions part.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chapter.hpp"
#include "neuron.hpp"

namespace surrogate_gradients {

/// four_units() with a coin toss for every unit: probability sigma_beta, surrogate derivative sigma'_beta_sg; returns y.
Program<double> stochastic_network(double beta, double beta_sg);
/// A hidden unit h ~ Bernoulli(sigma_beta(v)) and the expected output sigma_beta(u h + bias) of the next; theta = (v, u).
Program<double> stochastic_pair(double beta, double bias = 0);

/// (w, v1, v2, u1, u2) of the tables.
Eigen::VectorXd table_parameters();

/// E[y] and the gradients of the network at one slope, all exact.
struct NetworkGradients {
  Exact exact;
  ExactMoments surrogate, right, left;  ///< of one draw: straight-through, and the one-sided smoothed derivatives at every unit
  Estimate mean_field;                  ///< value and gradient of the network of expected spikes
};
NetworkGradients network_gradients(double beta, const Eigen::VectorXd& theta);

/// An estimator of dE[y]/dw from samples.
struct SingleDraws {
  std::string name;
  double mean = 0, error = 0;
  double deviation = 0;  ///< of one draw
};
/// Coupled stochastic derivatives from the right, from the left, and in the mixture (1 - p, p); the score function; the surrogate.
std::vector<SingleDraws> single_draws(double beta, std::uint64_t samples, std::uint64_t seed);

/// One way through stochastic_network(beta, beta): which of g, h1, h2, y fired, and with which probability.
struct Path {
  std::vector<std::int64_t> outcomes;
  std::vector<double> chances;
};
/// A run, and its replays with one coin flipped, g to y, and the later ones on the same random numbers.
struct Branches {
  Path run;
  std::vector<Path> flipped;
};
/// Of the first run of the seed in which the flip of g makes another coin of the hidden layer fall differently, and the flip of
/// some hidden coin makes y fall differently.
Branches branches(double beta, std::uint64_t seed);

/// How E[surrogate gradient] and gradient compare in networks whose parameters are standard normal.
struct RandomNetworks {
  int count = 0;
  double same_sign_w = 0;     ///< share of the networks whose component w has the right sign
  double same_sign_rest = 0;  ///< share of the other four components, over all networks
  double cosine_mean = 0, cosine_error = 0, cosine_least = 1;
  double opposed = 0;  ///< share with a negative cosine
};
RandomNetworks random_networks(int count, double beta, std::uint64_t seed);

/// dE[y]/dw and its surrogate at one slope of the escape function.
struct LimitPoint {
  double beta = 0, exact = 0, surrogate = 0;
};
/// The escape noise is taken away (beta grows), the surrogate keeps its slope.
std::vector<LimitPoint> deterministic_limit(const std::vector<double>& betas, double beta_sg);

/// dE[y]/dv of stochastic_pair(1, bias) where the hidden unit fires with probability p: exact, and the means of smoothed rules.
struct PairSlopes {
  double exact = 0, surrogate = 0, right = 0, left = 0;
};
PairSlopes pair_slopes(double p, double u, double bias);

Chapter multilayer_chapter(const Options& options);

}  // namespace surrogate_gradients
