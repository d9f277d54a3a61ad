#include "lif.hpp"

#include <stoat/driver/report.hpp>

namespace surrogate_gradients {
namespace {

using report::digits;

const Eigen::VectorXd& weight() {
  static const Eigen::VectorXd w = Eigen::VectorXd::Constant(1, 3.0);
  return w;
}

constexpr double LifStep::*fields[] = {
    &LifStep::spikes,       &LifStep::exact, &LifStep::detached, &LifStep::differentiated, &LifStep::exact_without_reset,
    &LifStep::without_reset};

/// Sums over the first `steps` steps.
LifStep first(int steps, double beta) {
  const auto program = [&](snn::Reset reset) { return lif_neuron(beta, reset, steps).program<double>(); };
  const Exact exact = enumerate(program(snn::Reset::detached), weight()), free = enumerate(program(snn::Reset::none), weight());
  const auto surrogate = [&](snn::Reset reset) { return steps * expected_surrogate(program(reset), weight()).mean[0]; };
  return {
      steps * exact.value,      steps * exact.gradient[0],  surrogate(snn::Reset::detached), surrogate(snn::Reset::differentiated),
      steps * free.gradient[0], surrogate(snn::Reset::none)};
}

Figure figure(const std::vector<LifStep>& steps) {
  const auto curve = [&](const char* title, const char* colour, const char* look, double LifStep::*field) {
    Curve c{title, std::string("with linespoints ps 0.6 ") + look + " lc rgb '" + colour + "'", {}};
    for (std::size_t n = 0; n < steps.size(); ++n) c.points.push_back({static_cast<double>(n), steps[n].*field});
    return c;
  };
  const std::string common = "set xrange [0:11]\nset xtics 2\nset offsets 0, 0, graph 0.35, 0\nset xzeroaxis lw 0.8 lt -1\n";
  return {"lif",
          "A leaky integrate-and-fire neuron with escape noise of slope 10, step by step. Left, it resets itself after a spike: "
          "the exact "
          "derivative of the probability of a spike, and the mean surrogate gradient with the reset detached or differentiated. "
          "Right, it "
          "does not: the surrogate gradient is exact.",
          860,
          340,
          2,
          {Panel{"with reset",
                 "time (ms)",
                 "d P(spike) / dw",
                 common,
                 {curve("exact", "black", "lw 2 pt 7", &LifStep::exact),
                  curve("surrogate, reset detached", colour::orange, "lw 2 pt 5", &LifStep::detached),
                  curve("surrogate, reset differentiated", colour::blue, "lw 2 pt 9", &LifStep::differentiated)}},
           Panel{"without reset",
                 "time (ms)",
                 "d P(spike) / dw",
                 common,
                 {curve("exact", "black", "lw 5 pt 7", &LifStep::exact_without_reset),
                  curve("surrogate", colour::orange, "lw 2 dt '-' pt 6", &LifStep::without_reset)}}}};
}

}  // namespace

snn::Objective lif_neuron(double beta, snn::Reset reset, int steps) {
  if (steps < 1 || steps > lif_length) throw InvalidArgument("lif_neuron: " + outside("steps", steps, "[1, 12]"));
  snn::Dataset data{.inputs = snn::SpikeEvents(steps, 1)};
  std::vector<snn::Spike> spikes;
  for (const int n : {0, 2, 3, 6})
    if (n < steps) spikes.push_back({n, 0});
  data.inputs.add(spikes);
  snn::Lif lif{.tau_mem = 0.01, .tau_syn = 0.005, .dt = 0.001, .reset = reset};
  lif.escape = snn::escape::Sigmoid{beta};
  return snn::Objective(snn::Network(1, steps, {snn::Linear{1}, lif}), std::move(data), snn::MeanOutput{0});
}

std::vector<LifStep> lif_steps(double beta) {
  std::vector<LifStep> steps;
  LifStep before;
  for (int n = 0; n < lif_length; ++n) {
    const LifStep now = first(n + 1, beta);
    steps.emplace_back();
    for (const auto field : fields) steps.back().*field = now.*field - before.*field;
    before = now;
  }
  return steps;
}

LifStep sum(const std::vector<LifStep>& steps) {
  LifStep total;
  for (const LifStep& step : steps)
    for (const auto field : fields) total.*field += step.*field;
  return total;
}

Chapter lif_chapter(const Options&) {
  const std::vector<LifStep> steps = lif_steps(10);
  Table table{"Sums over 12 steps, exact over all histories of spikes: derivatives in the input weight", {}};
  table.rows.push_back(
      {"slope", "E[spikes]", "exact", "reset detached", "reset differentiated", "no reset: exact", "no reset: surrogate"});
  for (const double beta : {5.0, 10.0}) {
    const LifStep total = beta == 10 ? sum(steps) : sum(lif_steps(beta));
    table.rows.push_back({digits(beta)});
    for (const auto field : fields) table.rows.back().push_back(digits(total.*field, 7));
  }
  return {
      "A spiking neuron in time",
      "<p>The neuron is a layer of the library, <code>snn::Lif</code>; each of its steps is a coin toss, and every outcome of the "
      "twelve "
      "is visited. Until its first spike may matter the surrogate gradient is exact. Afterwards its own spikes feed back through "
      "the reset, as in a network of several layers, and it is biased: far too long if the reset is taken as a constant, less so "
      "if "
      "the reset is differentiated. The same neuron without a reset has no such loop.</p>",
      {table},
      {figure(steps)}};
}

}  // namespace surrogate_gradients
