#include "lif_layer.hpp"

namespace stoat::snn {

/// The effect of each spike at step t on what the later spikes of its own neuron are worth: (2 S[t] - 1) times the sum over t' >= t
/// of later[t'] (S[t'] - S'[t']), S' the neuron with the spike flipped, under the same currents and random numbers.
template <class T>
void LifLayer<T>::replayed(int g, int t, const T* later, T* effect, T* scratch) const {
  T* const su = scratch;  // of the flipped neurons
  T* const sa = su + stride;
  T* const z = sa + stride;
  T* const p = z + stride;
  int* const rest = reinterpret_cast<int*>(p + stride);
  for (int i = 0; i < n; ++i) {
    effect[i] = later[row(g, t) + i];  // (2 S - 1)(S - S') = 1
    su[i] = u[row(g, t) + i];
    sa[i] = adapted ? adapted[row(g, t) + i] : T(0);
    rest[i] = 0;
  }
  for (int s = t; s < steps; ++s) {
    const std::uint64_t* const now = spikes + bits(g, s);
    if (s > t) {
      const T* const e = later + row(g, s);
      for (int i = 0; i < n; ++i) z[i] = su[i] - threshold[i] - (adapted ? static_cast<T>(lif->adaptation) * sa[i] : T(0));
      lif->escape.values(z, p, n);
      for (int i = 0; i < n; ++i) {
        const bool other = rest[i] == 0 && uniform[row(g, s) + i] < p[i], mine = bit(now, i);
        p[i] = other ? T(1) : T(0);
        if (other != mine) effect[i] += (bit(spikes + bits(g, t), i) ? e[i] : -e[i]) * (mine ? T(1) : T(-1));
      }
    } else {
      for (int i = 0; i < n; ++i) p[i] = bit(now, i) ? T(0) : T(1);
    }
    const T* const i_row = current + row(g, s);
    for (int i = 0; i < n; ++i) {
      const bool held = rest[i] > 0;
      if (held) --rest[i];
      else if (p[i] > 0) rest[i] = lif->refractory;
      const T leak = a_m[i] * su[i], drive = (T(1) - a_m[i]) * i_row[i];
      su[i] = held ? T(0) : lif->reset_kind == ResetKind::all ? (leak + drive) * (T(1) - p[i]) : leak * (T(1) - p[i]) + drive;
      sa[i] = a_a * sa[i] + (T(1) - a_a) * p[i];
    }
  }
}

template <class T>
void LifLayer<T>::learn_tau(const T* d_mem, const T* d_syn, T* adjoints) const {
  // a = exp(-dt / tau): d a / d log tau = a dt / tau = -a log a.
  const bool each = lif->learned_tau == Learned::neuron;
  for (int i = 0; i < n; ++i) {
    adjoints[taus_at + static_cast<Index>(each ? i : 0)] -= d_mem[i] * a_m[i] * std::log(a_m[i]);
    adjoints[taus_at + static_cast<Index>(each ? n + i : 1)] -= d_syn[i] * a_s[i] * std::log(a_s[i]);
  }
}

template <class T>
void LifLayer<T>::back(T* adjoints) {
  const bool open = !edges || edges->open;
  const bool differentiated = lif->reset == Reset::differentiated && open;
  kernels::MembraneReverse<T> neurons{.n = n, .stride = stride, .words = words(n), .a_m = a_m, .a_s = a_s, .threshold = threshold};
  using Reverse = kernels::MembraneReverse<T>;
  if (differentiated) neurons.reset = lif->reset_kind == ResetKind::all ? Reverse::Reset::all : Reverse::Reset::leak;
  // What was added to the currents in each step. Nobody reads the adjoints of spikes that are not sites, so it can take their
  // place.
  std::vector<T> drives(edges || z_at || lif->reset == Reset::replay ? out.size() : 0);
  T* const spike_adjoints = adjoints + out.at;
  T* const drive = drives.empty() ? spike_adjoints : drives.data();
  const detail::Form form = lif->slope().form();
  const bool simple = drives.empty() && !adapted && !refractory && lif->learned_tau == Learned::none;
  if (simple && form.kind != detail::Form::Kind::other) {
    neurons.kind = form.kind == detail::Form::Kind::logistic ? Reverse::Slope::logistic : Reverse::Slope::super_spike;
    neurons.beta = static_cast<T>(form.beta), neurons.scale = static_cast<T>(form.scale);
  }
  if (simple && form.kind != detail::Form::Kind::other && !stage->recurrent) {
    std::vector<T> state(2 * static_cast<std::size_t>(stride));
    for (int g = 0; g < samples; ++g) {
      std::fill(state.begin(), state.end(), T(0));
      neurons.steps = steps;
      neurons.a_u = state.data(), neurons.a_i = state.data() + stride;
      neurons.membranes = u + row(g, 0), neurons.unreset = before ? before + row(g, 0) : nullptr;
      neurons.drop_u = resets() ? spikes + bits(g, 0) : nullptr;
      neurons.drop_i = lif->reset_kind == ResetKind::all ? neurons.drop_u : nullptr;
      neurons.spike = spike_adjoints + row(g, 0), neurons.input = drive + row(g, 0);
      kernels::best<T>().reverse_membranes(neurons);
    }
  } else {
    back_steps(adjoints, drive, neurons);
  }
  for (int g = 0; g < samples; ++g) {
    if (w_at) stage->input.gradient(in, g, drive + row(g, 0), stride, adjoints + w_at);
    if (v_at) stage->recurrent->gradient(out, g, drive + row(g, 0), stride, adjoints + v_at);
  }
  if (in.at) stage->input.backward(w, packed_w, drive, stride, samples * steps, adjoints + in.at, in.stride);
}

/// Step by step: where neurons see each other, and for all that is beyond plain membranes.
template <class T>
void LifLayer<T>::back_steps(T* adjoints, T* drive, kernels::MembraneReverse<T> neurons) {
  const auto& k = kernels::best<T>();
  const auto size = static_cast<std::size_t>(stride);
  const bool open = !edges || edges->open, replays = lif->reset == Reset::replay && open;
  const bool given = neurons.kind == kernels::MembraneReverse<T>::Slope::given;
  const bool taus = lif->learned_tau != Learned::none;
  const auto all = size * static_cast<std::size_t>(samples);
  std::vector<T> memory(3 * all + 9 * size, T(0));
  T* const au = memory.data();
  T* const ai = au + all;
  T* const aa = ai + all;
  T* const slope = aa + all;
  T* const z = slope + size;
  T* const d_mem = z + size;
  T* const d_syn = d_mem + size;
  T* const scratch = d_syn + size;
  std::vector<std::uint64_t> room(2 * static_cast<std::size_t>(words(n)));
  std::vector<T> effects(replays ? out.size() : 0);
  T* const spike_adjoints = adjoints + out.at;
  for (int t = steps - 1; t >= 0; --t) {
    if (stage->recurrent && t < steps - 1)
      stage->recurrent->backward(v, packed_v, ai, stride, samples, spike_adjoints + row(0, t), row(1, 0));
    for (int g = 0; g < samples; ++g) {
      T* const as = spike_adjoints + row(g, t);
      T* const u_adjoint = au + stride * g;
      T* const i_adjoint = ai + stride * g;
      if (given && !slopes(g, t, z, slope)) std::fill_n(slope, stride, T(0));
      const T* const az = z_at ? adjoints + z_at + row(g, t) : nullptr;
      if (adapted)
        for (int i = 0; i < n; ++i) as[i] += (T(1) - a_a) * aa[stride * g + i];
      if (taus)
        for (int i = 0; i < n; ++i) {
          const bool no_u = bit(drop_u(g, t, room.data()), i), no_i = bit(drop_i(g, t, room.data()), i);
          d_mem[i] += u_adjoint[i] * ((no_u ? T(0) : u[row(g, t) + i]) - (no_i ? T(0) : current[row(g, t) + i]));
          d_syn[i] += i_adjoint[i] * current[row(g, t) + i];
        }
      T* spike = as;
      if (replays) {
        spike = effects.data() + row(g, t);
        replayed(g, t, spike_adjoints, spike, scratch);
      }
      if (adapted) adapt_back(g, t, spike, az, u_adjoint, neurons.reset, slope, aa + stride * g);
      neurons.a_u = u_adjoint, neurons.a_i = i_adjoint;
      neurons.membranes = u + row(g, t), neurons.unreset = before ? before + row(g, t) : nullptr;
      neurons.drop_u = drop_u(g, t, room.data()), neurons.drop_i = drop_i(g, t, room.data() + words(n));
      neurons.slope = slope, neurons.distance = az;
      neurons.spike = spike, neurons.input = drive + row(g, t);
      k.reverse_membranes(neurons);
    }
  }
  // What passed through the edges is what estimators find as the adjoint of a spike.
  if (replays) std::copy(effects.begin(), effects.end(), spike_adjoints);
  if (taus && taus_at) learn_tau(d_mem, d_syn, adjoints);
}

/// The adjoint of the adaptation: that of z once more, for the threshold.
template <class T>
void LifLayer<T>::adapt_back(int g, int t, const T* spike, const T* az, const T* au,
                             typename kernels::MembraneReverse<T>::Reset reset, const T* slope, T* aa) const {
  using Kind = typename kernels::MembraneReverse<T>::Reset;
  const T gain = static_cast<T>(lif->adaptation);
  for (int i = 0; i < n; ++i) {
    const T lost = reset == Kind::none ? T(0) : reset == Kind::all ? before[row(g, t) + i] : a_m[i] * u[row(g, t) + i];
    aa[i] = a_a * aa[i] - gain * (slope[i] * (spike[i] - lost * au[i]) + (az ? az[i] : T(0)));
  }
}

template <class T>
void LifLayer<T>::back_means(T* adjoints) {
  std::vector<T> memory(static_cast<std::size_t>(7 * stride), T(0));
  T* const au = memory.data();
  T* const ai = au + stride;
  T* const aa = ai + stride;
  T* const slope = aa + stride;
  T* const z = slope + stride;
  T* const d_mem = z + stride;
  T* const d_syn = d_mem + stride;
  std::vector<T> drives(out.size());
  Rows<T> inputs(in);
  Signal<T> self = out;
  self.bits = nullptr, self.numbers = means;
  Rows<T> own(self);
  for (int t = steps - 1; t >= 0; --t) {
    T* const as = adjoints + out.at + row(0, t);
    const T* const p = means + row(0, t);
    const T* const row_u = u + row(0, t);
    const T* const row_i = current + row(0, t);
    if (stage->recurrent && t < steps - 1) stage->recurrent->backward(v, packed_v, ai, stride, 1, as, stride);
    distances(0, t, z);
    lif->escape.derivatives(z, slope, n);
    std::copy_n(ai, stride, drives.data() + row(0, t));
    for (int i = 0; i < n; ++i) {
      const T keep = resets() ? T(1) - p[i] : T(1);
      const bool all = lif->reset_kind == ResetKind::all;
      const T keep_i = all ? keep : T(1);
      T total = as[i] + (adapted ? (T(1) - a_a) * aa[i] : T(0));
      if (resets()) total -= au[i] * (a_m[i] * row_u[i] + (all ? (T(1) - a_m[i]) * row_i[i] : T(0)));
      as[i] = total;
      const T az = slope[i] * total;
      aa[i] = a_a * aa[i] - static_cast<T>(lif->adaptation) * az;
      d_mem[i] += au[i] * (keep * row_u[i] - keep_i * row_i[i]);
      d_syn[i] += ai[i] * row_i[i];
      const T next = au[i];
      au[i] = a_m[i] * keep * next + az;
      ai[i] = (T(1) - a_m[i]) * keep_i * next + a_s[i] * ai[i];
    }
  }
  for (int t = steps - 1; t >= 0; --t) {
    if (w_at) stage->input.gradient(inputs(0, t), drives.data() + row(0, t), adjoints + w_at);
    if (v_at) stage->recurrent->gradient(own(0, t), drives.data() + row(0, t), adjoints + v_at);
  }
  if (in.at) stage->input.backward(w, packed_w, drives.data(), stride, steps, adjoints + in.at, in.stride);
  if (lif->learned_tau != Learned::none && taus_at) learn_tau(d_mem, d_syn, adjoints);
}

template void LifLayer<float>::back(float*);
template void LifLayer<double>::back(double*);
template void LifLayer<float>::back_means(float*);
template void LifLayer<double>::back_means(double*);

}  // namespace stoat::snn
