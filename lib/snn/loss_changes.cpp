// How losses and regularisers change with spikes of the layer that they are about (stoat/program/changes.hpp).
#include <algorithm>
#include <cmath>

#include <stoat/tape/vector_math.hpp>

#include "lif_changes.hpp"
#include "softmax.hpp"

namespace stoat::snn {
namespace {

template <class Record, class T, class... Arguments>
void add_record(Pass<T>& pass, std::size_t operation, Arguments&&... arguments) {
  auto& record = *new (pass.template allocate<Record>(1)) Record(pass, std::forward<Arguments>(arguments)...);
  pass.log->add(record, operation);
}

template <class T>
T* copied(Pass<T>& pass, const std::vector<T>& x) {
  T* const copy = pass.template allocate<T>(x.size());
  std::copy(x.begin(), x.end(), copy);
  return copy;
}

/// Where the largest spikes of a layer are told all at once: what the records need to know of it.
template <class T>
const LifChanges<T>& neurons(Replayable& operation) {
  return static_cast<const LifChanges<T>&>(operation);
}

// ---- of a readout -----------------------------------------------------------------------------------------------------

/// What a leaky readout shows is linear in the spikes before it.
template <class T>
class ReadoutRecord : public CostRecord<T> {
 public:
  explicit ReadoutRecord(Pass<T>& pass, const Signal<T>& out)
      : out_(out),
        top_(pass.template allocate<T>(static_cast<std::size_t>(out.stride))),
        sum_(pass.template allocate<T>(static_cast<std::size_t>(out.stride))) {}

 protected:
  /// Goes through the changed outputs: top is raised to the largest of each, sum becomes the sum of their changes over time.
  /// Returns the first step that was looked at; before it nothing changes.
  int follow(std::span<const Change> changes, T* rows = nullptr) {
    static thread_local Impulses<T> impulses;
    const LeakyOutputs<T>& r = *out_.readout;
    const auto list = impulses(*r.input, r.w, changes);
    const int first = list.front().step + 1;
    kernels::best<T>().change_readout({out_.units, out_.stride, first, out_.steps, r.r, r.a_s, out_.numbers, list.data(),
                                       static_cast<int>(list.size()), top_, sum_, rows});
    return first;
  }
  /// For a spike more in each step, the sum over time of what a weight of 1 adds to an output c, over the number of steps.
  void mean_responses(std::size_t c, std::vector<T>& by_step) const {
    const LeakyOutputs<T>& r = *out_.readout;
    by_step.assign(static_cast<std::size_t>(out_.steps), T(0));
    // Backwards: the adjoints of a membrane and a current that are summed over time.
    T u = 0, i = 0;
    for (int t = out_.steps - 1; t >= 0; --t) {
      by_step[static_cast<std::size_t>(t)] = i / static_cast<T>(out_.steps);
      i = (T(1) - r.r[c]) * u + r.a_s[c] * i;
      u = r.r[c] * u + T(1);
    }
  }

  Signal<T> out_;
  T *top_, *sum_;
};

template <class T>
class MaxRecord final : public ReadoutRecord<T> {
 public:
  MaxRecord(Pass<T>& pass, const Signal<T>& out, std::size_t label, T value)
      : ReadoutRecord<T>(pass, out), label_(label), value_(value) {
    const int spans = kernels::spans(out.steps);
    const std::ptrdiff_t size = out.stride;
    before_ = pass.template allocate<T>(static_cast<std::size_t>(spans * size));
    std::fill_n(before_, size, std::numeric_limits<T>::lowest());
    for (int b = 1; b < spans; ++b) {
      std::copy_n(before_ + (b - 1) * size, size, before_ + b * size);
      raise((b - 1) * kernels::span, b * kernels::span, before_ + b * size);
    }
  }
  T change(std::span<const Change> changes) override {
    const int first = static_cast<int>(changes.front().entry / static_cast<std::uint32_t>(this->out_.readout->input->inputs())) + 1;
    if (first >= this->out_.steps) return 0;
    const int span = first / kernels::span;
    std::copy_n(before_ + static_cast<std::ptrdiff_t>(span) * this->out_.stride, this->out_.stride, this->top_);
    raise(span * kernels::span, first, this->top_);
    this->follow(changes);
    static thread_local std::vector<T> top, softmax;
    top.assign(this->top_, this->top_ + this->out_.units);
    return log_sum_exp(top, softmax) - top[label_] - value_;
  }

 private:
  /// To the largest outputs of these steps, but the first step of all.
  void raise(int begin, int end, T* top) const {
    for (int t = std::max(begin, std::min(1, this->out_.steps - 1)); t < end; ++t) {
      const T* const row = this->out_.numbers + this->out_.row(0, t);
      for (int c = 0; c < this->out_.stride; ++c) top[c] = std::max(top[c], row[c]);
    }
  }
  std::size_t label_;
  T value_;
  T* before_;  // largest outputs before each span of steps
};

template <class T>
class SumOfSoftmaxRecord final : public ReadoutRecord<T> {
 public:
  SumOfSoftmaxRecord(Pass<T>& pass, const Signal<T>& out, std::size_t label, T value)
      : ReadoutRecord<T>(pass, out), label_(label), value_(value) {
    const int spans = kernels::spans(out.steps);
    before_ = pass.template allocate<T>(static_cast<std::size_t>(spans * out.units));
    rows_ = pass.template allocate<T>(out.size());
    std::vector<T> q(static_cast<std::size_t>(out.units));
    for (int b = 0; b < spans; ++b) {
      std::copy(q.begin(), q.end(), before_ + static_cast<std::ptrdiff_t>(b) * out.units);
      add(out.numbers, b * kernels::span, std::min(out.steps, (b + 1) * kernels::span), q);
    }
  }
  T change(std::span<const Change> changes) override {
    const int first = static_cast<int>(changes.front().entry / static_cast<std::uint32_t>(this->out_.readout->input->inputs())) + 1;
    if (first >= this->out_.steps) return 0;
    this->follow(changes, rows_);
    const int span = first / kernels::span;
    const T* const start = before_ + static_cast<std::ptrdiff_t>(span) * this->out_.units;
    std::vector<T> q(start, start + this->out_.units), softmax;
    add(this->out_.numbers, span * kernels::span, first, q);
    add(rows_, first, this->out_.steps, q);
    return log_sum_exp(q, softmax) - q[label_] - value_;
  }

 private:
  void add(const T* rows, int begin, int end, std::vector<T>& q) const {
    std::vector<T> x(q.size()), softmax;
    for (int t = begin; t < end; ++t) {
      std::copy_n(rows + this->out_.row(0, t), x.size(), x.begin());
      log_sum_exp(x, softmax);
      for (std::size_t c = 0; c < q.size(); ++c) q[c] += softmax[c];
    }
  }
  std::size_t label_;
  T value_;
  T *before_, *rows_;  // sums before each span of steps; changed outputs
};

template <class T>
class MeanOutputRecord final : public ReadoutRecord<T> {
 public:
  MeanOutputRecord(Pass<T>& pass, const Signal<T>& out, int output) : ReadoutRecord<T>(pass, out), output_(output) {}
  T change(std::span<const Change> changes) override {
    this->follow(changes);
    return this->sum_[output_] / static_cast<T>(this->out_.steps);
  }
  bool at_once() const override { return true; }
  void each(Replayable& operation, std::span<T> out) override {
    const LifChanges<T>& layer = neurons<T>(operation);
    std::vector<T> by_step, sums(static_cast<std::size_t>(layer.steps() * layer.stride()));
    this->mean_responses(static_cast<std::size_t>(output_), by_step);
    layer.each(by_step.data(), sums.data());
    const LeakyOutputs<T>& r = *this->out_.readout;
    for (int unit = 0; unit < layer.units(); ++unit) {
      T w = 0;
      for (const Connection::Tap& tap : r.input->taps(static_cast<std::size_t>(unit)))
        if (const int k = output_ - static_cast<int>(tap.output); k >= 0 && k < r.input->width())
          w += r.w[static_cast<int>(tap.weight) + k];
      for (int t = 0; t < layer.steps(); ++t)
        out[static_cast<std::size_t>(t * layer.units() + unit)] += w * sums[static_cast<std::size_t>(t * layer.stride() + unit)];
    }
  }

 private:
  int output_;
};

template <class T>
class MeanSoftmaxRecord final : public ReadoutRecord<T> {
 public:
  /// z: the means of the outputs.
  MeanSoftmaxRecord(Pass<T>& pass, const Signal<T>& out, std::size_t label, T value)
      : ReadoutRecord<T>(pass, out), label_(label), value_(value) {
    z_ = pass.template allocate<T>(static_cast<std::size_t>(out.units));
    std::fill_n(z_, out.units, T(0));
    for (int t = 0; t < out.steps; ++t)
      for (int c = 0; c < out.units; ++c) z_[c] += out.numbers[out.row(0, t) + c];
    for (int c = 0; c < out.units; ++c) z_[c] /= static_cast<T>(out.steps);
  }
  T change(std::span<const Change> changes) override {
    this->follow(changes);
    static thread_local std::vector<T> z, softmax;
    z.assign(z_, z_ + this->out_.units);
    for (std::size_t c = 0; c < z.size(); ++c) z[c] += this->sum_[c] / static_cast<T>(this->out_.steps);
    return log_sum_exp(z, softmax) - z[label_] - value_;
  }
  bool at_once() const override { return true; }
  void each(Replayable& operation, std::span<T> out) override {
    const LifChanges<T>& layer = neurons<T>(operation);
    const int classes = this->out_.units, units = layer.units();
    std::vector<T> by_step, sums(static_cast<std::size_t>(layer.steps() * layer.stride()));
    this->mean_responses(0, by_step);  // the decays of all outputs are the same
    layer.each(by_step.data(), sums.data());
    // Class by class, the neurons of a step together.
    std::vector<T> w(static_cast<std::size_t>(classes * units), T(0)), e(w.size()), sum(static_cast<std::size_t>(units));
    const LeakyOutputs<T>& r = *this->out_.readout;
    for (int unit = 0; unit < units; ++unit)
      for (const Connection::Tap& tap : r.input->taps(static_cast<std::size_t>(unit)))
        for (int k = 0; k < r.input->width(); ++k)
          w[static_cast<std::size_t>((static_cast<int>(tap.output) + k) * units + unit)] += r.w[static_cast<int>(tap.weight) + k];
    // log sum of e^(z + d) - log sum of e^z - d[label] with all but d in the softmax of z: no cancellation of what is large.
    const std::vector<T> z(z_, z_ + classes);
    std::vector<T> softmax;
    log_sum_exp(z, softmax);
    for (int t = 0; t < layer.steps(); ++t) {
      const T* const by = sums.data() + static_cast<std::ptrdiff_t>(t) * layer.stride();
      for (int c = 0; c < classes; ++c)
        for (int i = 0; i < units; ++i) {
          const auto k = static_cast<std::size_t>(c * units + i);
          e[k] = by[i] * w[k];
        }
      vector_math::expm1(e.data(), e.data(), e.size());
      std::fill(sum.begin(), sum.end(), T(0));
      for (int c = 0; c < classes; ++c)
        for (int i = 0; i < units; ++i)
          sum[static_cast<std::size_t>(i)] += softmax[static_cast<std::size_t>(c)] * e[static_cast<std::size_t>(c * units + i)];
      vector_math::log1p(sum.data(), sum.data(), sum.size());
      const T* const own = w.data() + static_cast<std::ptrdiff_t>(label_) * units;
      for (int i = 0; i < units; ++i)
        out[static_cast<std::size_t>(t * units + i)] += sum[static_cast<std::size_t>(i)] - by[i] * own[i];
    }
  }

 private:
  std::size_t label_;
  T value_;
  T* z_;
};

// ---- of spikes ----------------------------------------------------------------------------------------------------------

template <class T>
class SpikeCountRecord final : public CostRecord<T> {
 public:
  SpikeCountRecord(Pass<T>&, const Signal<T>& s, int output)
      : units_(s.units), output_(output), scale_(T(1) / static_cast<T>(s.steps)) {}
  T change(std::span<const Change> changes) override {
    std::int32_t count = 0;
    for (const Change& c : changes)
      if (c.entry % static_cast<std::uint32_t>(units_) == static_cast<std::uint32_t>(output_)) count += c.by;
    return scale_ * static_cast<T>(count);
  }

 private:
  int units_, output_;
  T scale_;
};

/// Mean over units of 1/2 |kernel * (Z - S)|^2.
template <class T>
class DistanceRecord final : public CostRecord<T> {
 public:
  /// `filtered`: kernel * (Z - S), a column for each unit.
  DistanceRecord(Pass<T>& pass, const Signal<T>& s, const std::vector<T>& kernel, const Eigen::MatrixX<T>& filtered)
      : units_(static_cast<std::uint32_t>(s.units)),
        steps_(s.steps),
        length_(static_cast<int>(kernel.size())),
        kernel_(copied(pass, kernel)) {
    T* const columns = pass.template allocate<T>(static_cast<std::size_t>(filtered.size()));
    std::copy_n(filtered.data(), filtered.size(), columns);
    filtered_ = columns;
  }
  T change(std::span<const Change> changes) override {
    static thread_local std::vector<Change> sorted;
    static thread_local std::vector<T> d;
    sorted.assign(changes.begin(), changes.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](const Change& a, const Change& b) { return a.entry % units_ < b.entry % units_; });
    T sum = 0;
    for (auto next = sorted.begin(); next != sorted.end();) {
      const std::uint32_t unit = next->entry % units_;
      const int first = static_cast<int>(next->entry / units_);
      d.assign(static_cast<std::size_t>(steps_ - first), T(0));
      for (; next != sorted.end() && next->entry % units_ == unit; ++next) {
        const int t = static_cast<int>(next->entry / units_);
        for (int k = 0; k < std::min(length_, steps_ - t); ++k)
          d[static_cast<std::size_t>(t - first + k)] -= static_cast<T>(next->by) * kernel_[k];
      }
      const T* const before = filtered_ + static_cast<std::ptrdiff_t>(unit) * steps_ + first;
      for (std::size_t t = 0; t < d.size(); ++t) sum += d[t] * (before[t] + d[t] / 2);
    }
    return sum / static_cast<T>(units_);
  }

 private:
  std::uint32_t units_;
  int steps_, length_;
  const T* kernel_;
  const T* filtered_;
};

// ---- of activity ----------------------------------------------------------------------------------------------------------

template <class T>
T power(T x, int p) {
  return p == 1 ? x : x * x;
}

template <class T>
class UpperBoundRecord final : public CostRecord<T> {
 public:
  UpperBoundRecord(Pass<T>&, const UpperBound& r, int units, std::int64_t spikes) : r_(r), units_(units), spikes_(spikes) {}
  T change(std::span<const Change> changes) override {
    std::int64_t spikes = spikes_;
    for (const Change& c : changes) spikes += c.by;
    return cost(spikes) - cost(spikes_);
  }

 private:
  T cost(std::int64_t spikes) const {
    const T mean = static_cast<T>(spikes) / static_cast<T>(units_);
    return static_cast<T>(r_.strength) * power(std::max(T(0), mean - static_cast<T>(r_.threshold)), r_.power);
  }
  UpperBound r_;
  int units_;
  std::int64_t spikes_;
};

template <class T>
class LowerBoundRecord final : public CostRecord<T> {
 public:
  LowerBoundRecord(Pass<T>& pass, const LowerBound& r, const std::vector<T>& counts)
      : r_(r), units_(static_cast<std::uint32_t>(counts.size())), counts_(copied(pass, counts)) {}
  T change(std::span<const Change> changes) override {
    T sum = 0;
    for (const Change& c : changes) {
      T& count = counts_[c.entry % units_];
      sum -= cost(count);
      count += static_cast<T>(c.by);
      sum += cost(count);
    }
    for (const Change& c : changes) counts_[c.entry % units_] -= static_cast<T>(c.by);
    return sum * static_cast<T>(r_.strength) / static_cast<T>(units_);
  }

 private:
  T cost(T count) const { return power(std::max(T(0), static_cast<T>(r_.threshold) - count), r_.power); }
  LowerBound r_;
  std::uint32_t units_;
  T* counts_;
};

template <class T>
std::vector<T> counts(const Signal<T>& s) {
  std::vector<T> count(static_cast<std::size_t>(s.units));
  Rows<T> rows(s);
  for (int t = 0; t < s.steps; ++t)
    for (const Unit u : rows(0, t).units) count[u] += T(1);
  return count;
}

}  // namespace

bool tells_changes(const Network& network, const Loss& loss) {
  for (const Stage& stage : network.stages()->list)
    if (stage.lif() && !LifChanges<double>::possible(*stage.lif())) return false;
  return !std::holds_alternative<SpikeLogLikelihood>(loss);
}

template <class T>
void offer_loss(Pass<T>& pass, const Loss& loss, const Signal<T>& o, const Dataset& data, std::size_t datum, T value) {
  if (o.operation == ReplayLog<T>::none) return;  // a readout of the input: no spike changes it
  const std::size_t label = data.labels.empty() ? 0 : static_cast<std::size_t>(data.labels[datum]);
  if (std::holds_alternative<MaxOverTimeCrossEntropy>(loss)) {
    add_record<MaxRecord<T>>(pass, o.operation, o, label, value);
  } else if (std::holds_alternative<SumOfSoftmaxCrossEntropy>(loss)) {
    add_record<SumOfSoftmaxRecord<T>>(pass, o.operation, o, label, value);
  } else if (std::holds_alternative<MeanOverTimeCrossEntropy>(loss)) {
    add_record<MeanSoftmaxRecord<T>>(pass, o.operation, o, label, value);
  } else if (const auto* mean = std::get_if<MeanOutput>(&loss)) {
    if (o.readout) add_record<MeanOutputRecord<T>>(pass, o.operation, o, mean->output);
    else add_record<SpikeCountRecord<T>>(pass, o.operation, o, mean->output);
  } else {
    std::vector<T> kernel;
    for (const double x : distance_kernel(loss, o.steps)) kernel.push_back(static_cast<T>(x));
    add_record<DistanceRecord<T>>(pass, o.operation, o, kernel, filtered_error(kernel, o, 0, data, datum));
  }
}

template <class T>
void offer_regularizer(Pass<T>& pass, const Regularizer& regularizer, const Signal<T>& s) {
  const std::vector<T> count = counts(s);
  if (const auto* upper = std::get_if<UpperBound>(&regularizer)) {
    std::int64_t total = 0;
    for (const T c : count) total += static_cast<std::int64_t>(c);
    add_record<UpperBoundRecord<T>>(pass, s.operation, *upper, s.units, total);
  } else {
    add_record<LowerBoundRecord<T>>(pass, s.operation, std::get<LowerBound>(regularizer), count);
  }
}

#define INSTANTIATE(T)                                                                               \
  template void offer_loss(Pass<T>&, const Loss&, const Signal<T>&, const Dataset&, std::size_t, T); \
  template void offer_regularizer(Pass<T>&, const Regularizer&, const Signal<T>&);
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace stoat::snn
