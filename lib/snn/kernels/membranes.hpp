// The inner loops of neurons, for the instruction set of the file that includes kernels.hpp. Some registers full of neurons go
// through all steps, so that their state never leaves the registers.

namespace stoat::snn::kernels::STOAT_ISA {

namespace {

static_assert(std::endian::native == std::endian::little, "bits of a few units are stored as bytes of their word");

/// Neurons that spike, a lane each.
template <class T>
struct Fired {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  std::uint32_t lanes;
#else
  typename Lanes<T>::Mask lanes;
#endif
};
template <class T>
Fired<T> none_fired() {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return {0};
#else
  return {typename Lanes<T>::Mask{}};
#endif
}
/// Those whose bits are set, from unit i on.
template <class T>
Fired<T> fired_at(const std::uint64_t* bits, int i) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return {static_cast<std::uint32_t>(bits[i / 64] >> (i % 64))};
#else
  return {~clear_lanes<T>(bits, i)};
#endif
}
template <class T>
Fired<T> greater(const typename Lanes<T>::Value& a, const typename Lanes<T>::Value& b) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  if constexpr (sizeof(T) == 4) return {_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ)};
  else return {_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ)};
#else
  return {(typename Lanes<T>::Mask)(a > b)};
#endif
}
template <class T>
std::uint64_t bits_of(const Fired<T>& f) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return f.lanes & ((1u << Lanes<T>::count) - 1);
#else
  return bits_of(f.lanes);
#endif
}
/// x where nothing fired, else 0.
template <class T>
typename Lanes<T>::Value unless(const Fired<T>& f, const typename Lanes<T>::Value& x) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  if constexpr (sizeof(T) == 4) return (typename Lanes<T>::Value)_mm512_maskz_mov_ps(static_cast<__mmask16>(~f.lanes), (__m512)x);
  else return (typename Lanes<T>::Value)_mm512_maskz_mov_pd(static_cast<__mmask8>(~f.lanes), (__m512d)x);
#else
  return only<T>(x, ~f.lanes);
#endif
}
template <class T>
Fired<T> both(const Fired<T>& f, bool wanted) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return {wanted ? f.lanes : 0u};
#else
  return {f.lanes & (typename Lanes<T>::Mask{} - static_cast<typename Lanes<T>::Integer>(wanted))};
#endif
}

/// e^x, for x outside the range of exponents the value at its end. Reduction by ln 2 and a Taylor polynomial on [-ln 2 / 2, ln 2 /
/// 2].
template <class T>
typename Lanes<T>::Value exponential(typename Lanes<T>::Value x) {
  using V = typename Lanes<T>::Value;
  using M = typename Lanes<T>::Mask;
  constexpr bool single = sizeof(T) == 4;
  const V low = splat<T>(single ? T(-87) : T(-708)), high = splat<T>(single ? T(88) : T(709));
  x = select<T>((M)(x < low), low, x);
  x = select<T>((M)(x > high), high, x);
  const V magic = splat<T>(single ? T(0x1.8p23) : T(0x1.8p52));  // adding it rounds to an integer, in the low bits
  const V shifted = x * T(1.44269504088896340736) + magic;
  const M n = (M)shifted - (M)magic;
  const V k = shifted - magic;
  // ln 2 in two parts: the product of k and the first is exact.
  const V r =
      (x - k * (single ? T(0x1.62ep-1) : T(0x1.62e42fee00000p-1))) - k * (single ? T(0x1.0bfbe8p-15) : T(0x1.a39ef35793c76p-33));
  constexpr T coefficients[] = {
      T(1.0 / 6227020800), T(1.0 / 479001600), T(1.0 / 39916800), T(1.0 / 3628800), T(1.0 / 362880), T(1.0 / 40320), T(1.0 / 5040),
      T(1.0 / 720),        T(1.0 / 120),       T(1.0 / 24),       T(1.0 / 6),       T(0.5),          T(1),           T(1)};
  constexpr int first = single ? 6 : 0;
  V p = splat<T>(coefficients[first]);
  for (int c = first + 1; c < 14; ++c) p = p * r + coefficients[c];
  return (V)((M)p + (n << (single ? 23 : 52)));
}

/// What decides the spikes of V registers of neurons from unit `at` on: begin(t), then decide(v, u).
template <class T, int V>
struct NoSpikes {
  NoSpikes(const MembraneRun<T>&, int) {}
  void begin(int) {}
  Fired<T> decide(int, const typename Lanes<T>::Value&) { return none_fired<T>(); }
};
template <class T, int V>
struct AboveThreshold {
  typename Lanes<T>::Value threshold[V];
  AboveThreshold(const MembraneRun<T>& m, int at) {
    for (int v = 0; v < V; ++v) threshold[v] = load<typename Lanes<T>::Value>(m.threshold + at + v * Lanes<T>::count);
  }
  void begin(int) {}
  Fired<T> decide(int v, const typename Lanes<T>::Value& u) { return greater<T>(u, threshold[v]); }
};
/// Coins: a spike where u < 1 / (1 + e^(-x)), that is where log2 u - log2 (1 - u) < x log2 e. The bits of a float, as an integer,
/// are its logarithm to an error of 0.0861 downwards, which decides most coins; the exponential is worked out for the rest.
template <class T, int V>
struct LogisticCoins {
  using L = Lanes<T>;
  using Value = typename L::Value;
  const T* threshold;
  T beta;
  RowKey key;
  std::uint32_t blocks;
  alignas(64) std::uint32_t words[32];
  LogisticCoins(const MembraneRun<T>& m, int at)
      : threshold(m.threshold + at), beta(m.beta), key(m.key), blocks(static_cast<std::uint32_t>((m.n + 31) / 32 * 8)) {
    static_assert(V * L::count <= 32);
    key.block += static_cast<std::uint32_t>(at / 4);
  }
  void begin(int t) { random_words(key, key.block + static_cast<std::uint32_t>(t) * blocks, words); }
  Fired<T> decide(int v, const Value& u) {
    const Value x = (u - load<Value>(threshold + v * L::count)) * beta;
    Value r;
    if constexpr (sizeof(T) == 4) {
      using Mask = typename L::Mask;
      r = __builtin_convertvector((Mask)(load<Mask>(words + v * L::count) >> 8) & 0xffffff, Value);
      const Value about = __builtin_convertvector((Mask)r - (Mask)(T(0x1p24) - r), Value) * T(0x1p-23);
      const Value excess = x * T(1.44269504088896340736) - about, slack = splat<T>(T(0.088));
      const Fired<T> surely = greater<T>(excess, slack);
      if (bits_of(surely) == bits_of(greater<T>(excess, -slack))) [[likely]]
        return surely;
    } else {
      for (int l = 0; l < L::count; ++l) r[l] = static_cast<T>(words[v * L::count + l] >> 8);
    }
    return greater<T>(T(0x1p24) / (T(1) + exponential<T>(-x)), r);
  }
};

template <class T, int V, template <class, int> class Decide>
void run_block(const MembraneRun<T>& m, int at) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  Value u[V], i[V], a_m[V], a_s[V];
  for (int v = 0; v < V; ++v) {
    const int k = at + v * L::count;
    u[v] = load<Value>(m.u + k), i[v] = load<Value>(m.i + k), a_m[v] = load<Value>(m.a_m + k), a_s[v] = load<Value>(m.a_s + k);
  }
  Decide<T, V> spikes(m, at);
  for (int t = 0; t < m.steps; ++t) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(t) * m.stride + at;
    spikes.begin(t);
    std::uint64_t bits = 0;
    for (int v = 0; v < V; ++v) {
      const Value input = m.input ? load<Value>(m.input + row + v * L::count) : Value{};
      if (m.membranes) store(m.membranes + row + v * L::count, u[v]);
      const Fired<T> fired = spikes.decide(v, u[v]);
      bits |= bits_of(fired) << (v * L::count);
      const Value leak = a_m[v] * u[v], drive = (T(1) - a_m[v]) * i[v];
      if (m.unreset) store(m.unreset + row + v * L::count, leak + drive);
      u[v] = unless<T>(both(fired, m.reset_u), leak) + unless<T>(both(fired, m.reset_i), drive);
      i[v] = a_s[v] * i[v] + input;
    }
    if (m.spikes) __builtin_memcpy(reinterpret_cast<char*>(m.spikes + t * m.words) + at / 8, &bits, V * L::count / 8);
  }
  for (int v = 0; v < V; ++v) store(m.u + at + v * L::count, u[v]), store(m.i + at + v * L::count, i[v]);
}
/// Steps whose spikes are known.
template <class T>
void run_given(const MembraneRun<T>& m) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  for (int k = 0; k < padded(m.n); k += L::count) {
    Value u = load<Value>(m.u + k), i = load<Value>(m.i + k);
    const Value a_m = load<Value>(m.a_m + k), a_s = load<Value>(m.a_s + k);
    for (int t = 0; t < m.steps; ++t) {
      const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(t) * m.stride + k;
      const Value input = m.input ? load<Value>(m.input + row) : Value{};
      if (m.membranes) store(m.membranes + row, u);
      const Value leak = a_m * u, drive = (T(1) - a_m) * i;
      if (m.unreset) store(m.unreset + row, leak + drive);
      u = unless<T>(fired_at<T>(m.drop_u + t * m.words, k), leak) + unless<T>(fired_at<T>(m.drop_i + t * m.words, k), drive);
      i = a_s * i + input;
    }
    store(m.u + k, u), store(m.i + k, i);
  }
}
template <class T, int V, template <class, int> class Decide>
void run_blocks(const MembraneRun<T>& m) {
  constexpr int count = Lanes<T>::count, tail = pad / count;
  if (m.spikes)
    for (int k = 0; k < m.steps * m.words; ++k) m.spikes[k] = 0;
  int at = 0;
  for (; at + V * count <= padded(m.n); at += V * count) run_block<T, V, Decide>(m, at);
  for (; at < padded(m.n); at += pad) run_block<T, tail, Decide>(m, at);
  if (m.spikes)
    for (int t = 0; t < m.steps; ++t) trim(m.spikes + t * m.words, m.n);
}
template <class T>
void run_membranes(const MembraneRun<T>& m) {
  constexpr int tail = pad / Lanes<T>::count, wide_block = tail < 4 ? 4 : tail;
  switch (m.kind) {
    case MembraneRun<T>::Spikes::none: return run_blocks<T, tail, NoSpikes>(m);
    case MembraneRun<T>::Spikes::threshold: return run_blocks<T, wide_block, AboveThreshold>(m);
    case MembraneRun<T>::Spikes::coins: return run_blocks<T, 2 * tail, LogisticCoins>(m);
    case MembraneRun<T>::Spikes::given: return run_given(m);
  }
}

/// The slope of a spike in its membrane.
template <class T>
struct UnitSlope {
  static constexpr bool reads_membrane = false;
  explicit UnitSlope(const MembraneReverse<T>&) {}
  typename Lanes<T>::Value operator()(std::ptrdiff_t, const typename Lanes<T>::Value&) const { return splat<T>(T(1)); }
};
template <class T>
struct GivenSlope {
  static constexpr bool reads_membrane = false;
  const T* rows;
  explicit GivenSlope(const MembraneReverse<T>& m) : rows(m.slope) {}
  typename Lanes<T>::Value operator()(std::ptrdiff_t at, const typename Lanes<T>::Value&) const {
    return load<typename Lanes<T>::Value>(rows + at);
  }
};
template <class T>
struct SuperSpikeSlope {
  static constexpr bool reads_membrane = true;
  T beta;
  explicit SuperSpikeSlope(const MembraneReverse<T>& m) : beta(m.beta) {}
  typename Lanes<T>::Value operator()(std::ptrdiff_t, const typename Lanes<T>::Value& z) const {
    const auto a = reciprocal<T>(magnitude<T>(z) * beta + T(1));
    return a * a;
  }
};
template <class T>
struct LogisticSlope {
  static constexpr bool reads_membrane = true;
  T beta, peak;
  explicit LogisticSlope(const MembraneReverse<T>& m) : beta(m.beta), peak(m.beta * m.scale) {}
  typename Lanes<T>::Value operator()(std::ptrdiff_t, const typename Lanes<T>::Value& z) const {
    const auto e = exponential<T>(magnitude<T>(z) * -beta), a = reciprocal<T>(e + T(1));
    return peak * e * (a * a);
  }
};

template <class T, int V, class Slope, typename MembraneReverse<T>::Reset reset>
void reverse_block(const MembraneReverse<T>& m, int at) {
  using L = Lanes<T>;
  using Value = typename L::Value;
  using Reset = typename MembraneReverse<T>::Reset;
  const Slope slope(m);
  Value a_u[V], a_i[V];
  for (int v = 0; v < V; ++v) a_u[v] = load<Value>(m.a_u + at + v * L::count), a_i[v] = load<Value>(m.a_i + at + v * L::count);
  for (int t = m.steps - 1; t >= 0; --t) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(t) * m.stride + at;
    for (int v = 0; v < V; ++v) {
      const std::ptrdiff_t k = row + v * L::count;
      const int unit = at + v * L::count;
      const Value u_next = a_u[v], i_next = a_i[v], a_m = load<Value>(m.a_m + unit);
      Value spike = load<Value>(m.spike + k), z{};
      if constexpr (Slope::reads_membrane) z = load<Value>(m.membranes + k) - load<Value>(m.threshold + unit);
      if constexpr (reset == Reset::all) spike -= load<Value>(m.unreset + k) * u_next;
      if constexpr (reset == Reset::leak) spike -= a_m * load<Value>(m.membranes + k) * u_next;
      if constexpr (reset != Reset::none) store(m.spike + k, spike);
      Value a_z = slope(k, z) * spike;
      if (m.distance) a_z += load<Value>(m.distance + k);
      const Value u = m.drop_u ? unless<T>(fired_at<T>(m.drop_u + t * m.words, unit), u_next) : u_next;
      const Value i = m.drop_i ? unless<T>(fired_at<T>(m.drop_i + t * m.words, unit), u_next) : u_next;
      a_u[v] = a_m * u + a_z;
      a_i[v] = (T(1) - a_m) * i + load<Value>(m.a_s + unit) * i_next;
      store(m.input + k, i_next);
    }
  }
  for (int v = 0; v < V; ++v) store(m.a_u + at + v * L::count, a_u[v]), store(m.a_i + at + v * L::count, a_i[v]);
}
template <class T, class Slope, typename MembraneReverse<T>::Reset reset>
void reverse_blocks(const MembraneReverse<T>& m) {
  constexpr int count = Lanes<T>::count, tail = pad / count, V = tail < 4 ? 4 : tail;
  int at = 0;
  for (; at + V * count <= padded(m.n); at += V * count) reverse_block<T, V, Slope, reset>(m, at);
  for (; at < padded(m.n); at += pad) reverse_block<T, tail, Slope, reset>(m, at);
}
template <class T, class Slope>
void reverse_with(const MembraneReverse<T>& m) {
  using Reset = typename MembraneReverse<T>::Reset;
  switch (m.reset) {
    case Reset::none: return reverse_blocks<T, Slope, Reset::none>(m);
    case Reset::all: return reverse_blocks<T, Slope, Reset::all>(m);
    case Reset::leak: return reverse_blocks<T, Slope, Reset::leak>(m);
  }
}
template <class T>
void reverse_membranes(const MembraneReverse<T>& m) {
  switch (m.kind) {
    case MembraneReverse<T>::Slope::one: return reverse_with<T, UnitSlope<T>>(m);
    case MembraneReverse<T>::Slope::given: return reverse_with<T, GivenSlope<T>>(m);
    case MembraneReverse<T>::Slope::super_spike: return reverse_with<T, SuperSpikeSlope<T>>(m);
    case MembraneReverse<T>::Slope::logistic: return reverse_with<T, LogisticSlope<T>>(m);
  }
}

}  // namespace

}  // namespace stoat::snn::kernels::STOAT_ISA
