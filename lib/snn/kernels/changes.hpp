// Differences from a run, for the instruction set of the file that includes kernels.hpp: what a changed spike changes. Some
// neurons at a time go through all steps, so that their state never leaves the registers, and those that are safe stop.
#include "membranes.hpp"

namespace stoat::snn::kernels::STOAT_ISA {

// NOLINTBEGIN(misc-definitions-in-headers): every file that includes this has its own, for its instruction set
namespace {

/// One bit for each of `pad` units from `unit` on.
std::uint64_t unit_bits(const std::uint64_t* row, int unit) { return row[unit / 64] >> (unit % 64) & 0xffff; }

/// by times the units of a row from `at` on, of n.
template <class T, int V>
void add_row(const Impulse<T>& impulse, int at, int n, typename Lanes<T>::Value* i) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  const T* row = impulse.row + at;
  alignas(64) T end[pad];
  if (at + pad > n) {
    for (int l = 0; l < pad; ++l) end[l] = at + l < n ? row[l] : T(0);
    row = end;
  }
  for (int v = 0; v < V; ++v) i[v] += impulse.by * load<Value>(row + v * L::count);
}

/// The difference in u of a neuron whose spike changes in a step, after it; `lost` is what the run had to lose.
template <class T>
T after_change(bool spiked, bool reset_u, bool reset_i, T a_m, T u, T i, T lost) {
  const T leak = a_m * u, drive = (T(1) - a_m) * i;
  if (reset_i) return spiked ? lost + leak + drive : -lost;
  if (reset_u) return spiked ? a_m * lost + leak + drive : drive - a_m * lost;
  return leak + drive;
}

template <class T, int V>
bool safe(const T* radius, const T* weight, const typename Lanes<T>::Value* u, const typename Lanes<T>::Value* i) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  for (int v = 0; v < V; ++v) {
    const Value norm = magnitude<T>(u[v]) + load<Value>(weight + v * L::count) * magnitude<T>(i[v]);
    if (bits_of(greater<T>(norm, load<Value>(radius + v * L::count)))) return false;
  }
  return true;
}

template <class T>
void keep_margins(const T* limit, const T* z, const std::uint64_t* spikes, int n, T* margin, T* least) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  using Mask = typename L::Mask;
  constexpr T smallest = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
  for (int i = 0; i < n; i += L::count) {
    const Value m = load<Value>(limit + i) - load<Value>(z + i), negative = splat<T>(-smallest), old = load<Value>(least + i);
    const Value kept =
        select<T>(clear_lanes<T>(spikes, i), select<T>((Mask)(m > T(0)), m, Value{}), select<T>((Mask)(m < negative), m, negative));
    const Value size = magnitude<T>(kept);
    store(margin + i, kept);
    store(least + i, select<T>((Mask)(size < old), size, old));
  }
  for (int i = n; i < padded(n); ++i) margin[i] = least[i] = largest;
}

template <class T, bool guarded>
void change_block(MembraneChange<T>& m, int at) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  constexpr int V = pad / L::count;
  Value u[V], i[V], a_m[V], a_s[V];
  for (int v = 0; v < V; ++v) {
    const int k = at + v * L::count;
    u[v] = load<Value>(m.u + k), i[v] = load<Value>(m.i + k), a_m[v] = load<Value>(m.a_m + k), a_s[v] = load<Value>(m.a_s + k);
  }
  int impulse = 0, t = m.first;
  for (; t < m.last; ++t) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(t) * m.stride + at;
    if (t % span == 0 && m.radius && impulse == m.count && t > m.first &&
        safe<T, V>(m.radius + static_cast<std::ptrdiff_t>(t / span) * m.stride + at, m.weight + at, u, i))
      break;
    const std::uint64_t spiked = unit_bits(m.spikes + static_cast<std::ptrdiff_t>(t) * m.words, at);
    std::uint64_t above = 0;
    for (int v = 0; v < V; ++v)
      above |= std::uint64_t{bits_of(greater<T>(u[v], load<Value>(m.margin + row + v * L::count)))} << (v * L::count);
    std::uint64_t flips = above ^ spiked;
    if (t == m.first && m.forced >= at && m.forced < at + pad) flips = std::uint64_t{1} << (m.forced - at);
    if constexpr (guarded) {
      if (t > m.first || m.forced < 0)
        for (int v = 0; v < V; ++v) {
          const Value distance = magnitude<T>(u[v] - load<Value>(m.margin + row + v * L::count));
          const auto near = (typename L::Mask)(distance < splat<T>(m.guard)) & (typename L::Mask)(u[v] != Value{});
          m.close = m.close || bits_of(near) != 0;
        }
    }
    alignas(64) T before[2][pad];
    if (flips) [[unlikely]]
      for (int v = 0; v < V; ++v) store(before[0] + v * L::count, u[v]), store(before[1] + v * L::count, i[v]);
    for (int v = 0; v < V; ++v) {
      const Fired<T> fired = fired_at<T>(m.spikes + static_cast<std::ptrdiff_t>(t) * m.words, at + v * L::count);
      const Value leak = a_m[v] * u[v], drive = (T(1) - a_m[v]) * i[v];
      u[v] = unless<T>(both(fired, m.reset_u), leak) + unless<T>(both(fired, m.reset_i), drive);
      i[v] = a_s[v] * i[v];
    }
    if (flips) [[unlikely]] {
      m.flips[static_cast<std::ptrdiff_t>(t) * m.words + at / 64] |= flips << (at % 64);
      if (m.live <= t) m.live = t + 1;
      alignas(64) T after[pad];
      for (int v = 0; v < V; ++v) store(after + v * L::count, u[v]);
      for (std::uint64_t left = flips; left; left &= left - 1) {
        const int l = std::countr_zero(left);
        after[l] = after_change(spiked >> l & 1, m.reset_u, m.reset_i, m.a_m[at + l], before[0][l], before[1][l],
                                m.reset_u ? m.lost[row + l] : T(0));
      }
      for (int v = 0; v < V; ++v) u[v] = load<Value>(after + v * L::count);
    }
    for (; impulse < m.count && m.impulses[impulse].step == t; ++impulse) add_row<T, V>(m.impulses[impulse], at, m.n, i);
  }
  for (int v = 0; v < V; ++v) store(m.u + at + v * L::count, u[v]), store(m.i + at + v * L::count, i[v]);
  m.looked_at += static_cast<std::size_t>(t - m.first) * static_cast<std::size_t>(pad < m.n - at ? pad : m.n - at);
}
template <class T>
void change_membranes(MembraneChange<T>& m) {
  for (int at = m.begin; at < m.end; at += pad) {
    if (m.guard > T(0)) change_block<T, true>(m, at);
    else change_block<T, false>(m, at);
  }
}

template <class T>
void each_in_block(const EachChange<T>& e, int at) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  constexpr int V = pad / L::count;
  const MembraneChange<T>& m = e.neurons;
  Value a_m[V];
  for (int v = 0; v < V; ++v) a_m[v] = load<Value>(m.a_m + at + v * L::count);
  for (int first = m.first; first < m.last; ++first) {
    const std::ptrdiff_t first_row = static_cast<std::ptrdiff_t>(first) * m.stride + at;
    alignas(64) T sums[pad];
    alignas(64) T state[pad];
    Value u[V];
    const std::uint64_t own = unit_bits(m.spikes + static_cast<std::ptrdiff_t>(first) * m.words, at);
    for (int l = 0; l < pad; ++l) sums[l] = own >> l & 1 ? -e.weights[first] : e.weights[first];
    for (int v = 0; v < V; ++v) {
      const Fired<T> fired = fired_at<T>(m.spikes + static_cast<std::ptrdiff_t>(first) * m.words, at + v * L::count);
      const Value lost =
          m.reset_u ? load<Value>(m.lost + first_row + v * L::count) * (m.reset_i ? splat<T>(T(1)) : a_m[v]) : Value{};
      u[v] = unless<T>(fired, -lost) + (lost - unless<T>(fired, lost));
    }
    for (int t = first + 1; t < m.last; ++t) {
      const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(t) * m.stride + at;
      if (t % span == 0) {
        bool stop = true;
        const T* const radius = m.radius + static_cast<std::ptrdiff_t>(t / span) * m.stride + at;
        for (int v = 0; v < V; ++v) stop = stop && !bits_of(greater<T>(magnitude<T>(u[v]), load<Value>(radius + v * L::count)));
        if (stop) break;
      }
      const std::uint64_t spiked = unit_bits(m.spikes + static_cast<std::ptrdiff_t>(t) * m.words, at);
      std::uint64_t above = 0;
      for (int v = 0; v < V; ++v)
        above |= std::uint64_t{bits_of(greater<T>(u[v], load<Value>(m.margin + row + v * L::count)))} << (v * L::count);
      const std::uint64_t flips = above ^ spiked;
      if (flips) [[unlikely]]
        for (int v = 0; v < V; ++v) store(state + v * L::count, u[v]);
      for (int v = 0; v < V; ++v) {
        const Fired<T> fired = fired_at<T>(m.spikes + static_cast<std::ptrdiff_t>(t) * m.words, at + v * L::count);
        u[v] = unless<T>(both(fired, m.reset_u), a_m[v] * u[v]);
      }
      if (flips) [[unlikely]] {
        alignas(64) T after[pad];
        for (int v = 0; v < V; ++v) store(after + v * L::count, u[v]);
        for (std::uint64_t left = flips; left; left &= left - 1) {
          const int l = std::countr_zero(left);
          const bool one_less = spiked >> l & 1;
          sums[l] += one_less ? -e.weights[t] : e.weights[t];
          after[l] =
              after_change(one_less, m.reset_u, m.reset_i, m.a_m[at + l], state[l], T(0), m.reset_u ? m.lost[row + l] : T(0));
        }
        for (int v = 0; v < V; ++v) u[v] = load<Value>(after + v * L::count);
      }
    }
    for (int v = 0; v < V; ++v) store(e.sums + first_row + v * L::count, load<Value>(sums + v * L::count));
  }
}
template <class T>
void change_each(const EachChange<T>& e) {
  for (int at = e.neurons.begin; at < e.neurons.end; at += pad) each_in_block(e, at);
}

template <class T, int V>
void readout_block(const ReadoutChange<T>& m, int at) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  Value u[V] = {}, i[V] = {}, sum[V] = {}, top[V], a_m[V], a_s[V];
  for (int v = 0; v < V; ++v) {
    const int k = at + v * L::count;
    top[v] = load<Value>(m.top + k), a_m[v] = load<Value>(m.a_m + k), a_s[v] = load<Value>(m.a_s + k);
  }
  int impulse = 0;
  const auto add_until = [&](int t) {
    for (; impulse < m.count && m.impulses[impulse].step <= t; ++impulse)
      for (int v = 0; v < V; v += pad / L::count) add_row<T, pad / L::count>(m.impulses[impulse], at + v * L::count, m.n, i + v);
  };
  add_until(m.first - 1);
  for (int t = m.first; t < m.last; ++t) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(t) * m.stride + at;
    for (int v = 0; v < V; ++v) {
      const Value now = load<Value>(m.outputs + row + v * L::count) + u[v];
      if (m.rows) store(m.rows + row + v * L::count, now);
      top[v] = select<T>((typename L::Mask)(now > top[v]), now, top[v]);
      sum[v] += u[v];
      u[v] = a_m[v] * u[v] + (T(1) - a_m[v]) * i[v];
      i[v] = a_s[v] * i[v];
    }
    add_until(t);
  }
  for (int v = 0; v < V; ++v) store(m.top + at + v * L::count, top[v]), store(m.sum + at + v * L::count, sum[v]);
}
template <class T>
void change_readout(const ReadoutChange<T>& m) {
  constexpr int V = pad / Lanes<T>::count;
  int at = 0;
  for (; at + 2 * pad <= m.stride; at += 2 * pad) readout_block<T, 2 * V>(m, at);
  if (at < m.stride) readout_block<T, V>(m, at);
}

// NOLINTEND(misc-definitions-in-headers)
}  // namespace

}  // namespace stoat::snn::kernels::STOAT_ISA
