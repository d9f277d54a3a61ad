#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/hdf5/nir.hpp>
#include <stoat/random/philox.hpp>

#include "files.hpp"
#include "raw.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

/// The paper's networks in small: convolutions with recurrent convolutions, then an all-to-all layer that learns, a readout.
Network convolutional() {
  Lif lif{.activation = Activation::deterministic, .recurrent = true, .recurrent_kernel = 3};
  lif.surrogate = surrogate::SuperSpike{7};
  return Network(30, 40,
                 {Conv1d{.channels = 4, .kernel = 5, .stride = 2, .padding = 1}, lif,
                  Conv1d{.channels = 3, .kernel = 3, .stride = 3}, Lif{.threshold = 0.5}, Dropout{0.25}, Linear{5},
                  Lif{.tau_mem = 0.03,
                      .reset = Reset::replay,
                      .escape = escape::Exponential{0.5, 0.2},
                      .recurrent = true,
                      .refractory = 2,
                      .adaptation = 0.1,
                      .learned_tau = Learned::neuron},
                  Linear{3}, LeakyReadout{.tau_mem = 0.7, .initial = -1e-3}});
}

bool same_bits(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

/// Parameters that are all different, time constants included.
Eigen::VectorXd parameters(const Network& network) {
  Eigen::VectorXd theta = network.initial<double>({.seed = 3, .nu = 60});
  for (const Network::Part& part : network.parts())
    if (part.time_constants)
      for (Eigen::Index i = 0; i < part.size(); ++i) theta[part.offset + i] += 0.01 * static_cast<double>(i);
  return theta;
}

/// What two networks do with the same input: readout and spikes.
bool same_response(const Network& a, const Eigen::VectorXd& theta_a, const Network& b, const Eigen::VectorXd& theta_b,
                   double tolerance = 0) {
  SpikeEvents input(a.steps(), a.inputs());
  Generator words({9, 0, Purpose::data});
  std::vector<snn::Spike> spikes;
  for (int i = 0; i < a.steps() * a.inputs() / 5; ++i)
    spikes.push_back({static_cast<int>(a.steps() * words.uniform()), static_cast<int>(a.inputs() * words.uniform())});
  input.add(spikes);
  const std::vector<std::size_t> one{0};
  const Response<double> x = respond(a, theta_a, input, one, 4), y = respond(b, theta_b, input, one, 4);
  bool same = x.spikes.size() == y.spikes.size();
  for (std::size_t k = 0; k < x.spikes.size() && same; ++k) {
    CHECK(x.spikes[k].spikes() > 0);
    same = x.spikes[k].raster(0) == y.spikes[k].raster(0);
  }
  if (!x.readout.empty()) same = same && (x.readout[0] - y.readout[0]).cwiseAbs().maxCoeff() <= tolerance;
  return same;
}

std::string complaint(const std::filesystem::path& path, const NirOptions& options = {}) {
  try {
    read_nir(path, options);
  } catch (const Error& error) {
    const std::string message = error.what(), begin = "NIR file " + path.string() + ": ";
    CHECK(message.substr(0, begin.size()) == begin);
    return message.substr(std::min(message.size(), begin.size()));
  }
  return "no complaint";
}

}  // namespace

TEST_CASE("a network comes back from NIR as it was, bit for bit") {
  const Folder folder("nir");
  std::vector<Network> networks{convolutional()};
  networks.push_back(
      Network(6, 30, {Linear{4}, Lif{.reset_kind = ResetKind::leak, .recurrent = true}, Linear{2}, LeakyReadout{.tau_syn = 0}}));
  networks.push_back(Network(6, 30, {Linear{4}, Lif{.escape = escape::Hazard{}, .learned_tau = Learned::layer}}));
  const std::vector<SpikeFunction> surrogates{surrogate::Sigmoid{8, 0.5}, surrogate::ArcTan{3}, surrogate::Triangle{0.3},
                                              surrogate::Boxcar{0.7},     surrogate::Tanh{4},   surrogate::Exponential{0.6, 0.2},
                                              escape::Erf{0.3},           surrogate::Erf{0.2}};
  for (const SpikeFunction& f : surrogates) {
    Lif lif{.reset = Reset::differentiated};
    lif.surrogate = f;
    networks.push_back(Network(6, 30, {Linear{4}, lif}));
  }
  for (const Network& network : networks) {
    const Eigen::VectorXd theta = parameters(network);
    write_nir(folder / "a.nir", network, theta);
    const NirNetwork read = read_nir(folder / "a.nir");
    INFO(network.description());
    CHECK(same_bits(read.theta, theta));
    CHECK(read.network.description() == network.description());
    CHECK(read.network.steps() == network.steps());
    CHECK(same_response(network, theta, read.network, read.theta));
    // Written once more it is the same file but for the times HDF5 notes, so what description() leaves out came back too.
    const NirNetwork again = (write_nir(folder / "b.nir", read.network, read.theta), read_nir(folder / "b.nir"));
    for (std::size_t k = 0; k < network.layers().size(); ++k) {
      const Lif *a = std::get_if<Lif>(&network.layers()[k]), *b = std::get_if<Lif>(&again.network.layers()[k]);
      REQUIRE((a == nullptr) == (b == nullptr));
      if (!a) continue;
      CHECK(std::tie(a->tau_mem, a->tau_syn, a->dt, a->threshold, a->reset, a->reset_kind, a->activation) ==
            std::tie(b->tau_mem, b->tau_syn, b->dt, b->threshold, b->reset, b->reset_kind, b->activation));
      CHECK(std::tie(a->recurrent_kernel, a->refractory, a->adaptation, a->tau_adaptation, a->learned_tau) ==
            std::tie(b->recurrent_kernel, b->refractory, b->adaptation, b->tau_adaptation, b->learned_tau));
      for (const double z : {-0.3, 0.05}) {
        CHECK(a->escape.value(z) == b->escape.value(z));
        CHECK(a->slope().derivative(z) == b->slope().derivative(z));
      }
    }
  }
}

TEST_CASE("h5py finds the fields of the format, with the weights where NIR has them") {
  if (!has_h5py()) return;
  const Folder folder("nir-h5py");
  const Network network = convolutional();
  const Eigen::VectorXd theta = parameters(network);
  write_nir(folder / "a.nir", network, theta);
  CHECK(
      python(
          "g = f['node']\n"
          "print(f['version'][()].decode(), g['type'][()].decode())\n"
          "for k in g['nodes']: print(k, g['nodes'][k]['type'][()].decode(), sorted(set(g['nodes'][k]) - {'type', 'metadata'}))\n"
          "for a, b in g['edges'][()]: print(a.decode(), b.decode())\n"
          "n = g['nodes']\n"
          "print(n['input/shape'][:], n['output/shape'][:], n['flatten_3/input_type'][:], n['flatten_3/start_dim'][()])\n"
          "print([n['conv_1'][k][()] for k in ('stride', 'padding', 'dilation', 'groups', 'input_shape')], n['conv_1/bias'][:])\n"
          "print([n[k].shape for k in ('conv_1/weight', 'recurrent_1/weight', 'linear_3/weight', 'lif_1/tau_mem', 'lif_3/r')])\n"
          "print(n['lif_2/v_threshold'][0, 0], n['lif_1/w_in'][3, 2], n['lif_1/r'][1, 1], n['lif_1/v_leak'][1, 1], "
          "n['lif_1/v_reset'][1, 1], n['readout/tau_mem'][0], n['lif_1/tau_syn'][0, 0])\n"
          "print(n['conv_1/weight'].compression, n['conv_1/weight'].dtype, g['metadata/steps'][()], n['lif_1/metadata/dt'][()])\n",
          folder / "a.nir") ==
      "1.0 NIRGraph\n"
      "conv_1 Conv1d ['bias', 'dilation', 'groups', 'input_shape', 'padding', 'stride', 'weight']\n"
      "conv_2 Conv1d ['bias', 'dilation', 'groups', 'input_shape', 'padding', 'stride', 'weight']\n"
      "flatten_3 Flatten ['end_dim', 'input_type', 'start_dim']\n"
      "input Input ['shape']\n"
      "lif_1 CubaLIF ['r', 'tau_mem', 'tau_syn', 'v_leak', 'v_reset', 'v_threshold', 'w_in']\n"
      "lif_2 CubaLIF ['r', 'tau_mem', 'tau_syn', 'v_leak', 'v_reset', 'v_threshold', 'w_in']\n"
      "lif_3 CubaLIF ['r', 'tau_mem', 'tau_syn', 'v_leak', 'v_reset', 'v_threshold', 'w_in']\n"
      "linear_3 Linear ['weight']\n"
      "linear_4 Linear ['weight']\n"
      "output Output ['shape']\n"
      "readout CubaLI ['r', 'tau_mem', 'tau_syn', 'v_leak', 'w_in']\n"
      "recurrent_1 Conv1d ['bias', 'dilation', 'groups', 'input_shape', 'padding', 'stride', 'weight']\n"
      "recurrent_3 Linear ['weight']\n"
      "input conv_1\nconv_1 lif_1\nlif_1 recurrent_1\nrecurrent_1 lif_1\nlif_1 conv_2\nconv_2 lif_2\nlif_2 flatten_3\n"
      "flatten_3 linear_3\nlinear_3 lif_3\nlif_3 recurrent_3\nrecurrent_3 lif_3\nlif_3 linear_4\nlinear_4 readout\n"
      "readout output\n"
      "[ 1 30] [3] [3 4] 0\n"
      "[2, 1, 1, 1, 30] [0. 0. 0. 0.]\n"
      "[(4, 1, 5), (4, 4, 3), (5, 12), (4, 14), (5,)]\n"
      "0.5 5.0 1.0 0.0 0.0 0.7 0.01\n"
      "gzip float64 40 0.002\n");
  // The network of the file, run by hand in numpy: the first layer and its spikes, with convolutions as sums over positions.
  SpikeEvents input(40, 30);
  std::vector<snn::Spike> spikes;
  std::string list;
  for (int i = 0; i < 300; ++i) {
    spikes.push_back({i * 7 % 40, i * 11 % 30});
    list +=
        (i > 0 ? "," : "") + std::string("(") + std::to_string(spikes.back().step) + "," + std::to_string(spikes.back().unit) + ")";
  }
  input.add(spikes);
  const std::vector<std::size_t> one{0};
  const SpikeEvents first = respond(network, theta, input, one, 1).spikes[0];
  CHECK(first.spikes() > 20);
  std::string expected;
  for (int t = 0; t < 40; ++t)
    for (const SpikeEvents::Unit u : first.at(0, t))  // ours: position x 4 + channel
      expected += std::to_string(t) + " " + std::to_string(u % 4) + " " + std::to_string(u / 4) + "\n";
  CHECK(python("n = f['node/nodes']; dt = n['lif_1/metadata/dt'][()]\n"
               "x = np.zeros((40, 30))\nfor t, i in [" +
                   list +
                   "]: x[t, i] = 1\n"
                   "def conv(node, s):\n"
                   "  w, p, st = n[node]['weight'][:], n[node]['padding'][()], n[node]['stride'][()]\n"
                   "  s = np.pad(s, ((0, 0), (p, p)))\n"
                   "  m = (s.shape[1] - w.shape[2]) // st + 1\n"
                   "  return np.array([[(w[o] * s[:, j * st:j * st + w.shape[2]]).sum() for j in range(m)] for o in "
                   "range(w.shape[0])])\n"
                   "l = {k: n['lif_1'][k][:] for k in n['lif_1'] if k not in ('type', 'metadata')}\n"
                   "am, a_s = np.exp(-dt / l['tau_mem']), np.exp(-dt / l['tau_syn'])\n"
                   "v = np.zeros_like(am); i = np.zeros_like(am)\n"
                   "for t in range(40):\n"
                   "  s = (v >= l['v_threshold']).astype(float)\n"
                   "  for p in range(14):\n    for c in range(4):\n      if s[c, p]: print(t, c, p)\n"
                   "  v = (am * v + (1 - am) * l['r'] * i) * (1 - s)\n"
                   "  i = a_s * i + l['w_in'] * dt / l['tau_syn'] * (conv('conv_1', x[t][None]) + conv('recurrent_1', s))\n",
               folder / "a.nir") == expected);
}

TEST_CASE("a graph of another program: other gains, thresholds and time constants") {
  if (!has_h5py()) return;
  const Folder folder("nir-foreign");
  // Single precision, no metadata, r and w_in of its own, v_leak = -0.5, time constants that differ; recurrent, Affine with bias 0.
  python(
      "def arrays(name, **kw):\n  for k, v in kw.items(): f['node/nodes/' + name + '/' + k] = v\n"
      "f['version'] = '0.2'\nf['node/type'] = 'NIRGraph'\n"
      "one = np.ones(2, dtype=np.float32)\n"
      "arrays('a', type='Input', shape=np.array([3]))\n"
      "arrays('b', type='Affine', weight=np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32), bias=0 * one)\n"
      "arrays('c', type='CubaLIF', tau_mem=np.array([.02, .04]), tau_syn=.01 * np.ones(2), r=2 * one, v_leak=-.5 * one,\n"
      "       v_reset=-.5 * one, v_threshold=np.array([.5, .5]), w_in=np.array([2.5, 5.]))\n"
      "arrays('back', type='Linear', weight=np.array([[0, .25], [.5, 0]]))\n"
      "arrays('d', type='Linear', weight=np.array([[7., 8.]]))\n"
      "arrays('e', type='LI', tau=np.array([.1]), r=np.array([3.]), v_leak=np.array([0.]))\n"
      "arrays('z', type='Output', shape=np.array([1]))\n"
      "f['node/edges'] = [('a', 'b'), ('b', 'c'), ('c', 'back'), ('back', 'c'), ('c', 'd'), ('d', 'e'), ('e', 'z')]\n",
      folder / "a.nir");
  CHECK(complaint(folder / "a.nir") == "node/metadata/steps: it is missing, and the options do not tell the steps");
  CHECK(complaint(folder / "a.nir", {.steps = 10}) == "node/nodes/c/metadata/dt: it is missing, and the options do not tell dt");
  const NirNetwork read =
      read_nir(folder / "a.nir", {.dt = 0.002, .steps = 10, .neuron = {.activation = Activation::deterministic}});
  const Lif& lif = std::get<Lif>(read.network.layers()[1]);
  CHECK(lif.threshold == 1);
  CHECK(lif.recurrent);
  CHECK(lif.learned_tau == Learned::neuron);
  CHECK(lif.activation == Activation::deterministic);
  CHECK(std::get<LeakyReadout>(read.network.layers()[3]).tau_syn == 0);
  // w r w_in dt / tau_syn: neuron 0 has 2 * 2.5 * 0.2 = 1, neuron 1 has 2, as w_in = tau_syn / dt there.
  Eigen::VectorXd expected(6 + 4 + 4 + 2);
  expected << 1, 8, 2, 10, 3, 12, 0, 1, 0.25, 0, std::log(0.02), std::log(0.04), std::log(0.01), std::log(0.01), 21, 24;
  CHECK((read.theta - expected).cwiseAbs().maxCoeff() < 1e-14);
  CHECK_THROWS_WITH_AS(read_nir(folder / "a.nir", {.dt = -1}), "read_nir: dt = -1 is outside [0, infinity)", InvalidArgument);
}

TEST_CASE("what has no form in NIR is not written") {
  const Folder folder("nir-refuse");
  struct Mine : surrogate::SuperSpike {};
  Lif lif{};
  lif.surrogate = Mine{};
  const auto refuses = [&](const Network& network, const char* why) {
    CHECK_THROWS_WITH_AS(write_nir(folder / "a.nir", network, network.initial<double>()), why, InvalidArgument);
  };
  refuses(Network(9, 5, {Linear{4}, lif}),
          "write_nir: layer 1: the function 'SuperSpike' is not the library's, and has no name in a file");
  refuses(Network(9, 5, {Linear{4}, Lif{}, Conv1d{.kernel = 2}, Lif{}}),
          "write_nir: layer 2: a convolution after an all-to-all layer has no form in NIR");
  refuses(Network(9, 5, {Conv1d{.kernel = 2}, Lif{.recurrent = true}}),
          "write_nir: layer 1: an all-to-all recurrent connection after a convolution has no form in NIR");
  refuses(Network(9, 5, {Linear{4}, Lif{.recurrent = true, .recurrent_kernel = 3}}),
          "write_nir: layer 1: a recurrent convolution after an all-to-all layer has no form in NIR");
  const Network good(9, 5, {Linear{4}, Lif{}});
  CHECK_THROWS_WITH_AS(write_nir(folder / "a.nir", good, Eigen::VectorXd::Zero(3)),
                       "write_nir: the network has 36 parameters, not 3", InvalidArgument);
  CHECK_THROWS_WITH_AS(write_nir(folder / "a.nir", good, Eigen::VectorXd::Constant(36, std::nan(""))),
                       "write_nir: parameter 0 is nan", InvalidArgument);
  CHECK(std::filesystem::is_empty(folder / ""));  // nothing was left behind
}

TEST_CASE("a NIR file that makes no sense is refused, with node and field") {
  if (!has_h5py()) return;
  const Folder folder("nir-bad");
  const Network network(6, 30,
                        {Conv1d{.channels = 2, .kernel = 3}, Lif{}, Linear{2}, Lif{.recurrent = true}, Linear{2}, LeakyReadout{}});
  write_nir(folder / "good.nir", network, parameters(network));
  CHECK(complaint(folder.write("text.nir", "hello")) == "it is no HDF5 file");

  // Many changes in one run of Python: "what is done to n, the nodes, or g, the graph" and "the complaint".
  const std::vector<std::pair<std::string, std::string>> cases{
      {"del g['type']", "node/type: the dataset is missing"},
      {"del f['node']", "node: the group is missing"},
      {"put(g, 'type', 'LIF')", "node/type: it is 'LIF', not 'NIRGraph'"},
      {"put(n, 'lif_1/type', 'LIF')", "node/nodes/lif_1: neurons without synaptic current (LIF) cannot be read; CubaLIF can"},
      {"put(n, 'lif_1/type', 'IF')", "node/nodes/lif_1: nodes of type 'IF' cannot be read"},
      {"del n['lif_1/tau_mem']", "node/nodes/lif_1/tau_mem: the dataset is missing"},
      {"put(n, 'lif_1/tau_mem', np.ones(3))", "node/nodes/lif_1/tau_mem: its shape is 3, not 2 x 4"},
      {"n['lif_1/tau_mem'][0, 1] = -1", "node/nodes/lif_1/tau_mem: time constant = -1 is outside (0, infinity)"},
      {"n['lif_1/v_threshold'][0, 1] = 3",
       "node/nodes/lif_1/v_threshold: it is 1.000000 and 3.000000, and has to be the same for all units"},
      {"n['lif_1/v_reset'][0, 1] = 3", "node/nodes/lif_1/v_reset: it differs from v_leak, where our neurons are reset to"},
      {"n['lif_1/r'][0, 1] = 3", "node/nodes/conv_1: the neurons it leads to differ in r or w_in between positions of a filter"},
      {"n['conv_1/weight'][1, 0, 2] = np.nan", "node/nodes/conv_1/weight, entry 5: it is nan"},
      {"n['conv_1/bias'][1] = 1", "node/nodes/conv_1/bias: a bias of 1.000000 cannot be read: our layers have none"},
      {"put(n, 'conv_1/stride', 0)", "node/nodes/conv_1/stride: value = 0 is outside [1, 2^31)"},
      {"put(n, 'conv_1/stride', 1.5)", "node/nodes/conv_1/stride: it does not hold integers"},
      {"put(n, 'conv_1/padding', 'full')", "node/nodes/conv_1/padding: 'full' cannot be read with stride 1 and kernel 3"},
      {"put(n, 'conv_1/groups', 2)", "node/nodes/conv_1/groups: only 1 can be read"},
      {"put(n, 'conv_1/input_shape', 7)", "node/nodes/conv_1/input_shape: the node before gives 6 positions"},
      {"put(n, 'linear_2/weight', np.ones((2, 9)))", "node/nodes/linear_2/weight: its shape is 2 x 9, not units x 8"},
      {"put(n, 'recurrent_2/weight', np.ones((3, 2)))", "node/nodes/recurrent_2: it leads to 3 units, not back to lif_2"},
      {"n['readout/v_leak'][0] = 1", "node/nodes/readout/v_leak: v_leak of a readout = 1 is outside {0}"},
      {"put(n, 'lif_1/metadata/reset', 'maybe')", "node/nodes/lif_1/metadata/reset: 'maybe' is not known"},
      {"put(n, 'lif_1/metadata/escape', 'escape erf2')",
       "node/nodes/lif_1/metadata/escape: 'escape erf2' with 1 constants is not known"},
      {"n['lif_1/metadata/escape_constants'][0] = -1",
       "node/nodes/lif_1/metadata/escape_constants: sigmoid: beta = -1 is outside (0, infinity)"},
      {"put(g, 'edges', [('input', 'conv_1'), ('conv_1', 'nobody')])", "node/edges, row 1: there is no node 'nobody'"},
      {"put(g, 'edges', [('input', 'conv_1'), ('conv_1', 'linear_2'), ('linear_2', 'lif_2'), ('lif_2', 'output')])",
       "node/nodes/linear_2: there are no neurons between it and conv_1"},
      {"put(g, 'edges', [('input', 'conv_1'), ('conv_1', 'lif_1'), ('lif_1', 'conv_1')])",
       "node/nodes/conv_1: it leads to its neurons and back from them at once"},
      {"put(g, 'edges', [('input', 'conv_1'), ('conv_1', 'lif_1'), ('lif_1', 'flatten_2'), ('lif_1', 'output')])",
       "node/nodes/lif_1: the graph is no chain of layers: edges lead to flatten_2 and to output"},
      {"put(g, 'edges', [('input', 'conv_1'), ('conv_1', 'lif_1'), ('lif_1', 'output')])",
       "node/nodes/flatten_2: it is not on the way from input to output"},
      {"put(g, 'edges', [('input', 'conv_1')])", "node/nodes/conv_1: no edge leads on from it"},
      {"put(g, 'edges', ['input', 'conv_1'])", "node/edges: its shape is 2, not two names an edge"},
      {"put(g, 'edges', np.ones((3, 2)))", "node/edges: it does not hold text"},
      {"put(n, 'second/type', 'Input')", "node/nodes: there is more than one Input: input and second"},
      {"put(n, 'output/type', 'Linear')", "node/nodes: there is no Output"},
      {"put(n, 'input/shape', [2, 6])", "node/nodes/input/shape: it is neither units nor one channel x positions"},
      {"put(n, 'input/shape', [0])", "node/nodes/input/shape: units = 0 is outside [1, 2^24]"},
      {"put(g, 'metadata/steps', -5)", "node/metadata/steps: value = -5 is outside [1, 2^31)"},
      {"put(n, 'lif_1/metadata/dt', 3.)", "node: Network: layer 2 (Lif): dt = 3 is outside (0, tau_mem)"},
  };
  std::string script =
      "import shutil\n"
      "def put(at, name, value):\n  if name in at: del at[name]\n  at[name] = value\n"
      "f.close()\nprefix = sys.argv[1][:-len('good.nir')]\n";
  for (std::size_t k = 0; k < cases.size(); ++k)
    script += "shutil.copy(sys.argv[1], prefix + '" + std::to_string(k) + ".nir')\nf = h5py.File(prefix + '" + std::to_string(k) +
              ".nir', 'r+'); g = f['node']; n = g['nodes']\n" + cases[k].first + "\nf.close()\n";
  python(script, folder / "good.nir");
  for (std::size_t k = 0; k < cases.size(); ++k) {
    INFO(cases[k].first);
    CHECK(complaint(folder / (std::to_string(k) + ".nir")) == cases[k].second);
  }
}
