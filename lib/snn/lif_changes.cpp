#include "lif_changes.hpp"

#include <bit>
#include <cmath>

namespace stoat::snn {

template <class T>
std::span<const kernels::Impulse<T>> Impulses<T>::operator()(const Connection& connection, const T* w,
                                                             std::span<const Change> changes) {
  list_.clear();
  const auto units = static_cast<std::uint32_t>(connection.inputs());
  const auto outputs = static_cast<std::size_t>(connection.outputs());
  const bool columns = connection.linear_columns();
  if (!columns) rows_.assign(changes.size() * outputs, T(0));
  T* row = rows_.data();
  for (const Change& c : changes) {
    const std::uint32_t unit = c.entry % units;
    const T* from = w + static_cast<std::size_t>(unit) * outputs;
    if (!columns) {
      for (const Connection::Tap& tap : connection.taps(unit))
        for (int i = 0; i < connection.width(); ++i)
          row[tap.output + static_cast<std::uint32_t>(i)] += w[tap.weight + static_cast<std::uint32_t>(i)];
      from = row;
      row += outputs;
    }
    list_.push_back({static_cast<int>(c.entry / units), static_cast<T>(c.by), from});
  }
  return list_;
}

template <class T>
bool LifChanges<T>::possible(const Lif& lif) {
  return lif.refractory == 0 && lif.adaptation == 0 && (lif.activation == Activation::deterministic || lif.escape.has_threshold());
}

template <class T>
LifChanges<T>::LifChanges(const LifLayer<T>& layer, Pass<T>& pass)
    : stage_(layer.stage), w_(layer.w), v_(layer.v), steps_(layer.steps) {
  const auto size = static_cast<std::size_t>(layer.stride);
  neurons_.n = layer.n, neurons_.stride = layer.stride, neurons_.words = words(layer.n);
  neurons_.end = layer.stride, neurons_.last = steps_;
  neurons_.a_m = layer.a_m, neurons_.a_s = layer.a_s;
  neurons_.margin = layer.margin;
  neurons_.reset_u = layer.resets(), neurons_.reset_i = layer.resets() && layer.lif->reset_kind == ResetKind::all;
  neurons_.lost = neurons_.reset_i ? layer.before : layer.u;
  neurons_.spikes = layer.spikes;
  neurons_.guard = pass.log->guard();
  neurons_.u = pass.template allocate<T>(2 * size), neurons_.i = neurons_.u + size;
  const std::size_t flips = static_cast<std::size_t>(steps_) * static_cast<std::size_t>(neurons_.words);
  neurons_.flips = pass.template allocate<std::uint64_t>(flips);
  std::fill_n(neurons_.flips, flips, 0);

  // Without impulses |u| + k |i|, k = (1 - a_m) / (r - a_s), shrinks by r > a_s, r >= a_m from step to step: the new u is at most
  // a_m |u| + (1 - a_m) |i|, and k a_s + 1 - a_m = k r. So no spike will change where it is at most |margin| / r^(steps until
  // then).
  T* const weight = pass.template allocate<T>(size);
  std::vector<T> growth(size);
  for (std::size_t i = 0; i < size; ++i) {
    if (i > 0 && layer.a_m[i] == layer.a_m[i - 1] && layer.a_s[i] == layer.a_s[i - 1]) {
      weight[i] = weight[i - 1], growth[i] = growth[i - 1];
      continue;
    }
    const T r = std::max(layer.a_m[i], layer.a_s[i] + (T(1) - layer.a_s[i]) / 4);
    weight[i] = (T(1) - layer.a_m[i]) / (r - layer.a_s[i]);
    growth[i] = T(1) / static_cast<T>(std::pow(r, kernels::span));
  }
  // Room for rounding.
  constexpr T relative = sizeof(T) == 4 ? T(1e-5) : T(1e-12);
  const T absolute = static_cast<T>(layer.lif->threshold) * (sizeof(T) == 4 ? T(4e-6) : T(1e-13));
  const int spans = kernels::spans(steps_);
  for (int b = spans; b-- > 0;) {
    T* const r = layer.least + static_cast<std::ptrdiff_t>(b) * layer.stride;
    if (b + 1 < spans)
      for (std::size_t i = 0; i < size; ++i) r[i] = std::min(r[i], r[size + i] * growth[i]);
    for (std::size_t i = 0; i < size; ++i) r[i] = r[i] - relative * r[i] - absolute;
  }
  neurons_.weight = weight, neurons_.radius = layer.least;
}

template <class T>
void LifChanges<T>::forced(std::uint32_t entry, std::vector<Change>& out) {
  kernels::MembraneChange<T> m = neurons_;
  m.first = static_cast<int>(entry / static_cast<std::uint32_t>(m.n)),
  m.forced = static_cast<int>(entry % static_cast<std::uint32_t>(m.n));
  if (!stage_->recurrent) m.begin = m.forced / kernels::pad * kernels::pad, m.end = m.begin + kernels::pad;
  follow(m, {}, out);
}

template <class T>
void LifChanges<T>::respond(std::span<const Change> in, std::vector<Change>& out) {
  static thread_local Impulses<T> impulses;
  const std::span<const kernels::Impulse<T>> list = impulses(stage_->input, w_, in);
  kernels::MembraneChange<T> m = neurons_;
  m.first = list.front().step;
  follow(m, list, out);
}

template <class T>
void LifChanges<T>::follow(kernels::MembraneChange<T> m, std::span<const kernels::Impulse<T>> impulses, std::vector<Change>& out) {
  std::fill(m.u + m.begin, m.u + m.end, T(0)), std::fill(m.i + m.begin, m.i + m.end, T(0));
  const int first = m.first;
  if (stage_->recurrent) {
    follow_steps(m, impulses);
  } else {
    m.impulses = impulses.data(), m.count = static_cast<int>(impulses.size());
    kernels::best<T>().change_membranes(m);
  }
  looked_at_ = m.looked_at, close_ = m.close;
  for (int t = first; t < m.live; ++t)
    for (int k = 0; k < m.words; ++k) {
      const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(t) * m.words + k;
      for (std::uint64_t left = m.flips[at]; left; left &= left - 1) {
        const int unit = 64 * k + std::countr_zero(left);
        out.push_back({static_cast<std::uint32_t>(t * m.n + unit), bit(m.spikes + at - k, unit) ? -1 : 1});
      }
      m.flips[at] = 0;
    }
}

template <class T>
void LifChanges<T>::follow_steps(kernels::MembraneChange<T>& m, std::span<const kernels::Impulse<T>> impulses) {
  const auto& k = kernels::best<T>();
  const auto outputs = static_cast<std::size_t>(m.n);
  const int end = m.last, first = m.first;
  m.radius = nullptr;
  std::size_t next = 0;
  for (int t = first; t < end; ++t) {
    if (t > first && t % kernels::span == 0 && next == impulses.size() && safe(m, t)) break;
    m.first = t, m.last = t + 1;
    m.impulses = impulses.data() + next, m.count = 0;
    while (next < impulses.size() && impulses[next].step == t) ++next, ++m.count;
    k.change_membranes(m);
    m.forced = -1;
    if (m.live <= t) continue;
    const std::uint64_t* const row = m.spikes + static_cast<std::ptrdiff_t>(t) * m.words;
    for (int word = 0; word < m.words; ++word)
      for (std::uint64_t left = m.flips[static_cast<std::ptrdiff_t>(t) * m.words + word]; left; left &= left - 1) {
        const int unit = 64 * word + std::countr_zero(left);
        const T by = bit(row, unit) ? T(-1) : T(1);
        if (stage_->recurrent->linear_columns()) {
          k.axpy(by, v_ + static_cast<std::size_t>(unit) * outputs, m.i, m.n);
        } else {
          for (const Connection::Tap& tap : stage_->recurrent->taps(static_cast<std::size_t>(unit)))
            k.axpy(by, v_ + tap.weight, m.i + tap.output, stage_->recurrent->width());
        }
      }
  }
}

template <class T>
bool LifChanges<T>::safe(const kernels::MembraneChange<T>& m, int step) const {
  const T* const radius = neurons_.radius + static_cast<std::ptrdiff_t>(step / kernels::span) * m.stride;
  for (int i = 0; i < m.n; ++i)
    if (std::abs(m.u[i]) + m.weight[i] * std::abs(m.i[i]) > radius[i]) return false;
  return true;
}

template <class T>
void LifChanges<T>::each(const T* weights, T* sums) const {
  kernels::best<T>().change_each({neurons_, weights, sums});
}

template class Impulses<float>;
template class Impulses<double>;
template class LifChanges<float>;
template class LifChanges<double>;

}  // namespace stoat::snn
