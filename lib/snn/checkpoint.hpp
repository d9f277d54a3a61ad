// What a training needs to go on, in a file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <stoat/snn/train.hpp>

#include "evaluation.hpp"

namespace stoat::snn {

/// An epoch under way.
struct RunningEpoch {         // NOLINT(bugprone-exception-escape): an empty json does not throw
  std::size_t batches = 0;    ///< done
  Total total;                ///< over them
  double gradient_norms = 0;  ///< their sum
  double seconds = 0;
  nlohmann::json learnt;  ///< what the source of gradients needs to go on
};

struct TrainingState {
  Eigen::VectorXd theta, best;
  int best_epoch = 0;
  OptimizerState optimizer;
  std::vector<Epoch> epochs;
  RunningEpoch running;
};

/// Everything that decides about the bits of a training; `gradient` names where gradients come from.
nlohmann::json identity_of(const Objective& objective, const Eigen::VectorXd& start, const Optimizer& optimizer,
                           const std::string& gradient, const TrainOptions& options);

/// Replaces the file in one step.
void save(const std::filesystem::path& path, const nlohmann::json& identity, const TrainingState& state);

/// Empty if rank 0 has no such file. Throws InvalidArgument, naming what differs, if it has another identity, Error if it is
/// damaged: on all ranks.
std::optional<TrainingState> load(const std::filesystem::path& path, const nlohmann::json& identity, Ranks* ranks);

}  // namespace stoat::snn
