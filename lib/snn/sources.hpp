// Where the coins of a network come from: a sampler, so that they are sample sites of a program; or keys alone.
#pragma once

#include <cstring>
#include <limits>

#include <stoat/program/sampler.hpp>

#include "pass.hpp"

namespace stoat::snn {

/// The coin of a neuron in a step: the numbers that its law and its edges need, computed for a row at a time.
struct SpikeCoin {
  double p, q;       ///< probability of a spike, and of none
  double slope;      ///< d p / d z
  double surrogate;  ///< what back-propagation uses for it

  static constexpr std::string_view name = "Spike";
  static constexpr int parameters = 1;
  std::string problem() const { return valid() ? std::string() : outside("probability", p, "[0, 1]"); }
  bool valid() const { return p >= 0 && p <= 1; }
  Support support() const { return {0, 1}; }
  double pmf(std::int64_t k) const { return k == 1 ? p : k == 0 ? q : 0.0; }
  double cdf(std::int64_t k) const { return k < 0 ? 0.0 : k == 0 ? q : 1.0; }
  double survival(std::int64_t k) const { return k < 0 ? 1.0 : k == 0 ? p : 0.0; }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { out[0] = k == 0 ? -slope : 0.0; }
  std::int64_t quantile(double u) const { return u < p; }
  /// A slope of 0 stands for "does not move", whatever the probability.
  void score(std::int64_t k, std::span<double> out) const { out[0] = ratio(k == 1 ? slope : -slope, k == 1 ? p : q); }
  void up_rate(std::int64_t, std::span<double> out) const { out[0] = ratio(slope, q); }
  void down_rate(std::int64_t, std::span<double> out) const { out[0] = -ratio(slope, p); }
  double mixture() const { return q; }
  bool boundary() const { return slope != 0 && (p == 0 || q == 0); }
  template <class Visit>
  void alternatives(std::int64_t k, const Visit& visit) const {
    if (slope == 0) return;
    const double weight = k == 0 ? slope : -slope;
    visit(1 - k, 0, std::span<const double>(&weight, 1));
  }
  double mean() const { return p; }
  void mean_derivative(std::span<double> out) const { out[0] = surrogate; }

 private:
  static double ratio(double a, double b) { return a == 0 ? 0 : a / b; }
};

/// Reused from run to run. Plain runs do without slopes.
struct CoinRow {
  std::vector<SpikeCoin> coins;
  std::vector<std::int64_t> outcomes;
  std::vector<double> z, f, slope, surrogate, u;
  template <class T>
  void fill(const Lif& lif, const T* distance, int units, bool slopes);
  void bits(std::uint64_t* out) const;
};

/// A plain run of a program.
template <class T>
class PlainCoins final : public SpikeSource<T> {
 public:
  explicit PlainCoins(Sampler<T>& draw) : draw_(draw) {}
  Edges<T>* begin(int, std::size_t) override {
    first_site_ = draw_.sites();
    return nullptr;
  }
  void decide(const Lif& lif, int, int, const T* z, T*, int units, std::uint64_t* bits, Index, Index) override {
    row_.fill(lif, z, units, false);
    row_.u.resize(row_.coins.size());
    draw_.inside(std::span<const SpikeCoin>(row_.coins), std::span(row_.outcomes), draw_.replay_log() ? row_.u.data() : nullptr);
    row_.bits(bits);
  }
  void uniforms(int, int, int, T*) override {}
  void limits(const Lif& lif, int units, T* z) override { lif.escape.thresholds(row_.u.data(), z, units); }
  std::size_t first_site() const override { return first_site_; }

 private:
  Sampler<T>& draw_;
  std::size_t first_site_ = 0;
  CoinRow row_;
};

/// A recorded run of a program.
template <class T>
class RecordedCoins final : public SpikeSource<T> {
 public:
  explicit RecordedCoins(Sampler<Var<T>>& draw) : draw_(draw) {}
  Coins coins() const override { return draw_.mode() == Outcomes::means ? Coins::means : Coins::outcomes; }
  Edges<T>* begin(int, std::size_t sites) override { return edges_ = &draw_.inside_edges(sites); }
  void decide(const Lif& lif, int, int, const T* z, T*, int units, std::uint64_t* bits, Index membrane, Index spike) override {
    row_.fill(lif, z, units, true);
    first_ = draw_.sites();
    draw_.inside(std::span<const SpikeCoin>(row_.coins), std::span(row_.outcomes), *edges_, membrane, spike);
    row_.bits(bits);
  }
  void uniforms(int, int, int units, T* u) override {
    row_.u.resize(static_cast<std::size_t>(units));
    draw_.uniforms_of(first_, row_.u);
    for (int i = 0; i < units; ++i) u[i] = static_cast<T>(row_.u[static_cast<std::size_t>(i)]);
  }
  void means(int units, Index mean) override { draw_.template inside_means<SpikeCoin>(static_cast<std::size_t>(units), mean); }

 private:
  Sampler<Var<T>>& draw_;
  Edges<T>* edges_ = nullptr;
  std::size_t first_ = 0;
  CoinRow row_;
};

/// Keys alone, for many samples at once: nothing is logged. Uniform numbers of 24 bits, a run for each sample, a stream for each
/// layer.
template <class T>
class KeyedCoins final : public SpikeSource<T> {
 public:
  /// The key of the first sample; the next ones have the next runs.
  explicit KeyedCoins(const RunKey& first) : first_(first) {}
  Edges<T>* begin(int layer, std::size_t) override {
    layer_ = layer;
    return nullptr;
  }
  void decide(const Lif& lif, int sample, int step, const T* z, T* f, int units, std::uint64_t* bits, Index, Index) override {
    lif.escape.values(z, f, kernels::padded(units));
    kernels::best<T>().draw(row_key(sample, step, units), f, units, bits);
  }
  std::optional<kernels::RowKey> key(int sample, int step, int units) const override { return row_key(sample, step, units); }
  void uniforms(int sample, int step, int units, T* u) override {
    kernels::best<T>().uniforms(row_key(sample, step, units), u, units);
  }

 private:
  kernels::RowKey row_key(int sample, int step, int units) const {
    const std::uint64_t run = first_.run + static_cast<std::uint64_t>(sample);
    const auto blocks = static_cast<std::uint32_t>((units + 31) / 32 * 8);
    return {{static_cast<std::uint32_t>(first_.seed), static_cast<std::uint32_t>(first_.seed >> 32)},
            {0, static_cast<std::uint32_t>(layer_ + 1) | static_cast<std::uint32_t>(run << 16),
             static_cast<std::uint32_t>(run >> 16 & 0xffffff) | static_cast<std::uint32_t>(first_.purpose) << 24},
            static_cast<std::uint32_t>(step) * blocks};
  }
  RunKey first_;
  int layer_ = 0;
};

}  // namespace stoat::snn
