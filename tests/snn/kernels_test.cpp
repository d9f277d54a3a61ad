#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <stoat/random/philox.hpp>

#include "../../lib/snn/kernels/table.hpp"

using namespace stoat;
using namespace stoat::snn::kernels;

namespace {

/// The tables that this processor can run.
template <class T>
std::vector<const Kernels<T>*> tables() {
  constexpr bool single = sizeof(T) == 4;
  std::vector<const Kernels<T>*> list;
  const auto add = [&](const auto& floats, const auto& doubles) {
    if constexpr (single) list.push_back(&floats);
    else list.push_back(&doubles);
  };
  add(sse2::floats, sse2::doubles);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) add(avx2::floats, avx2::doubles);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) add(avx512::floats, avx512::doubles);
#endif
  return list;
}

template <class T>
std::vector<T> numbers(std::size_t n, std::uint64_t seed, double low = -1, double high = 1) {
  Generator g({seed, 0, Purpose::data});
  std::vector<T> x(n);
  for (T& value : x) value = static_cast<T>(low + (high - low) * g.uniform());
  return x;
}
template <class T>
constexpr double rounding() {
  return sizeof(T) == 4 ? 2e-5 : 1e-12;
}
bool bit(const std::vector<std::uint64_t>& bits, int row, int words, int i) {
  return bits[static_cast<std::size_t>(row * words + i / 64)] >> (i % 64) & 1;
}

template <class T>
void check_run(const Kernels<T>& k, int n, typename MembraneRun<T>::Spikes kind, bool reset_u, bool reset_i) {
  using Run = MembraneRun<T>;
  const int steps = 30, stride = padded(n), row_words = words(n);
  const auto size = static_cast<std::size_t>(stride), all = size * steps;
  const auto a_m = numbers<T>(size, 1, 0.8, 0.95), a_s = numbers<T>(size, 2, 0.7, 0.9), input = numbers<T>(all, 3, -4, 6);
  const auto threshold = numbers<T>(size, 4, 0.4, 1.2);
  std::vector<T> u(size), i(size), rows = input, unreset(all);
  std::vector<std::uint64_t> spikes(static_cast<std::size_t>(steps * row_words));
  const T beta = 5;
  const RowKey key{{7, 8}, {0, 1, 2}, 64};
  Run run{.kind = kind, .n = n, .stride = stride, .steps = steps, .words = row_words};
  run.a_m = a_m.data(), run.a_s = a_s.data(), run.threshold = threshold.data();
  run.u = u.data(), run.i = i.data(), run.input = run.membranes = rows.data(), run.unreset = unreset.data();
  run.spikes = spikes.data(), run.reset_u = reset_u, run.reset_i = reset_i, run.beta = beta, run.key = key;
  k.run_membranes(run);
  int count = 0, mistakes = 0;
  std::vector<T> p(size);
  std::vector<std::uint64_t> coins(static_cast<std::size_t>(row_words));
  std::vector<double> su(size), si(size);
  for (int t = 0; t < steps; ++t) {
    for (int j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(j);
      p[at] = static_cast<T>(1 / (1 + std::exp(-static_cast<double>(beta) * (su[at] - static_cast<double>(threshold[at])))));
    }
    RowKey here = key;
    here.block += static_cast<std::uint32_t>(t * ((n + 31) / 32 * 8));
    k.draw(here, p.data(), n, coins.data());
    for (int j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(j), where = static_cast<std::size_t>(t) * size + at;
      mistakes += !(std::abs(static_cast<double>(rows[where]) - su[at]) < rounding<T>() * (1 + std::abs(su[at])));
      const bool fired = bit(spikes, t, row_words, j);
      if (kind == Run::Spikes::threshold) mistakes += fired != (rows[where] > threshold[at]);
      else mistakes += fired != bit(coins, 0, row_words, j);
      count += fired;
      const double leak = static_cast<double>(a_m[at]) * su[at], drive = (1 - static_cast<double>(a_m[at])) * si[at];
      mistakes += !(std::abs(static_cast<double>(unreset[where]) - leak - drive) < rounding<T>() * (1 + std::abs(leak + drive)));
      su[at] = (fired && reset_u ? 0 : leak) + (fired && reset_i ? 0 : drive);
      si[at] = static_cast<double>(a_s[at]) * si[at] + static_cast<double>(input[where]);
    }
    for (int j = n; j < 64 * row_words; ++j) mistakes += bit(spikes, t, row_words, j);
  }
  CHECK(mistakes == 0);
  CHECK(count > n);
  CHECK(count < 25 * n);
}

template <class T>
void check_reverse(const Kernels<T>& k, int n, typename MembraneReverse<T>::Slope kind, typename MembraneReverse<T>::Reset reset,
                   bool drops) {
  using Reverse = MembraneReverse<T>;
  const int steps = 20, stride = padded(n), row_words = words(n);
  const auto size = static_cast<std::size_t>(stride), all = size * steps;
  const auto a_m = numbers<T>(size, 1, 0.8, 0.95), a_s = numbers<T>(size, 2, 0.7, 0.9), membranes = numbers<T>(all, 3, -1, 2);
  const auto threshold = numbers<T>(size, 4, 0.4, 1.2), unreset = numbers<T>(all, 5), slope = numbers<T>(all, 6, 0, 1),
             distance = numbers<T>(all, 7), spike = numbers<T>(all, 8);
  std::vector<std::uint64_t> drop_u(static_cast<std::size_t>(steps * row_words)), drop_i = drop_u;
  Generator g({9, 0, Purpose::data});
  for (std::uint64_t& w : drop_u) w = std::uint64_t{g()} << 32 | g();
  for (std::uint64_t& w : drop_i) w = std::uint64_t{g()} << 32 | g();
  std::vector<T> a_u(size), a_i(size), rows = spike;
  const T beta = 6, scale = static_cast<T>(0.7);
  Reverse r{.kind = kind, .reset = reset, .n = n, .stride = stride, .steps = steps, .words = row_words};
  r.a_m = a_m.data(), r.a_s = a_s.data(), r.threshold = threshold.data(), r.a_u = a_u.data(), r.a_i = a_i.data();
  r.membranes = membranes.data(), r.unreset = unreset.data(), r.slope = slope.data(), r.beta = beta, r.scale = scale;
  if (drops) r.drop_u = drop_u.data(), r.drop_i = drop_i.data();
  if (kind == Reverse::Slope::given) r.distance = distance.data();
  r.spike = r.input = rows.data();
  k.reverse_membranes(r);
  int mistakes = 0;
  for (int j = 0; j < n; ++j) {
    const auto at = static_cast<std::size_t>(j);
    const double am = static_cast<double>(a_m[at]), as = static_cast<double>(a_s[at]);
    double au = 0, ai = 0;
    for (int t = steps - 1; t >= 0; --t) {
      const auto where = static_cast<std::size_t>(t) * size + at;
      mistakes += !(std::abs(static_cast<double>(rows[where]) - ai) < rounding<T>() * (1 + std::abs(ai)));
      const double z = static_cast<double>(membranes[where] - threshold[at]), b = static_cast<double>(beta);
      const double s = 1 / (1 + std::exp(-b * z)), a = 1 + b * std::abs(z);
      const double d = kind == Reverse::Slope::one        ? 1
                       : kind == Reverse::Slope::given    ? static_cast<double>(slope[where])
                       : kind == Reverse::Slope::logistic ? static_cast<double>(scale) * b * s * (1 - s)
                                                          : 1 / (a * a);
      const double lost = reset == Reverse::Reset::none  ? 0
                          : reset == Reverse::Reset::all ? static_cast<double>(unreset[where])
                                                         : am * static_cast<double>(membranes[where]);
      double az = d * (static_cast<double>(spike[where]) - lost * au);
      if (kind == Reverse::Slope::given) az += static_cast<double>(distance[where]);
      const double u = drops && bit(drop_u, t, row_words, j) ? 0 : au, i = drops && bit(drop_i, t, row_words, j) ? 0 : au;
      ai = (1 - am) * i + as * ai;
      au = am * u + az;
    }
    mistakes += !(std::abs(static_cast<double>(a_u[at]) - au) < rounding<T>() * (1 + std::abs(au)));
  }
  CHECK(mistakes == 0);
}

template <class T>
void check_sums(const Kernels<T>& k, int n) {
  const int rows = 23, sources = 40;
  const auto w = numbers<T>(static_cast<std::size_t>(sources * n), 1);
  std::vector<std::uint32_t> units;
  std::vector<std::size_t> begin{0};
  Generator g({2, 0, Purpose::data});
  for (int r = 0; r < rows; ++r) {
    for (std::uint32_t u = 0; u < sources; ++u)
      if (r % 5 != 0 && g.uniform() < 0.2) units.push_back(u);
    begin.push_back(units.size());
  }
  for (const bool add : {false, true}) {
    const int ld = add ? n : padded(n);
    const auto start = numbers<T>(static_cast<std::size_t>(rows * ld) + 1, 3);
    std::vector<T> y = start;
    k.sum_rows(y.data(), ld, rows, w.data(), n, n, units.data(), begin.data(), add);
    CHECK(y.back() == start.back());
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < ld; ++j) {
        double expected = add ? static_cast<double>(start[static_cast<std::size_t>(r * ld + j)]) : 0;
        for (std::size_t q = begin[static_cast<std::size_t>(r)]; j < n && q < begin[static_cast<std::size_t>(r) + 1]; ++q)
          expected += static_cast<double>(w[units[q] * static_cast<std::size_t>(n) + static_cast<std::size_t>(j)]);
        CHECK(std::abs(static_cast<double>(y[static_cast<std::size_t>(r * ld + j)]) - expected) < rounding<T>());
      }
  }
}

template <class T>
void check_product(const Kernels<T>& k, int rows, int n, int cols) {
  const auto g = numbers<T>(static_cast<std::size_t>(rows * n), 1), w = numbers<T>(static_cast<std::size_t>(n * cols), 2);
  std::vector<T> out(static_cast<std::size_t>(rows * cols), T(1));
  k.multiply(out.data(), cols, g.data(), n, rows, n, w.data(), cols);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < cols; ++j) {
      const int first = j / panel * panel, width = std::min(panel, cols - first);
      double expected = 1;
      for (int i = 0; i < n; ++i)
        expected += static_cast<double>(g[static_cast<std::size_t>(r * n + i)]) *
                    static_cast<double>(w[static_cast<std::size_t>(first * n + i * width + j - first)]);
      CHECK(std::abs(static_cast<double>(out[static_cast<std::size_t>(r * cols + j)]) - expected) < 10 * rounding<T>());
    }
}

template <class T>
void check_peaks(const Kernels<T>& k) {
  const int rows = 50, n = 32;
  auto x = numbers<T>(rows * n, 4);
  for (int r = 10; r < 13; ++r) x[static_cast<std::size_t>(r * n + 5)] = 2;  // a tie: the first counts
  std::vector<T> top(n), when(n);
  k.peaks(x.data(), n, 3, rows, n, top.data(), when.data());
  for (int j = 0; j < n; ++j) {
    int best = 3;
    for (int r = 4; r < rows; ++r)
      if (x[static_cast<std::size_t>(r * n + j)] > x[static_cast<std::size_t>(best * n + j)]) best = r;
    CHECK(static_cast<int>(when[static_cast<std::size_t>(j)]) == best);
    CHECK(top[static_cast<std::size_t>(j)] == x[static_cast<std::size_t>(best * n + j)]);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("inner loops of every instruction set are what their formulas say", T, float, double) {
  using Run = MembraneRun<T>;
  using Reverse = MembraneReverse<T>;
  for (const Kernels<T>* k : tables<T>()) {
    for (const int n : {1, 16, 20, 48, 100, 128}) {
      for (const auto kind : {Run::Spikes::threshold, Run::Spikes::coins})
        for (const int resets : {0, 1, 2}) check_run(*k, n, kind, resets > 0, resets > 1);
      for (const auto kind : {Reverse::Slope::one, Reverse::Slope::given, Reverse::Slope::super_spike, Reverse::Slope::logistic})
        for (const auto reset : {Reverse::Reset::none, Reverse::Reset::all, Reverse::Reset::leak})
          for (const bool drops : {false, true}) check_reverse(*k, n, kind, reset, drops);
    }
    for (const int n : {1, 7, 16, 20, 37, 128}) check_sums(*k, n);
    check_product(*k, 12, 20, 48), check_product(*k, 1, 5, 16), check_product(*k, 31, 33, 160);
    check_peaks(*k);
  }
}
