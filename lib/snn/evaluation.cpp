#include "evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stoat::snn {
namespace {

template <class T>
Evaluation evaluated(SurrogateGradient<T>& network, const Eigen::VectorXd& theta, const EvaluateOptions& options) {
  const Eigen::VectorX<T> values = theta.cast<T>();  // NOLINT(performance-unnecessary-copy-initialization): of floats it is none
  std::vector<std::size_t> all(network.objective().size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  Evaluation evaluation;
  Total total;
  for (std::size_t begin = 0; begin < all.size(); begin += options.batch) {
    const auto samples = std::span(all).subspan(begin, std::min(options.batch, all.size() - begin));
    const BatchResult batch = network.evaluate(values, samples, {options.seed, options.run + begin, Purpose::pilot});
    evaluation.predicted.insert(evaluation.predicted.end(), batch.predicted.begin(), batch.predicted.end());
    total.add(batch);
  }
  evaluation.loss = total.mean_loss(), evaluation.accuracy = total.accuracy(), evaluation.spikes = total.mean_spikes();
  return evaluation;
}

template <class T>
Evaluator evaluator_of(const Objective& objective, const TrainOptions& options) {
  auto network = std::make_shared<SurrogateGradient<T>>(objective, options.threads, options.ranks);
  return [network, seed = options.seed](const Eigen::VectorXd& theta, int epoch) {
    const std::uint64_t run = static_cast<std::uint64_t>(epoch) * network->objective().size();
    return evaluated(*network, theta, {.seed = seed, .run = run});
  };
}
}  // namespace

void check_parameters(const std::string& who, const Network& network, const Eigen::VectorXd& theta) {
  if (theta.size() != network.parameters())
    throw InvalidArgument(who + ": the network has " + std::to_string(network.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i]))
      throw InvalidArgument(who + ": parameter " + std::to_string(i) + " is " + std::to_string(theta[i]));
}

Evaluator evaluator(const Objective& objective, const TrainOptions& options) {
  return options.double_precision ? evaluator_of<double>(objective, options) : evaluator_of<float>(objective, options);
}

Evaluation evaluate(const Objective& objective, const Eigen::VectorXd& theta, const EvaluateOptions& options) {
  if (options.batch == 0) throw InvalidArgument("evaluate: " + outside("batch", 0, "[1, infinity)"));
  if (options.threads < 0) throw InvalidArgument("evaluate: " + outside("threads", options.threads, "[0, infinity)"));
  check_parameters("evaluate", objective.network(), theta);
  if (options.double_precision) {
    SurrogateGradient<double> network(objective, options.threads, options.ranks);
    return evaluated(network, theta, options);
  }
  SurrogateGradient<float> network(objective, options.threads, options.ranks);
  return evaluated(network, theta, options);
}

}  // namespace stoat::snn
