#include <algorithm>
#include <cmath>

#include <stoat/random/philox.hpp>

#include "pass.hpp"

namespace stoat::snn {
namespace {

/// Leaky integrators over all steps of some samples.
template <class T>
struct Readout {
  const Stage* stage;
  Signal<T> in, out;
  const T *w, *packed_w;
  Index w_at;
  T *r, *a_s;  // rows

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const Readout*>(payload);
    const int stride = p.out.stride;
    std::vector<T> state(2 * static_cast<std::size_t>(stride));
    // The drive of a step takes the place of the outputs' adjoints, which nobody reads any more.
    for (int g = 0; g < p.out.samples; ++g) {
      std::fill(state.begin(), state.end(), T(0));
      T* const rows = adjoints + p.out.at + p.out.row(g, 0);
      kernels::best<T>().reverse_membranes({.kind = kernels::MembraneReverse<T>::Slope::one,
                                            .n = p.out.units,
                                            .stride = stride,
                                            .steps = p.out.steps,
                                            .a_m = p.r,
                                            .a_s = p.a_s,
                                            .a_u = state.data(),
                                            .a_i = state.data() + stride,
                                            .spike = rows,
                                            .input = rows});
      if (p.w_at) p.stage->input.gradient(p.in, g, rows, stride, adjoints + p.w_at);
    }
    if (p.in.at)
      p.stage->input.backward(p.w, p.packed_w, adjoints + p.out.at, stride, p.out.samples * p.out.steps, adjoints + p.in.at,
                              p.in.stride);
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* tangents) {
    constexpr int lanes = Tape<T>::lanes;
    const auto& p = *static_cast<const Readout*>(payload);
    const int n = p.out.units, width = n * lanes;
    std::vector<T> o(static_cast<std::size_t>(width)), q(o.size());
    Rows<T> inputs(p.in);
    for (int g = 0; g < p.out.samples; ++g) {
      std::fill(o.begin(), o.end(), T(0)), std::fill(q.begin(), q.end(), T(0));
      for (int t = 0; t < p.out.steps; ++t) {
        std::copy(o.begin(), o.end(), &tangents[p.out.at + p.out.row(g, t)][0]);
        for (int i = 0; i < width; ++i) {
          const auto k = static_cast<std::size_t>(i);
          o[k] = *p.r * o[k] + (T(1) - *p.r) * q[k];
          q[k] *= *p.a_s;
        }
        const Active<T> s = inputs(g, t);
        const auto add = [&](const Connection::Tap& tap, int i, int l, T x) {
          q[static_cast<std::size_t>((static_cast<int>(tap.output) + i) * lanes + l)] += x;
        };
        for (std::size_t k = 0; p.w_at && k < s.units.size(); ++k)
          for (const Connection::Tap& tap : p.stage->input.taps(s.units[k]))
            for (int i = 0; i < p.stage->input.width(); ++i)
              for (int l = 0; l < lanes; ++l)
                add(tap, i, l, (s.numbers ? s.numbers[k] : T(1)) * tangents[p.w_at + tap.weight + static_cast<Index>(i)][l]);
        for (int unit = 0; p.in.at && unit < p.in.units; ++unit) {
          const T* const d = tangents[p.in.at + p.in.row(g, t) + unit];
          if (std::all_of(d, d + lanes, [](T x) { return x == T(0); })) continue;
          for (const Connection::Tap& tap : p.stage->input.taps(static_cast<std::size_t>(unit)))
            for (int i = 0; i < p.stage->input.width(); ++i)
              for (int l = 0; l < lanes; ++l) add(tap, i, l, p.w[static_cast<int>(tap.weight) + i] * d[l]);
        }
      }
    }
  }
};

/// Units of whole samples taken out, the others scaled.
template <class T>
struct Dropped {
  Signal<T> in, out;
  const T* factor;  ///< samples x stride

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const Dropped*>(payload);
    for (int g = 0; g < p.out.samples; ++g)
      for (int t = 0; t < p.out.steps; ++t)
        for (int i = 0; i < p.out.units; ++i)
          adjoints[p.in.at + p.in.row(g, t) + i] += p.factor[g * p.out.stride + i] * adjoints[p.out.at + p.out.row(g, t) + i];
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* tangents) {
    const auto& p = *static_cast<const Dropped*>(payload);
    for (int g = 0; g < p.out.samples; ++g)
      for (int t = 0; t < p.out.steps; ++t)
        for (int i = 0; i < p.out.units; ++i)
          for (int l = 0; l < Tape<T>::lanes; ++l)
            tangents[p.out.at + p.out.row(g, t) + i][l] =
                p.factor[g * p.out.stride + i] * tangents[p.in.at + p.in.row(g, t) + i][l];
  }
};

}  // namespace

template <class T>
Signal<T> readout_layer(Pass<T>& pass, std::size_t number, const Signal<T>& in) {
  const Stage& stage = pass.stages.list[number];
  const LeakyReadout& readout = *stage.readout();
  Readout<T>& layer = *new (pass.template allocate<Readout<T>>(1)) Readout<T>();
  layer.stage = &stage, layer.in = in;
  Signal<T>& out = layer.out;
  out.samples = in.samples, out.steps = in.steps, out.units = stage.units, out.stride = kernels::padded(stage.units);
  const auto row = static_cast<std::size_t>(out.stride);
  layer.r = pass.template allocate<T>(row), layer.a_s = pass.template allocate<T>(row);
  std::fill_n(layer.r, row, static_cast<T>(std::exp(-readout.dt / readout.tau_mem)));
  std::fill_n(layer.a_s, row, readout.tau_syn > 0 ? static_cast<T>(std::exp(-readout.dt / readout.tau_syn)) : T(0));
  layer.w = pass.theta + stage.weights;
  const bool recording = pass.tape && (pass.theta_at || in.at);
  if (recording && pass.theta_at) layer.w_at = pass.theta_at + static_cast<Index>(stage.weights);
  if (recording && in.at) {
    if (pass.packed) {
      layer.packed_w = pass.packed->input[number].data();
    } else {
      T* const packed = pass.template allocate<T>(stage.input.packed_size());
      stage.input.pack(layer.w, packed);
      layer.packed_w = packed;
    }
  }
  T* const o = pass.template allocate<T>(out.size());
  std::vector<T> state(2 * row);
  for (int g = 0; g < in.samples; ++g) {
    std::fill(state.begin(), state.end(), T(0));
    std::fill_n(state.begin(), out.units, static_cast<T>(readout.initial));
    T* const rows = o + out.row(g, 0);
    stage.input.forward(in, g, layer.w, rows, out.stride);
    kernels::best<T>().run_membranes({.n = out.units,
                                      .stride = out.stride,
                                      .steps = in.steps,
                                      .a_m = layer.r,
                                      .a_s = layer.a_s,
                                      .u = state.data(),
                                      .i = state.data() + row,
                                      .input = rows,
                                      .membranes = rows});
  }
  out.numbers = o;
  if (pass.log) {
    out.operation = in.operation;
    out.readout = new (pass.template allocate<LeakyOutputs<T>>(1)) LeakyOutputs<T>{&stage.input, layer.w, layer.r, layer.a_s};
  }
  if (recording) {
    align(*pass.tape);
    out.at = pass.tape->block(out.size(), &layer, &Readout<T>::reverse, &Readout<T>::forward);
  }
  return out;
}

template <class T>
Signal<T> dropout_layer(Pass<T>& pass, std::size_t number, const Signal<T>& in) {
  const double p = pass.stages.list[number].dropout;
  Dropped<T>& layer = *new (pass.template allocate<Dropped<T>>(1)) Dropped<T>();
  layer.in = in;
  Signal<T>& out = layer.out;
  out.samples = in.samples, out.steps = in.steps, out.units = in.units, out.stride = kernels::padded(in.units);
  T* const factor = pass.template allocate<T>(static_cast<std::size_t>(in.samples * out.stride));
  T* const numbers = pass.template allocate<T>(out.size());
  std::fill_n(numbers, out.size(), T(0));
  std::vector<double> u(static_cast<std::size_t>(in.units));
  Rows<T> inputs(in);
  for (int g = 0; g < in.samples; ++g) {
    RunKey key = pass.dropout_key;
    key.run += static_cast<std::uint64_t>(g);
    uniforms(key, static_cast<std::uint64_t>(number) << 32, u);
    for (int i = 0; i < in.units; ++i)
      factor[g * out.stride + i] = u[static_cast<std::size_t>(i)] < p ? T(0) : static_cast<T>(1 / (1 - p));
    for (int t = 0; t < in.steps; ++t) {
      const Active<T> s = inputs(g, t);
      for (std::size_t k = 0; k < s.units.size(); ++k)
        numbers[out.row(g, t) + s.units[k]] =
            factor[static_cast<std::size_t>(g * out.stride) + s.units[k]] * (s.numbers ? s.numbers[k] : T(1));
    }
  }
  layer.factor = factor;
  out.numbers = numbers;
  if (pass.tape && in.at) out.at = pass.tape->block(out.size(), &layer, &Dropped<T>::reverse, &Dropped<T>::forward);
  return out;
}

template Signal<float> readout_layer(Pass<float>&, std::size_t, const Signal<float>&);
template Signal<double> readout_layer(Pass<double>&, std::size_t, const Signal<double>&);
template Signal<float> dropout_layer(Pass<float>&, std::size_t, const Signal<float>&);
template Signal<double> dropout_layer(Pass<double>&, std::size_t, const Signal<double>&);

}  // namespace stoat::snn
