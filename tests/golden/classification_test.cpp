// Classes of spike times: paper.md 2.7, and its reduction to one layer.
#include <doctest/doctest.h>

#include <cmath>

#include <surrogate_gradients/classification.hpp>

using namespace surrogate_gradients;
using stoat::snn::Activation;

namespace {

double last_validation(const ClassificationRun& run) { return run.training.epochs.back().validation_accuracy; }

}  // namespace

TEST_CASE("layer after layer, before and after training") {
  ClassificationTask task;
  task.data = {.units = 20, .classes = 3, .samples_per_class = 30, .steps = 100, .alpha = 2};
  task.connections = {snn::Conv1d{8, 11, 1, 0}, snn::Conv1d{12, 5, 1, 0}};
  task.epochs = 2;
  task.batch = 30;
  task.trials = 40;
  for (const Activation activation : {Activation::deterministic, Activation::stochastic}) {
    const ClassificationRun run = classify(task, activation);
    REQUIRE(run.before.size() == 2);
    REQUIRE(run.after.size() == 2);
    CHECK(run.one_neuron.units() == 30);
    CHECK(run.one_neuron.samples() == 1);
    CHECK(run.training.epochs.size() == 2);
    for (const auto* layers : {&run.before, &run.after})
      for (const Reliability& layer : *layers) {
        CHECK(layer.rate > 0);
        if (activation == Activation::deterministic) {
          CHECK(layer.fano == 0);
        } else {
          CHECK(layer.fano > 0.4);
          CHECK(layer.fano < 1);
        }
      }
  }
}

TEST_SUITE_BEGIN("slow");

TEST_CASE("A19: ten classes, 128 hidden neurons, two seeds of weights") {
  ClassificationTask task;
  for (const std::uint64_t seed : {2u, 3u}) {
    task.seed = seed;
    for (const Activation activation : {Activation::deterministic, Activation::stochastic})
      CHECK(last_validation(classify(task, activation)) > 0.65);
  }
}

TEST_SUITE_END();
