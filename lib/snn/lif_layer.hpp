// A layer of leaky integrate-and-fire neurons as one operation on the tape.
#pragma once

#include <algorithm>
#include <cmath>

#include <stoat/program/edges.hpp>

#include "pass.hpp"

namespace stoat::snn {

using kernels::padded;
using kernels::words;

inline bool bit(const std::uint64_t* bits, int i) { return bits[i / 64] >> (i % 64) & 1; }

/// A layer of neurons over all steps of some samples, with what the sweeps need of its run.
template <class T>
struct LifLayer {
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
  T* margin;                           // rows of distances to the other outcome, if a log wants them; may take the place of u
  T* least;                            // a row for each span of steps: the smallest of these distances, without signs
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
  void run_steps(Pass<T>& pass, bool simple, kernels::MembraneRun<T> neurons);
  void rest_now(int g, int t, int* left);
  void keep_margins(int t, const T* limit, const T* z);
  void run_means(Pass<T>& pass);

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
  void back_steps(T* adjoints, T* drive, kernels::MembraneReverse<T> neurons);
  void adapt_back(int g, int t, const T* spike, const T* az, const T* au, typename kernels::MembraneReverse<T>::Reset reset,
                  const T* slope, T* aa) const;
  void back_means(T* adjoints);
  void tangents(typename Tape<T>::Lanes* tangent);
  static void reverse(const void* payload, T* adjoints) {
    auto& layer = *static_cast<LifLayer*>(const_cast<void*>(payload));
    if (layer.means) layer.back_means(adjoints);
    else layer.back(adjoints);
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    static_cast<LifLayer*>(const_cast<void*>(payload))->tangents(t);
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

}  // namespace stoat::snn
