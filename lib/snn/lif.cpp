#include <algorithm>
#include <bit>
#include <cmath>

#include <stoat/program/edges.hpp>

#include "pass.hpp"

namespace stoat::snn {
namespace {

using kernels::padded;
using kernels::words;

bool bit(const std::uint64_t* bits, int i) { return bits[i / 64] >> (i % 64) & 1; }

/// A layer of neurons over all steps of some samples, with what the sweeps need of its run.
template <class T>
struct Layers {
  const Stage* stage;
  const Lif* lif;
  Signal<T> in, out;
  const T *w, *v;                      // weights
  Index w_at, v_at, taus_at;           // their variables
  const T *packed_w, *packed_v;        // and copies for back-projections
  int n, stride, samples, steps;       // units, padded
  T *a_m, *a_s;                        // decays of each unit
  T a_a;                               // of the adaptation
  T* threshold;                        // rows
  T *u, *before, *current, *adapted;   // histories: membranes, the same before the reset, currents, adaptation; null if not needed
  std::uint64_t *spikes, *refractory;  // bits of each row
  const std::uint64_t* nothing;        // a row without bits
  T* means;                            // probabilities in place of spikes
  T* uniform;                          // what decided the spikes, if replays need it
  Edges<T>* edges;                     // of draws that are sites
  Index z_at;                          // variables of the distances to threshold, if there are any

  std::ptrdiff_t row(int g, int t) const { return (static_cast<std::ptrdiff_t>(g) * steps + t) * stride; }
  std::ptrdiff_t bits(int g, int t) const { return (static_cast<std::ptrdiff_t>(g) * steps + t) * words(n); }
  /// Which neurons have the two terms of their next membrane taken away after a step.
  const std::uint64_t* drop_u(int g, int t, std::uint64_t* room) const {
    if (!refractory) return resets() ? spikes + bits(g, t) : nothing;
    for (int k = 0; k < words(n); ++k) room[k] = refractory[bits(g, t) + k] | (resets() ? spikes[bits(g, t) + k] : 0);
    return room;
  }
  const std::uint64_t* drop_i(int g, int t, std::uint64_t* room) const {
    if (lif->reset_kind == ResetKind::all) return drop_u(g, t, room);
    return refractory ? refractory + bits(g, t) : nothing;
  }
  bool resets() const { return lif->reset != Reset::none; }

  void distances(int g, int t, T* z) const {
    const T* const row_u = u + row(g, t);
    for (int i = 0; i < stride; ++i) z[i] = row_u[i] - threshold[i];
    if (adapted)
      for (int i = 0; i < n; ++i) z[i] -= static_cast<T>(lif->adaptation) * adapted[row(g, t) + i];
  }

  void run(Pass<T>& pass);
  void run_means(Pass<T>& pass);
  void connect(int g, int t, Rows<T>& inputs, Rows<T>* own, T* i) const {
    stage->input.forward(inputs(g, t), w, i);
    if (own) stage->recurrent->forward((*own)(g, t), v, i);
  }

  /// d u[t+1] / d S[t] with the sign changed, or null.
  const T* reset_slope(int g, int t, bool differentiated, T* room) const {
    if (!differentiated || !resets()) return nullptr;
    if (lif->reset_kind == ResetKind::all) return before + row(g, t);
    const T* const row_u = u + row(g, t);
    for (int i = 0; i < stride; ++i) room[i] = a_m[i] * row_u[i];
    if (refractory)  // these lose their membrane anyway
      for (int i = 0; i < n; ++i)
        if (bit(refractory + bits(g, t), i)) room[i] = 0;
    return room;
  }
  void replayed(int g, int t, const T* later, T* effect, T* scratch) const;
  void back(T* adjoints);
  void back_means(T* adjoints);
  void tangents(typename Tape<T>::Lanes* tangent);
  static void reverse(const void* payload, T* adjoints) {
    auto& layer = *static_cast<Layers*>(const_cast<void*>(payload));
    if (layer.means) layer.back_means(adjoints);
    else layer.back(adjoints);
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    static_cast<Layers*>(const_cast<void*>(payload))->tangents(t);
  }
  /// The slopes d S / d z of a row that a sweep uses; false: none.
  bool slopes(int g, int t, T* z, T* slope) const {
    if (edges) {
      if (!edges->open) return false;
      const T* const given = edges->slopes + (static_cast<std::ptrdiff_t>(g) * steps + t) * n;
      std::copy_n(given, n, slope);
      std::fill(slope + n, slope + stride, T(0));
    } else {
      distances(g, t, z);
      lif->slope().derivatives(z, slope, stride);
      std::fill(slope + n, slope + stride, T(0));
    }
    if (refractory) kernels::best<T>().clear(slope, refractory + bits(g, t), stride);
    return true;
  }
  void learn_tau(const T* d_mem, const T* d_syn, T* adjoints) const;
};

template <class T>
void Layers<T>::run(Pass<T>& pass) {
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
      } else {
        const T* threshold_now = threshold;
        if (adapted) {
          for (int i = 0; i < stride; ++i) limit[i] = threshold[i] + static_cast<T>(lif->adaptation) * sa[i];
          threshold_now = limit;
        }
        k.compare(su, threshold_now, stride, now);
        if (n % 64) now[n / 64] &= (std::uint64_t{1} << (n % 64)) - 1;
      }
      if (refractory) {
        std::uint64_t* const resting = refractory + bits(g, t);
        std::fill_n(resting, words(n), 0);
        for (int i = 0; i < n; ++i) {
          int& left = rest[static_cast<std::size_t>(g * stride + i)];
          if (left > 0) {
            resting[i / 64] |= std::uint64_t{1} << (i % 64);
            --left;
          } else if (bit(now, i)) {
            left = lif->refractory;
          }
        }
        for (int w = 0; w < words(n); ++w) now[w] &= ~resting[w];
      }
      k.membrane(su, si, a_m, a_s, drop_u(g, t, room.data()), drop_i(g, t, room.data() + words(n)),
                 before ? before + row(g, t) : nullptr, stride);
      if (adapted)
        for (int i = 0; i < n; ++i) sa[i] = a_a * sa[i] + (bit(now, i) ? T(1) - a_a : T(0));
      connect(g, t, inputs, stage->recurrent ? &own : nullptr, si);
    }
}

/// The mean field: every spike is its probability, and everything is differentiable.
template <class T>
void Layers<T>::run_means(Pass<T>& pass) {
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
    connect(0, t, inputs, stage->recurrent ? &own : nullptr, si);
  }
}

/// The effect of each spike at step t on what the later spikes of its own neuron are worth: (2 S[t] - 1) times the sum over t' >= t
/// of later[t'] (S[t'] - S'[t']), S' the neuron with the spike flipped, under the same currents and random numbers.
template <class T>
void Layers<T>::replayed(int g, int t, const T* later, T* effect, T* scratch) const {
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
void Layers<T>::learn_tau(const T* d_mem, const T* d_syn, T* adjoints) const {
  // a = exp(-dt / tau): d a / d log tau = a dt / tau = -a log a.
  const bool each = lif->learned_tau == Learned::neuron;
  for (int i = 0; i < n; ++i) {
    adjoints[taus_at + static_cast<Index>(each ? i : 0)] -= d_mem[i] * a_m[i] * std::log(a_m[i]);
    adjoints[taus_at + static_cast<Index>(each ? n + i : 1)] -= d_syn[i] * a_s[i] * std::log(a_s[i]);
  }
}

template <class T>
void Layers<T>::back(T* adjoints) {
  const auto& k = kernels::best<T>();
  const auto size = static_cast<std::size_t>(stride);
  const bool replays = lif->reset == Reset::replay && (!edges || edges->open);
  const bool differentiated = lif->reset == Reset::differentiated && (!edges || edges->open);
  const bool taus = lif->learned_tau != Learned::none;
  const auto all = size * static_cast<std::size_t>(samples);
  std::vector<T> memory(3 * all + 11 * size, T(0));
  T* const au = memory.data();
  T* const ai = au + all;
  T* const aa = ai + all;
  T* const slope = aa + all;
  T* const z = slope + size;
  T* const reset_room = z + size;
  T* const no_slope = reset_room + size;
  T* const d_mem = no_slope + size;
  T* const d_syn = d_mem + size;
  T* const scratch = d_syn + size;
  std::vector<std::uint64_t> room(2 * static_cast<std::size_t>(words(n)));
  Rows<T> inputs(in);
  Signal<T> self = out;
  self.bits = spikes, self.numbers = nullptr;
  Rows<T> own(self);
  T* const spike_adjoints = adjoints + out.at;
  // What was added to the currents in each step. Nobody reads the adjoints of spikes that are not sites, so it can take their
  // place.
  std::vector<T> drives(edges || z_at || replays ? out.size() : 0), effects(replays ? out.size() : 0);
  T* const drive = drives.empty() ? spike_adjoints : drives.data();
  for (int t = steps - 1; t >= 0; --t) {
    if (stage->recurrent && t < steps - 1)
      stage->recurrent->backward(v, packed_v, ai, stride, samples, spike_adjoints + row(0, t), row(1, 0));
    for (int g = 0; g < samples; ++g) {
      T* const as = spike_adjoints + row(g, t);
      T* const u_adjoint = au + stride * g;
      T* const i_adjoint = ai + stride * g;
      const bool open = slopes(g, t, z, slope);
      const T* const az = z_at ? adjoints + z_at + row(g, t) : nullptr;
      if (adapted)
        for (int i = 0; i < n; ++i) as[i] += (T(1) - a_a) * aa[stride * g + i];
      if (taus)
        for (int i = 0; i < n; ++i) {
          const bool no_u = bit(drop_u(g, t, room.data()), i), no_i = bit(drop_i(g, t, room.data()), i);
          d_mem[i] += u_adjoint[i] * ((no_u ? T(0) : u[row(g, t) + i]) - (no_i ? T(0) : current[row(g, t) + i]));
          d_syn[i] += i_adjoint[i] * current[row(g, t) + i];
        }
      const T* const reset = reset_slope(g, t, differentiated, reset_room);
      T* spike = as;
      if (replays && open) {
        spike = effects.data() + row(g, t);
        replayed(g, t, spike_adjoints, spike, scratch);
      }
      if (adapted) {
        // The adjoint of z once more, for the threshold.
        for (int i = 0; i < n; ++i) {
          const T total = spike[i] - (reset ? reset[i] * u_adjoint[i] : T(0));
          aa[stride * g + i] =
              a_a * aa[stride * g + i] - static_cast<T>(lif->adaptation) * ((open ? slope[i] * total : T(0)) + (az ? az[i] : T(0)));
        }
      }
      k.membrane_back(u_adjoint, i_adjoint, spike, az, open ? slope : no_slope, reset, a_m, a_s, drop_u(g, t, room.data()),
                      drop_i(g, t, room.data() + words(n)), drive + row(g, t), stride);
      if (w_at) stage->input.gradient(inputs(g, t), drive + row(g, t), adjoints + w_at);
      if (v_at) stage->recurrent->gradient(own(g, t), drive + row(g, t), adjoints + v_at);
    }
  }
  // What passed through the edges is what estimators find as the adjoint of a spike.
  if (replays) std::copy(effects.begin(), effects.end(), spike_adjoints);
  if (in.at) stage->input.backward(w, packed_w, drive, stride, samples * steps, adjoints + in.at, in.stride);
  if (taus && taus_at) learn_tau(d_mem, d_syn, adjoints);
}

template <class T>
void Layers<T>::back_means(T* adjoints) {
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

/// Adds W' s + W s' to rows of tangents.
template <class T>
void connect_tangents(const Connection& c, const Active<T>& s, const T* w, const typename Tape<T>::Lanes* dw,
                      const typename Tape<T>::Lanes* ds, typename Tape<T>::Lanes* y) {
  if (dw)
    for (std::size_t k = 0; k < s.units.size(); ++k)
      for (const Connection::Tap& tap : c.taps(s.units[k]))
        for (int i = 0; i < c.width(); ++i)
          for (int l = 0; l < Tape<T>::lanes; ++l)
            y[static_cast<int>(tap.output) + i][l] += (s.numbers ? s.numbers[k] : T(1)) * dw[static_cast<int>(tap.weight) + i][l];
  if (ds)
    for (int unit = 0; unit < c.inputs(); ++unit) {
      const T* const d = ds[unit];
      if (std::all_of(d, d + Tape<T>::lanes, [](T x) { return x == T(0); })) continue;
      for (const Connection::Tap& tap : c.taps(static_cast<std::size_t>(unit)))
        for (int i = 0; i < c.width(); ++i)
          for (int l = 0; l < Tape<T>::lanes; ++l)
            y[static_cast<int>(tap.output) + i][l] += w[static_cast<int>(tap.weight) + i] * d[l];
    }
}

template <class T>
void Layers<T>::tangents(typename Tape<T>::Lanes* tangent) {
  using Lanes = typename Tape<T>::Lanes;
  constexpr int lanes = Tape<T>::lanes;
  struct State {
    T u[lanes], i[lanes], a[lanes];
  };
  std::vector<State> state(static_cast<std::size_t>(n));
  std::vector<T> z(static_cast<std::size_t>(stride)), slope(z.size()), reset_room(z.size());
  std::vector<T> added(static_cast<std::size_t>(stride) * lanes);
  std::vector<std::uint64_t> room(2 * static_cast<std::size_t>(words(n)));
  Rows<T> inputs(in);
  Signal<T> self = out;
  self.bits = means ? nullptr : spikes, self.numbers = means;
  Rows<T> own(self);
  const bool learned = lif->learned_tau != Learned::none && taus_at;
  for (int g = 0; g < samples; ++g) {
    std::fill(state.begin(), state.end(), State{});
    for (int t = 0; t < steps; ++t) {
      bool open = true;
      if (means) {
        distances(g, t, z.data());
        lif->escape.derivatives(z.data(), slope.data(), n);
      } else {
        open = slopes(g, t, z.data(), slope.data());
      }
      const bool differentiated = means || (open && lif->reset == Reset::differentiated);
      const T* const reset = means ? nullptr : reset_slope(g, t, differentiated, reset_room.data());
      Lanes* const ds = tangent + out.at + row(g, t);
      std::fill_n(&added[0], added.size(), T(0));
      const std::uint64_t* const no_u = means ? nothing : drop_u(g, t, room.data());
      const std::uint64_t* const no_i = means ? nothing : drop_i(g, t, room.data() + words(n));
      for (int i = 0; i < n; ++i) {
        State& s = state[static_cast<std::size_t>(i)];
        const T row_u = u[row(g, t) + i], row_i = current ? current[row(g, t) + i] : T(0);
        T keep_u = bit(no_u, i) ? T(0) : T(1), keep_i = bit(no_i, i) ? T(0) : T(1), change = reset ? reset[i] : T(0);
        if (means && resets()) {
          const bool all = lif->reset_kind == ResetKind::all;
          keep_u = T(1) - means[row(g, t) + i];
          keep_i = all ? keep_u : T(1);
          change = a_m[i] * row_u + (all ? (T(1) - a_m[i]) * row_i : T(0));
        }
        for (int l = 0; l < lanes; ++l) {
          const T dz = s.u[l] - static_cast<T>(lif->adaptation) * s.a[l];
          if (z_at) tangent[z_at + static_cast<Index>(row(g, t) + i)][l] = dz;
          const T d = open ? slope[static_cast<std::size_t>(i)] * dz : T(0);
          ds[i][l] = d;
          T d_am = 0, d_as = 0;
          if (learned) {
            const bool each = lif->learned_tau == Learned::neuron;
            d_am = -a_m[i] * std::log(a_m[i]) * tangent[taus_at + static_cast<Index>(each ? i : 0)][l];
            d_as = -a_s[i] * std::log(a_s[i]) * tangent[taus_at + static_cast<Index>(each ? n + i : 1)][l];
          }
          const T du =
              a_m[i] * keep_u * s.u[l] + (T(1) - a_m[i]) * keep_i * s.i[l] - change * d + d_am * (keep_u * row_u - keep_i * row_i);
          s.i[l] = a_s[i] * s.i[l] + d_as * row_i;
          s.u[l] = du;
          s.a[l] = a_a * s.a[l] + (T(1) - a_a) * d;
        }
      }
      auto* const y = reinterpret_cast<Lanes*>(added.data());
      connect_tangents(stage->input, inputs(g, t), w, w_at ? tangent + w_at : nullptr,
                       in.at ? tangent + in.at + in.row(g, t) : nullptr, y);
      if (stage->recurrent) connect_tangents(*stage->recurrent, own(g, t), v, v_at ? tangent + v_at : nullptr, ds, y);
      for (int i = 0; i < n; ++i)
        for (int l = 0; l < lanes; ++l) state[static_cast<std::size_t>(i)].i[l] += y[i][l];
    }
  }
}

}  // namespace

template <class T>
Signal<T> lif_layer(Pass<T>& pass, std::size_t number, const Signal<T>& in) {
  const Stage& stage = pass.stages.list[number];
  const Lif& lif = *stage.lif();
  const bool stochastic = lif.activation == Activation::stochastic;
  const bool means = stochastic && pass.source->coins() == Coins::means;
  const bool last = number + 1 == pass.stages.list.size();
  Layers<T>& layer = *new (pass.template allocate<Layers<T>>(1)) Layers<T>();
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
  const T* const taus = pass.theta + stage.taus;
  for (int i = 0; i < layer.stride; ++i) {
    const bool learned = lif.learned_tau != Learned::none && i < layer.n, each = lif.learned_tau == Learned::neuron;
    const double tau_m = learned ? std::exp(static_cast<double>(taus[each ? i : 0])) : lif.tau_mem;
    const double tau_s = learned ? std::exp(static_cast<double>(taus[each ? layer.n + i : 1])) : lif.tau_syn;
    layer.a_m[i] = static_cast<T>(std::exp(-lif.dt / tau_m)), layer.a_s[i] = static_cast<T>(std::exp(-lif.dt / tau_s));
  }
  layer.a_a = static_cast<T>(std::exp(-lif.dt / lif.tau_adaptation));
  layer.threshold = pass.template allocate<T>(row);
  std::fill_n(layer.threshold, row, static_cast<T>(lif.threshold));
  auto* const nothing = pass.template allocate<std::uint64_t>(row_words);
  std::fill_n(nothing, row_words, 0);
  layer.nothing = nothing;
  layer.u = pass.template allocate<T>(size);
  const bool replays = lif.reset == Reset::replay;
  if (lif.reset == Reset::differentiated && lif.reset_kind == ResetKind::all && recording)
    layer.before = pass.template allocate<T>(size);
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
  const bool asked = last && pass.membranes;
  const bool variables = recording && (layer.edges || asked);
  if (recording) {
    out.at = pass.tape->block(size * (variables ? 2 : 1), &layer, &Layers<T>::reverse, &Layers<T>::forward);
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
