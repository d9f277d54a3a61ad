#include <limits>

#include "lif_changes.hpp"
#include "lif_layer.hpp"

namespace stoat::snn {

template <class T>
void LifLayer<T>::run(Pass<T>& pass) {
  using Run = kernels::MembraneRun<T>;
  Run neurons{.n = n, .stride = stride, .words = words(n), .a_m = a_m, .a_s = a_s, .threshold = threshold};
  neurons.reset_u = resets(), neurons.reset_i = resets() && lif->reset_kind == ResetKind::all;
  const detail::Form form = lif->escape.form();
  bool simple = !adapted && !refractory && !current && !uniform;
  if (lif->activation == Activation::deterministic) {
    neurons.kind = Run::Spikes::threshold;
  } else {
    neurons.kind = Run::Spikes::coins;
    neurons.beta = static_cast<T>(form.beta);
    simple = simple && form.kind == detail::Form::Kind::logistic && pass.source->key(0, 0, n);
  }
  if (simple && !stage->recurrent) {
    std::vector<T> state(2 * static_cast<std::size_t>(stride));
    for (int g = 0; g < samples; ++g) {
      std::fill(state.begin(), state.end(), T(0));
      T* const rows = u + row(g, 0);
      stage->input.forward(in, g, w, rows, stride);
      neurons.steps = steps;
      neurons.u = state.data(), neurons.i = state.data() + stride;
      neurons.input = neurons.membranes = rows, neurons.unreset = before ? before + row(g, 0) : nullptr;
      neurons.spikes = spikes + bits(g, 0);
      if (neurons.kind == Run::Spikes::coins) neurons.key = *pass.source->key(g, 0, n);
      kernels::best<T>().run_membranes(neurons);
    }
  } else {
    run_steps(pass, simple, neurons);
  }
  if (margin && lif->activation == Activation::deterministic) {
    std::vector<T> room(2 * static_cast<std::size_t>(stride), T(0));
    T* const z = room.data() + stride;
    for (int t = 0; t < steps; ++t) {
      distances(0, t, z);
      keep_margins(t, room.data(), z);
    }
  }
}

/// Of one step; `limit` is the distance to threshold at which a spike would have been none, or the other way round.
template <class T>
void LifLayer<T>::keep_margins(int t, const T* limit, const T* z) {
  T* const smallest = least + static_cast<std::ptrdiff_t>(t / kernels::span) * stride;
  if (t % kernels::span == 0) std::fill_n(smallest, stride, std::numeric_limits<T>::max());
  kernels::best<T>().keep_margins(limit, z, spikes + bits(0, t), n, margin + row(0, t), smallest);
}

/// Step by step: where neurons see each other, and for all that is beyond plain membranes.
template <class T>
void LifLayer<T>::run_steps(Pass<T>& pass, bool simple, kernels::MembraneRun<T> neurons) {
  const auto& k = kernels::best<T>();
  const auto size = static_cast<std::size_t>(stride);
  const bool coins = lif->activation == Activation::stochastic;
  std::vector<T> memory(4 * size * static_cast<std::size_t>(samples) + 3 * size, T(0));
  T* const state = memory.data();  // of each sample: membrane, current, adaptation
  T* const z = state + 4 * size * static_cast<std::size_t>(samples);
  T* const f = z + size;
  T* const limit = f + size;
  std::vector<int> rest(lif->refractory ? size * static_cast<std::size_t>(samples) : 0);
  std::vector<std::uint64_t> room(2 * static_cast<std::size_t>(words(n)));
  Rows<T> inputs(in);
  Signal<T> self = out;
  self.bits = spikes, self.numbers = nullptr;
  Rows<T> own(self);
  for (int t = 0; t < steps; ++t)
    for (int g = 0; g < samples; ++g) {
      T* const su = state + 4 * stride * g;
      T* const si = su + stride;
      T* const sa = si + stride;
      std::uint64_t* const now = spikes + bits(g, t);
      neurons.u = su, neurons.i = si;
      neurons.unreset = before ? before + row(g, t) : nullptr;
      if (simple) {
        neurons.membranes = u + row(g, t);
        neurons.spikes = now;
        if (coins) neurons.key = *pass.source->key(g, t, n);
      } else {
        std::copy_n(su, stride, u + row(g, t));
        if (current) std::copy_n(si, stride, current + row(g, t));
        if (adapted) std::copy_n(sa, stride, adapted + row(g, t));
        if (coins) {
          distances(g, t, z);
          if (refractory)  // a probability of 0
            for (int i = 0; i < n; ++i)
              if (rest[static_cast<std::size_t>(g * stride + i)] > 0) z[i] = -std::numeric_limits<T>::infinity();
          pass.source->decide(*lif, g, t, z, f, n, now, z_at ? z_at + static_cast<Index>(row(g, t)) : 0,
                              out.at ? out.at + static_cast<Index>(row(g, t)) : 0);
          if (uniform) pass.source->uniforms(g, t, n, uniform + row(g, t));
          if (margin) {
            pass.source->limits(*lif, n, limit);
            keep_margins(t, limit, z);
          }
        } else {
          for (int i = 0; i < stride; ++i) limit[i] = threshold[i] + (adapted ? static_cast<T>(lif->adaptation) * sa[i] : T(0));
          k.compare(su, limit, stride, now);
          if (n % 64) now[n / 64] &= (std::uint64_t{1} << (n % 64)) - 1;
        }
        if (refractory) rest_now(g, t, rest.data() + g * stride);
        neurons.kind = kernels::MembraneRun<T>::Spikes::given;
        neurons.drop_u = drop_u(g, t, room.data()), neurons.drop_i = drop_i(g, t, room.data() + words(n));
      }
      k.run_membranes(neurons);
      if (adapted)
        for (int i = 0; i < n; ++i) sa[i] = a_a * sa[i] + (bit(now, i) ? T(1) - a_a : T(0));
      stage->input.forward(inputs(g, t), w, si);
      if (stage->recurrent) stage->recurrent->forward(own(g, t), v, si);
    }
}

/// Which neurons are refractory in a step, after which they have less time left; those do not spike.
template <class T>
void LifLayer<T>::rest_now(int g, int t, int* left) {
  std::uint64_t* const now = spikes + bits(g, t);
  std::uint64_t* const resting = refractory + bits(g, t);
  std::fill_n(resting, words(n), 0);
  for (int i = 0; i < n; ++i) {
    if (left[i] > 0) {
      resting[i / 64] |= std::uint64_t{1} << (i % 64);
      --left[i];
    } else if (bit(now, i)) {
      left[i] = lif->refractory;
    }
  }
  for (int w = 0; w < words(n); ++w) now[w] &= ~resting[w];
}

/// The mean field: every spike is its probability, and everything is differentiable.
template <class T>
void LifLayer<T>::run_means(Pass<T>& pass) {
  std::vector<T> memory(static_cast<std::size_t>(3 * stride), T(0)), z(static_cast<std::size_t>(stride));
  T* const su = memory.data();
  T* const si = su + stride;
  T* const sa = si + stride;
  Rows<T> inputs(in);
  Signal<T> self = out;
  self.bits = nullptr, self.numbers = means;
  Rows<T> own(self);
  for (int t = 0; t < steps; ++t) {
    std::copy_n(su, stride, u + row(0, t));
    std::copy_n(si, stride, current + row(0, t));
    if (adapted) std::copy_n(sa, stride, adapted + row(0, t));
    distances(0, t, z.data());
    T* const p = means + row(0, t);
    lif->escape.values(z.data(), p, n);
    pass.source->means(n, out.at ? out.at + static_cast<Index>(row(0, t)) : 0);
    for (int i = 0; i < n; ++i) {
      const T keep = resets() ? T(1) - p[i] : T(1);
      const T leak = a_m[i] * su[i], drive = (T(1) - a_m[i]) * si[i];
      su[i] = lif->reset_kind == ResetKind::all ? (leak + drive) * keep : leak * keep + drive;
      si[i] *= a_s[i];
      if (adapted) sa[i] = a_a * sa[i] + (T(1) - a_a) * p[i];
    }
    stage->input.forward(inputs(0, t), w, si);
    if (stage->recurrent) stage->recurrent->forward(own(0, t), v, si);
  }
}

template <class T>
Signal<T> lif_layer(Pass<T>& pass, std::size_t number, const Signal<T>& in) {
  const Stage& stage = pass.stages.list[number];
  const Lif& lif = *stage.lif();
  const bool stochastic = lif.activation == Activation::stochastic;
  const bool means = stochastic && pass.source->coins() == Coins::means;
  const bool last = number + 1 == pass.stages.list.size();
  LifLayer<T>& layer = *new (pass.template allocate<LifLayer<T>>(1)) LifLayer<T>();
  layer.stage = &stage, layer.lif = &lif, layer.in = in;
  layer.n = stage.units, layer.stride = padded(stage.units);
  layer.samples = in.samples, layer.steps = in.steps;
  Signal<T>& out = layer.out;
  out.samples = in.samples, out.steps = in.steps, out.units = stage.units, out.stride = layer.stride;
  const std::size_t size = out.size(), row = static_cast<std::size_t>(layer.stride);
  const auto rows = static_cast<std::size_t>(in.samples) * static_cast<std::size_t>(in.steps);
  const auto row_words = static_cast<std::size_t>(words(stage.units));
  const bool recording = pass.tape != nullptr && (pass.theta_at || in.at);

  layer.w = pass.theta + stage.weights;
  layer.v = pass.theta + stage.recurrent_weights;
  if (recording && pass.theta_at) {
    layer.w_at = pass.theta_at + static_cast<Index>(stage.weights);
    if (stage.recurrent) layer.v_at = pass.theta_at + static_cast<Index>(stage.recurrent_weights);
    layer.taus_at = pass.theta_at + static_cast<Index>(stage.taus);
  }
  if (recording) {
    const auto copy = [&](const Connection& c, const T* w, const std::vector<T>* ready) -> const T* {
      if (ready) return ready->data();
      T* const packed = pass.template allocate<T>(c.packed_size());
      c.pack(w, packed);
      return packed;
    };
    if (in.at) layer.packed_w = copy(stage.input, layer.w, pass.packed ? &pass.packed->input[number] : nullptr);
    if (stage.recurrent) layer.packed_v = copy(*stage.recurrent, layer.v, pass.packed ? &pass.packed->recurrent[number] : nullptr);
  }
  layer.a_m = pass.template allocate<T>(row), layer.a_s = pass.template allocate<T>(row);
  std::fill_n(layer.a_m, row, static_cast<T>(std::exp(-lif.dt / lif.tau_mem)));
  std::fill_n(layer.a_s, row, static_cast<T>(std::exp(-lif.dt / lif.tau_syn)));
  const T* const taus = pass.theta + stage.taus;
  for (int i = 0; lif.learned_tau != Learned::none && i < layer.n; ++i) {
    const bool each = lif.learned_tau == Learned::neuron;
    layer.a_m[i] = static_cast<T>(std::exp(-lif.dt / std::exp(static_cast<double>(taus[each ? i : 0]))));
    layer.a_s[i] = static_cast<T>(std::exp(-lif.dt / std::exp(static_cast<double>(taus[each ? layer.n + i : 1]))));
  }
  layer.a_a = static_cast<T>(std::exp(-lif.dt / lif.tau_adaptation));
  layer.threshold = pass.template allocate<T>(row);
  std::fill_n(layer.threshold, row, static_cast<T>(lif.threshold));
  auto* const nothing = pass.template allocate<std::uint64_t>(row_words);
  std::fill_n(nothing, row_words, 0);
  layer.nothing = nothing;
  layer.u = pass.template allocate<T>(size);
  const bool replays = lif.reset == Reset::replay;
  const bool whole_reset = lif.reset != Reset::none && lif.reset_kind == ResetKind::all;
  if (whole_reset && (pass.log || (lif.reset == Reset::differentiated && recording)))
    layer.before = pass.template allocate<T>(size);
  // Who asks what a spike takes away asks for `before` or for u.
  if (pass.log) {
    layer.margin = whole_reset ? layer.u : pass.template allocate<T>(size);
    layer.least = pass.template allocate<T>(static_cast<std::size_t>(kernels::spans(in.steps)) * row);
  }
  if (means || (recording && (replays || lif.learned_tau != Learned::none))) layer.current = pass.template allocate<T>(size);
  if (lif.adaptation != 0) layer.adapted = pass.template allocate<T>(size);
  if (means) {
    layer.means = pass.template allocate<T>(size);
    std::fill_n(layer.means, size, T(0));
  } else {
    layer.spikes = pass.template allocate<std::uint64_t>(rows * row_words);
    if (lif.refractory) layer.refractory = pass.template allocate<std::uint64_t>(rows * row_words);
    if (replays && recording) layer.uniform = pass.template allocate<T>(size);
  }
  if (stochastic && !means)
    layer.edges = pass.source->begin(static_cast<int>(number), rows * static_cast<std::size_t>(stage.units));
  const bool asked = (last && pass.membranes) || pass.all_membranes;
  const bool variables = recording && (layer.edges || asked);
  if (recording) {
    align(*pass.tape);
    out.at = pass.tape->block(size * (variables ? 2 : 1), &layer, &LifLayer<T>::reverse, &LifLayer<T>::forward);
    if (variables) layer.z_at = out.at + static_cast<Index>(size);
    if (layer.edges) layer.edges->at = out.at;
  }
  if (means) {
    if (lif.refractory) throw Refusal("MeanField: a layer with a refractory period has no mean field");
    layer.run_means(pass);
    out.numbers = layer.means;
  } else {
    layer.run(pass);
    out.bits = layer.spikes;
    if (pass.log) {
      auto& changes = *new (pass.template allocate<LifChanges<T>>(1)) LifChanges<T>(layer, pass);
      const std::size_t sites = stochastic ? rows * static_cast<std::size_t>(stage.units) : 0;
      out.operation = pass.log->add(changes, {sites > 0 ? pass.source->first_site() : 0, sites}, in.operation);
    }
  }
  if (asked) {
    T* const z = pass.template allocate<T>(size);
    for (int g = 0; g < in.samples; ++g)
      for (int t = 0; t < in.steps; ++t) layer.distances(g, t, z + layer.row(g, t));
    out.distances = z;
    out.membrane = layer.z_at;
  }
  return out;
}

template Signal<float> lif_layer(Pass<float>&, std::size_t, const Signal<float>&);
template Signal<double> lif_layer(Pass<double>&, std::size_t, const Signal<double>&);

}  // namespace stoat::snn
