#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include <stoat/error.hpp>
#include <stoat/hdf5/weight_file.hpp>
#include <stoat/optim/optimizer.hpp>

#include "files.hpp"
#include "raw.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

/// All kinds of parameters: a convolution with a convolution back to itself, a recurrent layer that learns its time constants.
Network network() {
  return Network(30, 20,
                 {Conv1d{.channels = 4, .kernel = 5, .stride = 2, .padding = 1}, Lif{.recurrent = true, .recurrent_kernel = 3},
                  Linear{6}, Lif{.recurrent = true, .learned_tau = Learned::neuron}, Dropout{0.5}, Linear{3}, LeakyReadout{}});
}

bool same_bits(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

std::string complaint(const std::filesystem::path& path, const Network& reader) {
  try {
    read_weights(path, reader);
  } catch (const Error& error) { return error.what(); }
  return {};
}

}  // namespace

TEST_CASE("weights and the optimiser's state come back with the same bits, and a training goes on from them") {
  const Folder folder("weights");
  const Network net = network();
  Optimizer optimizer = Adam{0.01};
  SavedWeights saved{.theta = net.initial<double>({.seed = 3})};
  const auto step = [&](Optimizer& rule, Eigen::VectorXd& theta, int k) {
    rule.step(theta, (theta.array() * (1.0 + k)).sin().matrix());
  };
  for (int k = 0; k < 3; ++k) step(optimizer, saved.theta, k);
  saved.optimizer = optimizer.state();
  write_weights(folder / "w.h5", net, saved);

  SavedWeights read = read_weights(folder / "w.h5", net);
  CHECK(same_bits(read.theta, saved.theta));
  REQUIRE(read.optimizer.has_value());
  CHECK(read.optimizer->moments.size() == 2);
  Optimizer other = Adam{0.01};
  other.restore(*read.optimizer);
  step(optimizer, saved.theta, 3), step(other, read.theta, 3);
  CHECK(same_bits(read.theta, saved.theta));

  write_weights(folder / "w.h5", net, {.theta = saved.theta});
  CHECK_FALSE(read_weights(folder / "w.h5", net).optimizer.has_value());
  CHECK_THROWS_WITH_AS(write_weights(folder / "w.h5", net, {.theta = Eigen::VectorXd(3)}),
                       doctest::Contains("parameters, and theta has 3"), InvalidArgument);
  CHECK_THROWS_WITH_AS(write_weights(folder / "none/w.h5", net, saved), doctest::Contains("its folder does not exist"), Error);
}

TEST_CASE("h5py opens weights as arrays: inputs x units, channels x kernel x filters") {
  if (!has_h5py()) return;
  const Folder folder("weights-h5py");
  const Network net = network();
  Eigen::VectorXd theta(net.parameters());
  for (Eigen::Index i = 0; i < theta.size(); ++i) theta[i] = static_cast<double>(i);
  OptimizerState state{.rule = "Adam(rate 0.01)", .steps = 7};
  state.moments = {theta, 2 * theta};
  write_weights(folder / "w.h5", net, {theta, state});
  // The three lines of the header, and then what is in them.
  CHECK(python("w = f['layer_2/weights'][:]\n"
               "print(w.shape, w.dtype, w[5, 1])\n"
               "for k in ('layer_1/weights', 'layer_1/recurrent_weights', 'layer_2/recurrent_weights',\n"
               "          'layer_2/log_time_constants', 'layer_3/weights'): print(f[k].shape, f[k][:].flat[0])\n"
               "print(f['optimizer/rule'][()].decode(), f['optimizer/steps'][()], f['optimizer/moment_2/layer_2/weights'][5, 1])\n"
               "print(f['format'][()].decode(), f['network'][()].decode().split(chr(10))[0])\n",
               folder / "w.h5") ==
        // 14 positions x 4 channels = 56 units; 20 + 48 weights before layer 2. Entry (5, 1) of 56 x 6: the 31st.
        "(56, 6) float64 99.0\n(1, 5, 4) 0.0\n(4, 3, 4) 20.0\n(6, 6) 404.0\n(2, 6) 440.0\n(6, 3) 452.0\n"
        "Adam(rate 0.01) 7 198.0\nstoat weights 1 30 inputs, 20 steps\n");
  // A weight is where the network uses it: unit 3 of layer 1 and unit 2 of layer 2 meet in w[3, 2].
  CHECK(net.parts()[2].offset + 3 * 6 + 2 == 68 + 20);
}

TEST_CASE("weights of another network, or no weights, are refused by name") {
  const Folder folder("weights-bad");
  const Network net(4, 10, {Linear{3}, Lif{}, Linear{2}, LeakyReadout{}});
  const auto path = folder / "w.h5";
  write_weights(path, net, {.theta = net.initial<double>()});
  const std::string name = "weight file " + path.string() + ": ";
  CHECK(complaint(path, net).empty());
  CHECK(complaint(path, Network(4, 10, {Linear{5}, Lif{}, Linear{2}, LeakyReadout{}})) ==
        name + "layer_1/weights: its shape is 4 x 3, not 4 x 5");
  CHECK(complaint(path, Network(4, 10, {Linear{3}, Lif{.recurrent = true}, Linear{2}, LeakyReadout{}})) ==
        name + "layer_1/recurrent_weights: the dataset is missing");
  CHECK(complaint(path, Network(4, 10, {Linear{3}, Lif{}, Linear{2}, Lif{}, Linear{2}, LeakyReadout{}})) ==
        name + "layer_3: the group is missing");
  CHECK(complaint(folder.write("text.h5", "1 2 3"), net).find("text.h5: it is no HDF5 file") != std::string::npos);
  const std::string good = content(path);
  CHECK(complaint(folder.write("cut.h5", good.substr(0, good.size() - 8)), net).find("truncated file") != std::string::npos);
  {
    const RawFile raw(path);
    raw.group("layer_1");
  }
  CHECK(complaint(path, net) == name + "format: the dataset is missing");
  {
    const RawFile raw(path);
    const double numbers[12] = {};
    raw.write("format", {1}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, numbers);
  }
  CHECK(complaint(path, net) == name + "format: it does not hold text");
  if (has_h5py()) {
    std::filesystem::remove(path);
    python("f['format'] = 'stoat weights 1'\nf['layer_1/weights'] = [['a', 'b']]\n", path);
    CHECK(complaint(path, net) == name + "layer_1/weights: its shape is 1 x 2, not 4 x 3");
    std::filesystem::remove(path);
    python("f['format'] = 'stoat weights 2'\n", path);
    CHECK(complaint(path, net) == name + "format: it is 'stoat weights 2', not 'stoat weights 1'");
  }
}
