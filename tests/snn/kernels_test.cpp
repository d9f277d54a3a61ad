#include <doctest/doctest.h>

#include <algorithm>
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

/// A layer whose neurons spike where u > theta, one row of which is added to their currents in some step, and one spike turned
/// over.
struct Plain {
  int n, steps;
  bool reset_u, reset_i;
  std::vector<double> a_m, a_s, input, theta, u, lost;
  std::vector<char> spikes;
  std::vector<char> run(int forced_step, int forced, const std::vector<double>& impulse, int impulse_step) {
    std::vector<char> s(static_cast<std::size_t>(n * steps));
    u.assign(s.size(), 0), lost = u;
    for (int j = 0; j < n; ++j) {
      const auto unit = static_cast<std::size_t>(j);
      double v = 0, i = 0;
      for (int t = 0; t < steps; ++t) {
        const auto at = static_cast<std::size_t>(t * n + j);
        s[at] = (v > theta[at]) != (t == forced_step && j == forced);
        const double leak = a_m[unit] * v, drive = (1 - a_m[unit]) * i;
        u[at] = v, lost[at] = reset_i ? leak + drive : v;
        v = (s[at] && reset_u ? 0 : leak) + (s[at] && reset_i ? 0 : drive);
        i = a_s[unit] * i + input[at] + (t == impulse_step ? impulse[unit] : 0);
      }
    }
    return s;
  }
};

template <class T>
void check_changes(const Kernels<T>& k, int n, bool reset_u, bool reset_i) {
  const int steps = 40, stride = padded(n), row_words = words(n);
  const auto units = static_cast<std::size_t>(n), all = units * steps, size = static_cast<std::size_t>(stride);
  Plain plain{n,
              steps,
              reset_u,
              reset_i,
              numbers<double>(units, 1, 0.8, 0.95),
              numbers<double>(units, 2, 0.7, 0.9),
              numbers<double>(all, 3, -3, 5),
              numbers<double>(all, 4, 0.3, 4),
              {},
              {},
              {}};
  const std::vector<double> nothing(units), row = numbers<double>(units, 5, -2, 2);
  plain.spikes = plain.run(-1, 0, nothing, -1);
  const auto rows = [&](const std::vector<double>& x, double rest) {
    std::vector<T> y(size * steps, static_cast<T>(rest));
    for (std::size_t t = 0; t < steps; ++t)
      for (std::size_t j = 0; j < units; ++j) y[t * size + j] = static_cast<T>(x[t * units + j]);
    return y;
  };
  std::vector<double> margins(all);
  for (std::size_t i = 0; i < all; ++i) margins[i] = plain.theta[i] - plain.u[i];
  const std::vector<T> margin = rows(margins, 1e30), lost = rows(plain.lost, 0), none(size * steps);
  std::vector<T> a_m(size), a_s(size), u(size), i(size), impulse(row.begin(), row.end());
  std::copy(plain.a_m.begin(), plain.a_m.end(), a_m.begin()), std::copy(plain.a_s.begin(), plain.a_s.end(), a_s.begin());
  std::vector<std::uint64_t> spikes(static_cast<std::size_t>(steps * row_words)), flips = spikes;
  for (int t = 0; t < steps; ++t)
    for (int j = 0; j < n; ++j)
      spikes[static_cast<std::size_t>(t * row_words + j / 64)] |=
          static_cast<std::uint64_t>(plain.spikes[static_cast<std::size_t>(t * n + j)]) << (j % 64);
  MembraneChange<T> m{.n = n, .stride = stride, .words = row_words, .end = stride, .last = steps};
  m.a_m = a_m.data(), m.a_s = a_s.data(), m.weight = none.data(), m.margin = margin.data(), m.lost = lost.data(),
  m.spikes = spikes.data();
  m.reset_u = reset_u, m.reset_i = reset_i, m.u = u.data(), m.i = i.data(), m.flips = flips.data();
  const auto compare = [&](const std::vector<char>& expected) {
    int mistakes = 0, changed = 0;
    for (int t = 0; t < steps; ++t)
      for (int j = 0; j < 64 * row_words; ++j) {
        const bool want =
            j < n && expected[static_cast<std::size_t>(t * n + j)] != plain.spikes[static_cast<std::size_t>(t * n + j)];
        mistakes += bit(flips, t, row_words, j) != want, changed += want;
      }
    CHECK(mistakes == 0);
    std::fill(flips.begin(), flips.end(), 0), std::fill(u.begin(), u.end(), T(0)), std::fill(i.begin(), i.end(), T(0));
    return changed;
  };
  const Impulse<T> one{3, T(-1), impulse.data()};
  MembraneChange<T> pushed = m;
  pushed.first = 3, pushed.impulses = &one, pushed.count = 1;
  k.change_membranes(pushed);
  std::vector<double> minus(units);
  for (std::size_t j = 0; j < units; ++j) minus[j] = -row[j];
  CHECK(compare(plain.run(-1, 0, minus, 3)) >= n / 5);
  MembraneChange<T> turned = m;
  turned.first = 5, turned.forced = n - 1;
  k.change_membranes(turned);
  CHECK(turned.live > 5);
  compare(plain.run(5, n - 1, nothing, -1));

  if (n > 20) return;
  std::vector<T> sums(size * steps), weights = numbers<T>(steps, 6);
  m.radius = none.data();
  k.change_each({m, weights.data(), sums.data()});
  for (int t = 0; t < steps; ++t)
    for (int j = 0; j < n; ++j) {
      const std::vector<char> s = plain.run(t, j, nothing, -1);
      double expected = 0;
      for (int r = 0; r < steps; ++r) {
        const auto at = static_cast<std::size_t>(r * n + j);
        expected += (s[at] - plain.spikes[at]) * static_cast<double>(weights[static_cast<std::size_t>(r)]);
      }
      CHECK(std::abs(static_cast<double>(sums[static_cast<std::size_t>(t * stride + j)]) - expected) < rounding<T>());
    }
}

template <class T>
void check_margins(const Kernels<T>& k, int n) {
  const auto size = static_cast<std::size_t>(padded(n));
  const auto limit = numbers<T>(size, 1), z = numbers<T>(size, 2), before = numbers<T>(size, 3, 0, 2);
  // Some spikes that rounding would deny, or that it would make.
  std::vector<std::uint64_t> spikes(static_cast<std::size_t>(words(n)));
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    spikes[i / 64] |= std::uint64_t{(limit[i] < z[i]) != (i % 7 == 0)} << (i % 64);
  std::vector<T> margin(size), least = before;
  k.keep_margins(limit.data(), z.data(), spikes.data(), n, margin.data(), least.data());
  for (std::size_t i = 0; i < size; ++i) {
    const bool padding = i >= static_cast<std::size_t>(n);
    CHECK((margin[i] < 0) == (!padding && bit(spikes, 0, 0, static_cast<int>(i))));
    if (padding) CHECK((margin[i] > T(1e30) && least[i] > T(1e30)));
    else CHECK(least[i] == std::min(before[i], std::abs(margin[i])));
    if (!padding && i % 7 != 0) CHECK(margin[i] == limit[i] - z[i]);
    if (!padding && i % 7 == 0) CHECK(std::abs(margin[i]) < T(1e-30));
  }
  const auto u = numbers<double>(size, 4, 0, 1);
  k.odds(u.data(), margin.data(), n);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    CHECK(std::abs(static_cast<double>(margin[i]) * (1 - u[i]) / u[i] - 1) < rounding<T>());
}

template <class T>
void check_readout_change(const Kernels<T>& k, int n) {
  const int steps = 30, stride = padded(n);
  const auto size = static_cast<std::size_t>(stride);
  const auto a_m = numbers<T>(size, 1, 0.8, 0.99), a_s = numbers<T>(size, 2, 0.5, 0.9), outputs = numbers<T>(size * steps, 3);
  const auto row = numbers<T>(static_cast<std::size_t>(n), 4), start = numbers<T>(size, 5, 0, 1);
  std::vector<T> top = start, sum(size), rows(size * steps);
  const std::vector<Impulse<T>> impulses{{4, T(1), row.data()}, {9, T(-1), row.data()}, {9, T(3), row.data()}};
  k.change_readout(
      {n, stride, 5, steps, a_m.data(), a_s.data(), outputs.data(), impulses.data(), 3, top.data(), sum.data(), rows.data()});
  for (int j = 0; j < n; ++j) {
    const auto unit = static_cast<std::size_t>(j);
    double o = 0, q = static_cast<double>(row[unit]), total = 0, best = static_cast<double>(start[unit]);
    for (int t = 5; t < steps; ++t) {
      const auto at = static_cast<std::size_t>(t * stride + j);
      const double now = static_cast<double>(outputs[at]) + o;
      CHECK(std::abs(static_cast<double>(rows[at]) - now) < rounding<T>());
      best = std::max(best, now), total += o;
      o = static_cast<double>(a_m[unit]) * o + (1 - static_cast<double>(a_m[unit])) * q;
      q = static_cast<double>(a_s[unit]) * q + (t == 9 ? 2 * static_cast<double>(row[unit]) : 0);
    }
    CHECK(std::abs(static_cast<double>(top[unit]) - best) < rounding<T>());
    CHECK(std::abs(static_cast<double>(sum[unit]) - total) < 10 * rounding<T>());
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
    for (const int n : {1, 16, 20, 100})
      for (const int resets : {0, 1, 2}) check_changes(*k, n, resets > 0, resets > 1);
    for (const int n : {3, 16, 20, 33}) check_readout_change(*k, n);
    for (const int n : {3, 16, 20, 100}) check_margins(*k, n);
  }
}
