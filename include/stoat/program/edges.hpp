// stoat/program/edges.hpp: from the outcomes of draws to the parameters of their laws, as one operation of the tape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <stoat/tape/tape.hpp>

namespace stoat {

/// The edges of a run of outputs, each to `count` parameters with slopes of its own. Cut, they pass nothing on.
template <class T>
struct Edges {
  Index at = 0;                            ///< the first output
  std::size_t outputs = 0;                 ///< how many there are
  std::uint32_t count = 0;                 ///< parameters of each
  const std::vector<Index>* parameters{};  ///< tape indices of the parameters of all sites ...
  std::size_t first = 0;                   ///< ... where those of the first output begin
  T* slopes = nullptr;                     ///< outputs * count
  bool open = false;                       ///< passes adjoints on

  /// Records an operation of so many outputs on the tape.
  static Edges* record(Tape<T>& tape, std::size_t outputs, std::uint32_t count, const std::vector<Index>& parameters,
                       std::size_t first) {
    Edges* const e = new (tape.arena().template allocate<Edges>(1)) Edges;
    T* const slopes = tape.arena().template allocate<T>(outputs * count);
    *e = {tape.block(outputs, e, &reverse, &forward), outputs, count, &parameters, first, slopes, false};
    return e;
  }
  static void reverse(const void* payload, T* adjoints) {
    const Edges& e = *static_cast<const Edges*>(payload);
    if (!e.open) return;
    const T* slope = e.slopes;
    const Index* parameter = e.parameters->data() + e.first;
    for (std::size_t i = 0; i < e.outputs; ++i, slope += e.count, parameter += e.count) {
      const T adjoint = adjoints[e.at + i];
      if (detail::is_zero(adjoint)) continue;  // 0 * infinity must not become NaN
      for (std::uint32_t j = 0; j < e.count; ++j) adjoints[parameter[j]] += slope[j] * adjoint;
    }
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* tangents) {
    const Edges& e = *static_cast<const Edges*>(payload);
    if (!e.open) return;  // the tangents were cleared
    const T* slope = e.slopes;
    const Index* parameter = e.parameters->data() + e.first;
    for (std::size_t i = 0; i < e.outputs; ++i, slope += e.count, parameter += e.count)
      for (std::uint32_t j = 0; j < e.count; ++j)
        for (int l = 0; l < Tape<T>::lanes; ++l) {
          const T tangent = tangents[parameter[j]][l];
          if (!detail::is_zero(tangent)) tangents[e.at + i][l] += slope[j] * tangent;
        }
  }
};

}  // namespace stoat
