// Networks of the tests: small data, and the dynamics of layers written one scalar operation after the other.
#pragma once

#include <cmath>
#include <vector>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

namespace stoat::snn {

/// Random spikes, the labels 0, 1, ... in turn.
inline Dataset noise(int units, int steps, int samples, int classes, double rate, std::uint64_t seed) {
  Dataset data{.inputs = SpikeEvents(steps, units), .classes = classes};
  for (int k = 0; k < samples; ++k) {
    Generator g({seed, static_cast<std::uint64_t>(k), Purpose::data});
    std::vector<snn::Spike> spikes;
    for (int t = 0; t < steps; ++t)
      for (int u = 0; u < units; ++u)
        if (g.uniform() < rate) spikes.push_back({t, u});
    data.inputs.add(spikes);
    data.labels.push_back(k % classes);
  }
  return data;
}

/// The neuron of paper.md 2.3: 12 steps of 1 ms, one input of weight 3, spikes at 0, 2, 3, 6.
inline Objective one_neuron(double beta, Reset reset) {
  Dataset data{.inputs = SpikeEvents(12, 1)};
  const std::vector<snn::Spike> spikes{{0, 0}, {2, 0}, {3, 0}, {6, 0}};
  data.inputs.add(spikes);
  Lif lif{.tau_mem = 0.01, .tau_syn = 0.005, .dt = 0.001, .reset = reset};
  lif.escape = escape::Sigmoid{beta};
  return Objective(Network(1, 12, {Linear{1}, lif}), std::move(data), MeanOutput{0});
}

/// The expected surrogate gradient of a small network, exactly: the mean over the data of the sum over all outcomes of the coins.
inline Eigen::VectorXd expected_surrogate(const Objective& objective, const Eigen::VectorXd& theta) {
  Trace<double> trace(objective.program<double>(), theta);
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(theta.size());
  for (std::size_t datum = 0; datum < trace.data(); ++datum) {
    trace.set_datum(datum);
    std::vector<std::int64_t> path;
    for (bool more = true; more;) {
      trace.record_lowest({1, 0}, path, Outcomes::variables);
      double probability = 1;
      path.resize(trace.sites());
      for (std::size_t i = 0; i < path.size(); ++i) {
        path[i] = trace.site(i).outcome;
        probability *= trace.site(i).pmf(path[i]);
      }
      trace.open(StraightThroughEdge{});
      trace.begin_sweep();
      trace.seed_cost(1);
      trace.sweep(sum, probability / static_cast<double>(trace.data()));
      while (!path.empty() && path.back() == 1) path.pop_back();
      more = !path.empty();
      if (more) path.back() = 1;
    }
  }
  return sum;
}

/// The same dynamics, one scalar operation after the other: a layer of n neurons. `smooth` puts the function that the surrogate is
/// the derivative of in place of the spike.
struct Plain {
  const Lif& lif;
  bool smooth = false;
  template <class S>
  std::vector<std::vector<S>> operator()(const std::vector<std::vector<S>>& in, int n, const Vector<S>& theta,
                                         Eigen::Index& at) const {
    const auto inputs = static_cast<Eigen::Index>(in[0].size());
    const Eigen::Index w = at, v = w + inputs * n, taus = v + (lif.recurrent ? Eigen::Index{n} * n : 0);
    at = taus + (lif.learned_tau == Learned::none ? 0 : lif.learned_tau == Learned::layer ? 2 : 2 * n);
    const auto spike = custom_function(
        [this](const auto& z) {
          using Z = decltype(z + z);
          return smooth ? Z(lif.slope().value(z)) : Z(z > 0 ? 1 : 0);
        },
        [this](const auto& z, const auto&, const auto& a) { return a * lif.slope().derivative(z); });
    std::vector<std::vector<S>> out;
    std::vector<S> u(static_cast<std::size_t>(n), S(0)), i = u, a = u;
    std::vector<int> rest(u.size());
    const double aa = std::exp(-lif.dt / lif.tau_adaptation);
    for (std::size_t t = 0; t < in.size(); ++t) {
      std::vector<S> s, next_u(u.size()), next_i(u.size());
      for (std::size_t k = 0; k < u.size(); ++k) {
        const bool resting = rest[k] > 0;
        const S z = u[k] - lif.threshold - lif.adaptation * a[k];
        if (resting) s.push_back(S(0));
        else s.push_back(spike(z));
        S am = std::exp(-lif.dt / lif.tau_mem), as = std::exp(-lif.dt / lif.tau_syn);
        if (lif.learned_tau != Learned::none) {
          const bool each = lif.learned_tau == Learned::neuron;
          am = exp(-lif.dt / exp(theta[taus + (each ? static_cast<Eigen::Index>(k) : 0)]));
          as = exp(-lif.dt / exp(theta[taus + (each ? n + static_cast<Eigen::Index>(k) : 1)]));
        }
        const S factor = lif.reset == Reset::none ? S(1) : lif.reset == Reset::detached ? S(1 - value(s[k])) : S(1 - s[k]);
        if (resting) next_u[k] = S(0);
        else if (lif.reset_kind == ResetKind::all) next_u[k] = (am * u[k] + (1 - am) * i[k]) * factor;
        else next_u[k] = am * u[k] * factor + (1 - am) * i[k];
        next_i[k] = as * i[k];
        if (resting) --rest[k];
        else if (value(s[k]) > 0) rest[k] = lif.refractory;
        a[k] = aa * a[k] + (1 - aa) * s[k];
      }
      for (std::size_t k = 0; k < u.size(); ++k) {
        for (Eigen::Index j = 0; j < inputs; ++j)
          next_i[k] += theta[w + j * n + static_cast<Eigen::Index>(k)] * in[t][static_cast<std::size_t>(j)];
        for (Eigen::Index j = 0; lif.recurrent && j < n; ++j)
          next_i[k] += theta[v + j * n + static_cast<Eigen::Index>(k)] * s[static_cast<std::size_t>(j)];
      }
      u = next_u, i = next_i;
      out.push_back(s);
    }
    return out;
  }
};

/// Two such layers and a readout, max over time, cross-entropy.
template <class S>
S plain_loss(const Plain& layer, int hidden, int outputs, const Dataset& data, std::size_t datum, const Vector<S>& theta) {
  std::vector<std::vector<S>> x(static_cast<std::size_t>(data.inputs.steps()));
  const Eigen::MatrixXd raster = data.inputs.raster(datum);
  for (std::size_t t = 0; t < x.size(); ++t)
    for (Eigen::Index j = 0; j < raster.cols(); ++j) x[t].push_back(S(raster(static_cast<Eigen::Index>(t), j)));
  Eigen::Index at = 0;
  for (int repeat = 0; repeat < 2; ++repeat) x = layer(x, hidden, theta, at);
  const LeakyReadout readout;
  const double r = std::exp(-readout.dt / readout.tau_mem), as = std::exp(-readout.dt / readout.tau_syn);
  std::vector<S> top, o(static_cast<std::size_t>(outputs), S(0)), q = o;
  for (std::size_t t = 0; t < x.size(); ++t) {
    if (t == 1) top = o;
    for (std::size_t c = 0; t > 1 && c < o.size(); ++c)
      if (value(o[c]) > value(top[c])) top[c] = o[c];
    for (std::size_t c = 0; c < o.size(); ++c) {
      o[c] = r * o[c] + (1 - r) * q[c];
      q[c] = as * q[c];
      for (std::size_t j = 0; j < x[t].size(); ++j) q[c] += theta[at + static_cast<Eigen::Index>(j * o.size() + c)] * x[t][j];
    }
  }
  S sum = 0;
  for (const S& z : top) sum += exp(z);
  return log(sum) - top[static_cast<std::size_t>(data.labels[datum])];
}

}  // namespace stoat::snn
