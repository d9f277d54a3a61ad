#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "pass.hpp"
#include "softmax.hpp"

namespace stoat::snn {
namespace {

/// A cost with its derivatives in some variables.
template <class T>
struct Gradient {
  Index at = 0;
  std::size_t count = 0;
  const Index* variable = nullptr;
  const T* slope = nullptr;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const Gradient*>(payload);
    const T a = adjoints[p.at];
    if (a == T(0)) return;
    for (std::size_t k = 0; k < p.count; ++k) adjoints[p.variable[k]] += a * p.slope[k];
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* tangents) {
    const auto& p = *static_cast<const Gradient*>(payload);
    for (int l = 0; l < Tape<T>::lanes; ++l) {
      T sum = 0;
      for (std::size_t k = 0; k < p.count; ++k) sum += p.slope[k] * tangents[p.variable[k]][l];
      tangents[p.at][l] = sum;
    }
  }
};

/// Collects a cost and its derivatives in the numbers of a signal.
template <class T>
class Costs {
 public:
  Costs(Pass<T>& pass, Index first) : pass_(pass), first_(pass.tape ? first : 0) {}
  bool wanted() const { return first_ != 0; }
  void add(std::ptrdiff_t number, T slope) {
    if (slope != T(0)) variable_.push_back(first_ + static_cast<Index>(number)), slope_.push_back(slope);
  }
  Cost<T> done(T value) {
    if (!wanted() || variable_.empty()) return {value, 0};
    auto& g = *new (pass_.template allocate<Gradient<T>>(1)) Gradient<T>();
    auto* const variable = pass_.template allocate<Index>(variable_.size());
    auto* const slope = pass_.template allocate<T>(slope_.size());
    std::copy(variable_.begin(), variable_.end(), variable);
    std::copy(slope_.begin(), slope_.end(), slope);
    g.count = variable_.size(), g.variable = variable, g.slope = slope;
    g.at = pass_.tape->block(1, &g, &Gradient<T>::reverse, &Gradient<T>::forward);
    return {value, g.at};
  }

 private:
  Pass<T>& pass_;
  Index first_;
  std::vector<Index> variable_;
  std::vector<T> slope_;
};

/// A sample of spikes as a raster, steps x units; or numbers in their place.
template <class T>
Eigen::MatrixX<T> raster(const Signal<T>& signal, int g) {
  Eigen::MatrixX<T> s = Eigen::MatrixX<T>::Zero(signal.steps, signal.units);
  Rows<T> rows(signal);
  for (int t = 0; t < signal.steps; ++t) {
    const Active<T> a = rows(g, t);
    for (std::size_t k = 0; k < a.units.size(); ++k) s(t, a.units[k]) = a.numbers ? a.numbers[k] : T(1);
  }
  return s;
}

template <class T>
Cost<T> cost(Pass<T>& pass, const MaxOverTimeCrossEntropy&, const Stage&, const Signal<T>& o, int g, const Dataset& data,
             std::size_t datum) {
  std::vector<T> top(static_cast<std::size_t>(o.stride)), when(top.size()), softmax;
  kernels::best<T>().peaks(o.numbers + o.row(g, 0), o.stride, std::min(1, o.steps - 1), o.steps, o.stride, top.data(), when.data());
  top.resize(static_cast<std::size_t>(o.units));
  const auto label = static_cast<std::size_t>(data.labels[datum]);
  const T value = log_sum_exp(top, softmax) - top[label];
  Costs<T> costs(pass, o.at);
  if (costs.wanted())
    for (std::size_t c = 0; c < top.size(); ++c)
      costs.add(o.row(g, static_cast<int>(when[c])) + static_cast<std::ptrdiff_t>(c), softmax[c] - (c == label ? T(1) : T(0)));
  return costs.done(value);
}

template <class T>
Cost<T> cost(Pass<T>& pass, const SumOfSoftmaxCrossEntropy&, const Stage&, const Signal<T>& o, int g, const Dataset& data,
             std::size_t datum) {
  const auto classes = static_cast<std::size_t>(o.units);
  std::vector<T> q(classes), x(classes), softmax;
  std::vector<T> all(static_cast<std::size_t>(o.steps) * classes);
  for (int t = 0; t < o.steps; ++t) {
    std::copy_n(o.numbers + o.row(g, t), o.units, x.begin());
    log_sum_exp(x, softmax);
    std::copy(softmax.begin(), softmax.end(), all.begin() + static_cast<std::ptrdiff_t>(classes) * t);
    for (std::size_t c = 0; c < classes; ++c) q[c] += softmax[c];
  }
  const auto label = static_cast<std::size_t>(data.labels[datum]);
  const T value = log_sum_exp(q, softmax) - q[label];
  Costs<T> costs(pass, o.at);
  if (costs.wanted()) {
    std::vector<T> dq = softmax;
    dq[label] -= T(1);
    for (int t = 0; t < o.steps; ++t) {
      const T* const s = all.data() + static_cast<std::ptrdiff_t>(classes) * t;
      T mean = 0;
      for (std::size_t c = 0; c < classes; ++c) mean += dq[c] * s[c];
      for (std::size_t c = 0; c < classes; ++c) costs.add(o.row(g, t) + static_cast<std::ptrdiff_t>(c), s[c] * (dq[c] - mean));
    }
  }
  return costs.done(value);
}

template <class T>
Cost<T> cost(Pass<T>& pass, const MeanOverTimeCrossEntropy&, const Stage&, const Signal<T>& o, int g, const Dataset& data,
             std::size_t datum) {
  std::vector<T> mean(static_cast<std::size_t>(o.units)), softmax;
  for (int t = 0; t < o.steps; ++t)
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += o.numbers[o.row(g, t) + static_cast<std::ptrdiff_t>(c)];
  for (T& m : mean) m /= static_cast<T>(o.steps);
  const auto label = static_cast<std::size_t>(data.labels[datum]);
  const T value = log_sum_exp(mean, softmax) - mean[label];
  Costs<T> costs(pass, o.at);
  softmax[label] -= T(1);
  for (int t = 0; t < o.steps && costs.wanted(); ++t)
    for (std::size_t c = 0; c < mean.size(); ++c)
      costs.add(o.row(g, t) + static_cast<std::ptrdiff_t>(c), softmax[c] / static_cast<T>(o.steps));
  return costs.done(value);
}

template <class T>
Cost<T> cost(Pass<T>& pass, const MeanOutput& loss, const Stage&, const Signal<T>& o, int g, const Dataset&, std::size_t) {
  Costs<T> costs(pass, o.at);
  Rows<T> rows(o);
  T sum = 0;
  for (int t = 0; t < o.steps; ++t) {
    const Active<T> a = rows(g, t);
    for (std::size_t k = 0; k < a.units.size(); ++k)
      if (a.units[k] == static_cast<Unit>(loss.output)) sum += a.numbers ? a.numbers[k] : T(1);
    if (costs.wanted()) costs.add(o.row(g, t) + loss.output, T(1) / static_cast<T>(o.steps));
  }
  return costs.done(sum / static_cast<T>(o.steps));
}

/// Mean over units of 1/2 |kernel * (Z - S)|^2, with the derivative in S.
template <class T>
Cost<T> distance(Pass<T>& pass, const Loss& loss, const Signal<T>& s, int g, const Dataset& data, std::size_t datum) {
  std::vector<T> kernel;
  for (const double x : distance_kernel(loss, s.steps)) kernel.push_back(static_cast<T>(x));
  const Eigen::MatrixX<T> filtered = filtered_error(kernel, s, g, data, datum);
  const T scale = T(1) / static_cast<T>(s.units);
  Costs<T> costs(pass, s.at);
  if (costs.wanted()) {
    Eigen::MatrixX<T> back = Eigen::MatrixX<T>::Zero(s.steps, s.units);
    for (int k = 0; k < std::min<int>(static_cast<int>(kernel.size()), s.steps); ++k)
      back.topRows(s.steps - k) += kernel[static_cast<std::size_t>(k)] * filtered.bottomRows(s.steps - k);
    for (int t = 0; t < s.steps; ++t)
      for (int i = 0; i < s.units; ++i) costs.add(s.row(g, t) + i, -scale * back(t, i));
  }
  return costs.done(scale * filtered.squaredNorm() / T(2));
}

template <class T>
Cost<T> cost(Pass<T>& pass, const VanRossum& loss, const Stage&, const Signal<T>& s, int g, const Dataset& data,
             std::size_t datum) {
  return distance(pass, loss, s, g, data, datum);
}

template <class T>
Cost<T> cost(Pass<T>& pass, const SpikeMse&, const Stage&, const Signal<T>& s, int g, const Dataset& data, std::size_t datum) {
  return distance(pass, SpikeMse{}, s, g, data, datum);
}

template <class T>
Cost<T> cost(Pass<T>& pass, const SpikeLogLikelihood&, const Stage& last, const Signal<T>& s, int g, const Dataset& data,
             std::size_t datum) {
  const SpikeFunction& f = last.lif()->escape;
  Costs<T> costs(pass, s.membrane);
  const double scale = 1.0 / s.units;
  double sum = 0;
  for (int t = 0; t < s.steps; ++t) {
    const std::span<const Unit> target = data.targets.at(datum, t);
    auto next = target.begin();
    for (int i = 0; i < s.units; ++i) {
      const bool spike = next != target.end() && *next == static_cast<Unit>(i);
      if (spike) ++next;
      const double z = static_cast<double>(s.distances[s.row(g, t) + i]);
      const LogProbability p = spike ? f.log_value(z) : f.log_complement(z);
      if (!(p.value > -std::numeric_limits<double>::infinity()))
        throw Error("SpikeLogLikelihood: unit " + std::to_string(i) + " at step " + std::to_string(t) + " of sample " +
                    std::to_string(datum) + (spike ? " cannot spike" : " must spike") + ": the log-likelihood is -infinity");
      sum -= p.value;
      if (costs.wanted()) costs.add(s.row(g, t) + i, static_cast<T>(-scale * p.slope));
    }
  }
  return costs.done(static_cast<T>(scale * sum));
}

template <class T>
T power(T x, int p) {
  return p == 1 ? x : x * x;
}

/// Spikes of each unit, over all steps.
template <class T>
std::vector<T> counts(const Signal<T>& s, int g) {
  std::vector<T> count(static_cast<std::size_t>(s.units));
  Rows<T> rows(s);
  for (int t = 0; t < s.steps; ++t) {
    const Active<T> a = rows(g, t);
    for (std::size_t k = 0; k < a.units.size(); ++k) count[a.units[k]] += a.numbers ? a.numbers[k] : T(1);
  }
  return count;
}

template <class T>
Cost<T> cost(Pass<T>& pass, const UpperBound& r, const Signal<T>& s, int g) {
  T mean = 0;
  if (s.bits) {
    std::int64_t total = 0;
    const std::uint64_t* const word = s.row_bits(g, 0);
    for (int k = 0; k < s.steps * kernels::words(s.units); ++k) total += std::popcount(word[k]);
    mean = static_cast<T>(total);
  } else {
    for (const T c : counts(s, g)) mean += c;
  }
  mean /= static_cast<T>(s.units);
  const T over = std::max(T(0), mean - static_cast<T>(r.threshold));
  Costs<T> costs(pass, s.at);
  if (costs.wanted() && over > 0) {
    const T slope = static_cast<T>(r.strength) * (r.power == 1 ? T(1) : 2 * over) / static_cast<T>(s.units);
    for (int t = 0; t < s.steps; ++t)
      for (int i = 0; i < s.units; ++i) costs.add(s.row(g, t) + i, slope);
  }
  return costs.done(static_cast<T>(r.strength) * power(over, r.power));
}

template <class T>
Cost<T> cost(Pass<T>& pass, const LowerBound& r, const Signal<T>& s, int g) {
  const std::vector<T> count = counts(s, g);
  const T scale = static_cast<T>(r.strength) / static_cast<T>(s.units);
  T sum = 0;
  Costs<T> costs(pass, s.at);
  for (int i = 0; i < s.units; ++i) {
    const T under = std::max(T(0), static_cast<T>(r.threshold) - count[static_cast<std::size_t>(i)]);
    sum += scale * power(under, r.power);
    if (costs.wanted() && under > 0)
      for (int t = 0; t < s.steps; ++t) costs.add(s.row(g, t) + i, -scale * (r.power == 1 ? T(1) : 2 * under));
  }
  return costs.done(sum);
}

}  // namespace

std::vector<double> distance_kernel(const Loss& loss, int steps) {
  const VanRossum* const r = std::get_if<VanRossum>(&loss);
  if (!r) return {1.0};
  std::vector<double> kernel(static_cast<std::size_t>(steps));
  for (std::size_t k = 0; k < kernel.size(); ++k) {
    const double t = static_cast<double>(k) * r->dt;
    kernel[k] = r->amplitude * (std::exp(-t / r->tau_decay) - std::exp(-t / r->tau_rise));
  }
  return kernel;
}
template <class T>
Eigen::MatrixX<T> filtered_error(const std::vector<T>& kernel, const Signal<T>& s, int g, const Dataset& data, std::size_t datum) {
  const Eigen::MatrixX<T> error = data.targets.raster(datum).template cast<T>() - raster(s, g);
  Eigen::MatrixX<T> filtered = Eigen::MatrixX<T>::Zero(s.steps, s.units);
  for (int k = 0; k < std::min<int>(static_cast<int>(kernel.size()), s.steps); ++k)
    filtered.bottomRows(s.steps - k) += kernel[static_cast<std::size_t>(k)] * error.topRows(s.steps - k);
  return filtered;
}

template <class T>
Cost<T> loss_of(Pass<T>& pass, const Loss& loss, const Stage& last, const Signal<T>& output, int g, const Dataset& data,
                std::size_t datum) {
  return std::visit([&](const auto& l) { return cost(pass, l, last, output, g, data, datum); }, loss);
}
template <class T>
Cost<T> regularizer_of(Pass<T>& pass, const Regularizer& regularizer, const Signal<T>& spikes, int g) {
  return std::visit([&](const auto& r) { return cost(pass, r, spikes, g); }, regularizer);
}

#define INSTANTIATE(T)                                                                                               \
  template Cost<T> loss_of(Pass<T>&, const Loss&, const Stage&, const Signal<T>&, int, const Dataset&, std::size_t); \
  template Cost<T> regularizer_of(Pass<T>&, const Regularizer&, const Signal<T>&, int);                              \
  template Eigen::MatrixX<T> filtered_error(const std::vector<T>&, const Signal<T>&, int, const Dataset&, std::size_t);
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace stoat::snn
