// What batches add up to, in training and evaluation.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <stoat/snn/gradient.hpp>
#include <stoat/snn/train.hpp>

namespace stoat::snn {

/// Throws InvalidArgument, in the name of `who`, for parameters of another number or not finite.
void check_parameters(const std::string& who, const Network& network, const Eigen::VectorXd& theta);

/// Sums up batches.
struct Total {
  std::size_t samples = 0, correct = 0;
  bool labels = true;
  double loss = 0;
  std::vector<double> spikes;
  void add(const BatchResult& batch) {
    const auto n = static_cast<double>(batch.samples);
    samples += batch.samples, correct += batch.correct, loss += n * batch.loss;
    labels = labels && !batch.predicted.empty();
    spikes.resize(batch.spikes.size());
    for (std::size_t layer = 0; layer < spikes.size(); ++layer) spikes[layer] += n * batch.spikes[layer];
  }
  double mean_loss() const { return loss / static_cast<double>(samples); }
  double accuracy() const { return labels ? static_cast<double>(correct) / static_cast<double>(samples) : not_measured; }
  std::vector<double> mean_spikes() const {
    std::vector<double> mean = spikes;
    for (double& s : mean) s /= static_cast<double>(samples);
    return mean;
  }
};

/// Evaluates the same data again and again, on new coins for each epoch.
using Evaluator = std::function<Evaluation(const Eigen::VectorXd& theta, int epoch)>;
Evaluator evaluator(const Objective& objective, const TrainOptions& options);

}  // namespace stoat::snn
