#include <stoat/hdf5/weight_file.hpp>

#include "file.hpp"

namespace stoat::snn {
namespace {

using hdf5::Reader, hdf5::Session, hdf5::Shape, hdf5::Writer;

constexpr const char* format = "stoat weights 1";

/// Where a part of the parameters is, and in which shape. Our matrices are column by column and HDF5's arrays row by row: the same
/// numbers in a row are a column of ours.
struct Place {
  std::string group, name;
  Shape shape;
};

/// The convolution that leads to a layer of neurons, if one does.
const Conv1d* convolution(const Network& network, int layer) {
  const Conv1d* found = nullptr;
  for (const Layer& l : network.layers()) {
    if (const Conv1d* conv = std::get_if<Conv1d>(&l)) found = conv;
    else if (std::holds_alternative<Linear>(l)) found = nullptr;
    else if (!std::holds_alternative<Dropout>(l) && layer-- == 0) break;
  }
  return found;
}
const Lif* neurons(const Network& network, int layer) {
  for (const Layer& l : network.layers())
    if ((std::holds_alternative<Lif>(l) || std::holds_alternative<LeakyReadout>(l)) && layer-- == 0) return std::get_if<Lif>(&l);
  return nullptr;
}

Place place(const Network& network, const Network::Part& part) {
  const auto rows = static_cast<hsize_t>(part.rows), cols = static_cast<hsize_t>(part.cols);
  Place place{"layer_" + std::to_string(part.layer + 1), "weights", {cols, rows}};
  if (part.time_constants) {
    place.name = "log_time_constants";
    return place;
  }
  const Conv1d* const conv = convolution(network, part.layer);
  int kernel = conv ? conv->kernel : 0;
  if (part.recurrent) {
    place.name = "recurrent_weights";
    kernel = neurons(network, part.layer)->recurrent_kernel;
  }
  if (kernel > 0) place.shape = {cols / static_cast<hsize_t>(kernel), static_cast<hsize_t>(kernel), rows};
  return place;
}

void write_tree(Writer& file, const std::string& above, const Network& network, const Eigen::VectorXd& numbers) {
  for (int layer = 1; layer <= network.depth(); ++layer) file.group(above + "layer_" + std::to_string(layer));
  for (const Network::Part& part : network.parts()) {
    const Place p = place(network, part);
    file.numbers(above + p.group + "/" + p.name, p.shape, numbers.data() + part.offset);
  }
}

Eigen::VectorXd read_tree(const Reader& file, const std::string& above, const Network& network) {
  Eigen::VectorXd numbers(network.parameters());
  for (const Network::Part& part : network.parts()) {
    const Place p = place(network, part);
    file.require_group(above + p.group);
    file.numbers(above + p.group + "/" + p.name, p.shape, numbers.data() + part.offset);
  }
  return numbers;
}

}  // namespace

void write_weights(const std::filesystem::path& path, const Network& network, const SavedWeights& weights) {
  const auto check = [&](const std::string& what, Eigen::Index size) {
    if (size != network.parameters())
      throw InvalidArgument("write_weights: the network has " + std::to_string(network.parameters()) + " parameters, and " + what +
                            " has " + std::to_string(size));
  };
  check("theta", weights.theta.size());
  if (weights.optimizer)
    for (const Eigen::VectorXd& moment : weights.optimizer->moments) check("a moment of the optimizer", moment.size());
  const Session session;
  Writer file(path);
  file.text("format", format);
  file.text("network", network.description());
  write_tree(file, "", network, weights.theta);
  if (weights.optimizer) {
    file.group("optimizer");
    file.text("optimizer/rule", weights.optimizer->rule);
    file.integer("optimizer/steps", weights.optimizer->steps);
    for (std::size_t j = 0; j < weights.optimizer->moments.size(); ++j) {
      const std::string group = "optimizer/moment_" + std::to_string(j + 1);
      file.group(group);
      write_tree(file, group + "/", network, weights.optimizer->moments[j]);
    }
  }
  file.commit();
}

SavedWeights read_weights(const std::filesystem::path& path, const Network& network) {
  const Session session;
  const Reader file("weight file", path);
  if (const std::string found = file.text("format"); found != format)
    file.fail("format", "it is '" + found + "', not '" + format + "'");
  SavedWeights weights{.theta = read_tree(file, "", network)};
  if (!file.has("optimizer")) return weights;
  OptimizerState state{.rule = file.text("optimizer/rule"), .steps = file.integer("optimizer/steps")};
  if (state.steps < 0) file.fail("optimizer/steps", outside("steps", static_cast<double>(state.steps), "[0, infinity)"));
  for (int j = 1; file.has("optimizer/moment_" + std::to_string(j)); ++j)
    state.moments.push_back(read_tree(file, "optimizer/moment_" + std::to_string(j) + "/", network));
  weights.optimizer = std::move(state);
  return weights;
}

}  // namespace stoat::snn
