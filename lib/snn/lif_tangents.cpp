#include "lif_layer.hpp"

namespace stoat::snn {

namespace {

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

}  // namespace

template <class T>
void LifLayer<T>::tangents(typename Tape<T>::Lanes* tangent) {
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

template void LifLayer<float>::tangents(Tape<float>::Lanes*);
template void LifLayer<double>::tangents(Tape<double>::Lanes*);

}  // namespace stoat::snn
