// stoat/program/sampler.hpp: where a program gets its draws from: plain numbers in a run, variables in a recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <stoat/program/block.hpp>
#include <stoat/program/compound.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/program/sampler_base.hpp>
#include <stoat/program/site.hpp>

namespace stoat {

/// The draws of a plain run.
template <class S>
class Sampler : public SamplerBase, public CompoundDraws<Sampler<S>, S> {
 public:
  using SamplerBase::operator();
  using CompoundDraws<Sampler<S>, S>::operator();

  /// A discrete draw.
  template <SingleDraw L>
  Discrete<S> operator()(const L& law) {
    return draw(law, [this] { return this->uniform(); });
  }
  /// A draw for each entry of the law's parameters.
  template <BlockLaw L>
  auto operator()(const L& law) {
    const auto p = detail::first_parameter(law);
    constexpr int C = detail::columns_of<std::remove_cvref_t<decltype(p)>>;
    const std::size_t first = site_, n = static_cast<std::size_t>(p.size());
    const auto packed = law.map([](const auto& x) { return detail::packed(x); });
    return DiscreteBlock<S, C>(*this, first, Dense<S, C>::filled(p.rows(), p.cols(), [&](S* out) {
      decide_block(
          n, [&](std::size_t i) { return detail::plain_entry(packed, static_cast<Eigen::Index>(i)); },
          [&](std::size_t i, std::span<const std::int64_t> k) {
            for (std::size_t j = 0; j < k.size(); ++j) out[i + j] = static_cast<S>(k[j]);
          });
    }));
  }
  /// A discrete draw keyed by a label and its repetition in this run instead of the order of execution. Use labels where a
  /// changed outcome changes the number of draws: the same label keeps the same randomness.
  template <SingleDraw L>
  Discrete<S> operator()(const L& law, std::uint64_t label) {
    return draw(law, [this, label] { return this->labelled_uniform(label); });
  }
  /// A label for each column of weights.
  template <class U>
  DiscreteBlock<S, 1> operator()(const Categorical<Matrix<U>>& law) {
    const Matrix<U>& w = law.weights();
    const std::size_t first = site_;
    return {*this, first, Vector<S>::filled(w.cols(), 1, [&](S* out) {
              for (Eigen::Index j = 0; j < w.cols(); ++j) {
                const std::int64_t k = decide(CategoricalView(w.col(j)), [this] { return this->uniform(); });
                visited(k);
                out[j] = static_cast<S>(k);
              }
            })};
  }
  /// A label and its unit vector.
  template <class U>
  OneHotDraw<S> operator()(const OneHot<U>& law) {
    const std::size_t site = site_;
    const Discrete<S> k = draw(law, [this] { return this->uniform(); });
    return {*this, site, k.value(), law.weights().size(), {}};
  }
  /// A continuous draw, reparameterised: S, or Vector<S> of a law with vector outcomes.
  template <ContinuousLaw L>
  auto operator()(const L& law) {
    return continuous<S>(law);
  }

  void begin(const DrawPlan& plan) { SamplerBase::begin(plan); }

 private:
  friend CompoundDraws<Sampler<S>, S>;

  template <class L, class U>
  Discrete<S> draw(const L& law, U&& u) {
    const std::int64_t k = decide(detail::plain(law), u);
    visited(k);
    return Discrete<S>(k);
  }
};

/// What a recorded run sees of a draw.
enum class Outcomes {
  constants,  ///< plain numbers: no edges, the cheapest recording
  variables,  ///< variables whose edges to the parameters can be opened and cut
  means,      ///< the mean of the law, a differentiable function of its parameters (mean field)
};

/// The draws of a recorded run.
template <class T>
class Sampler<Var<T>> : public SamplerBase, public CompoundDraws<Sampler<Var<T>>, Var<T>> {
 public:
  using SamplerBase::operator();
  using CompoundDraws<Sampler<Var<T>>, Var<T>>::operator();
  using S = Var<T>;

  template <SingleDraw L>
  Discrete<S> operator()(const L& law) {
    return draw(law, [this] { return this->uniform(); });
  }
  template <SingleDraw L>
  Discrete<S> operator()(const L& law, std::uint64_t label) {
    return draw(law, [this, label] { return this->labelled_uniform(label); });
  }
  /// A draw for each entry of the law's parameters; as variables, consecutive on the tape.
  template <BlockLaw L>
  auto operator()(const L& law) {
    return block(law);
  }
  template <class U>
  DiscreteBlock<S, 1> operator()(const Categorical<Matrix<U>>& law) {
    return columns(law.weights());
  }
  template <class U>
  OneHotDraw<S> operator()(const OneHot<U>& law) {
    const std::size_t site = site_;
    const std::int64_t k = outcome(law, [this] { return this->uniform(); });
    return {*this, site, k, law.weights().size(), mode_ == Outcomes::means ? noted(on_this_tape(law), site, false) : Vector<S>()};
  }
  template <ContinuousLaw L>
  auto operator()(const L& law) {
    return continuous<S>(law);
  }

  void begin(const DrawPlan& plan, Tape<T>& tape, Outcomes outcomes) {
    SamplerBase::begin(plan);
    tape_ = &tape;
    mode_ = outcomes;
    log_.clear();
    parameters_.clear();
    means_.clear();
    tape.watch(&site_);
  }

  std::vector<Site>& log() { return log_; }
  const std::vector<Site>& log() const { return log_; }
  /// Tape indices of the sites' parameters, 0 where passive.
  const std::vector<Index>& parameters() const { return parameters_; }

  std::int64_t number(std::size_t site, std::int64_t outcome) {
    if (mode_ == Outcomes::means) [[unlikely]]
      mean_as_number(log_[site].law->name, site);
    log_[site].number = true;
    return outcome;
  }
  /// The outcome as a variable: recorded when first asked for, as a statement with one argument per active parameter.
  S variable(std::size_t site, std::int64_t outcome) {
    if (mode_ == Outcomes::means) return means_[site];
    Site& s = log_[site];
    if (mode_ == Outcomes::constants || s.count == 0) return S(outcome);
    if (s.node == 0) {
      if (s.count > 255) [[unlikely]]
        too_many_parameters(s.law->name, site);
      record_node(s, s.count);
    }
    return S(static_cast<T>(outcome), s.node, tape_->tag());
  }
  /// The unit vector of a label, of `size` variables with one argument each.
  Vector<S> unit_vector(std::size_t site, std::int64_t label, Eigen::Index size) {
    Site& s = log_[site];
    if (mode_ == Outcomes::variables && s.count > 0 && s.node == 0)
      for (Eigen::Index j = 0; j < size; ++j) record_node(s, 1);
    T* const values = tape_->arena().template allocate<T>(static_cast<std::size_t>(size));
    std::fill_n(values, size, T(0));
    values[label] = T(1);
    return Vector<S>::on_tape(values, s.node, size, 1);
  }

 private:
  friend CompoundDraws<Sampler<Var<T>>, Var<T>>;

  template <class L>
  auto block(const L& law) {
    const auto p = detail::first_parameter(law);
    using D = std::remove_cvref_t<decltype(p)>;
    constexpr int C = detail::columns_of<D>;
    using P = std::remove_cvref_t<decltype(detail::plain_entry(law, 0))>;
    static_assert(std::is_trivially_copyable_v<P>, "stoat: the plain form of a law must be trivially copyable");
    const std::size_t first = site_, n = static_cast<std::size_t>(p.size());
    P* const laws = tape_->arena().template allocate<P>(n);
    const auto packed = law.map([](const auto& x) { return detail::packed(x); });
    for (std::size_t i = 0; i < n; ++i) new (laws + i) P(detail::plain_entry(packed, static_cast<Eigen::Index>(i)));
    if (mode_ == Outcomes::means) {
      for (std::size_t i = 0; i < n; ++i)
        if (const std::string trouble = problem(laws[i]); !trouble.empty()) [[unlikely]] {
          site_ += i;
          complain(P::name, trouble);
        }
      Site s;
      s.law = &detail::LawTable<P>::table;
      log_.resize(log_.size() + n, s);
      means_.resize(means_.size() + n);
      outcomes_.resize(outcomes_.size() + n);
      site_ += n;
      restart_words();
      return DiscreteBlock<S, C>(*this, first, noted(Dense<S, C>(T(1) * law.mean()), first, true));
    }
    decide_block(
        n, [laws](std::size_t i) -> const P& { return laws[i]; }, [](std::size_t, std::span<const std::int64_t>) {});
    const std::int64_t* const k = outcomes_.data() + (outcomes_.size() - n);
    T* const values = tape_->arena().template allocate<T>(n);
    bool active = false;
    law.map([&](const auto& x) {
      if constexpr (is_var<ScalarOf<decltype(x)>>) active = active || x.active();
      return 0.0;
    });
    Index node = 0;
    for (std::size_t i = 0; i < n; ++i) {
      Site s;
      s.law = &detail::LawTable<P>::table;
      s.plain = laws + i;
      s.outcome = k[i];
      s.first = static_cast<std::uint32_t>(parameters_.size());
      values[i] = static_cast<T>(k[i]);
      if (active) {
        law.map([&](const auto& x) {
          Index index = 0;
          if constexpr (is_var<ScalarOf<decltype(x)>>)
            if (x.active()) index = x.first() + static_cast<Index>(detail::entry_offset(x.layout(), static_cast<Eigen::Index>(i)));
          parameters_.push_back(index);
          return 0.0;
        });
        s.count = static_cast<std::uint32_t>(parameters_.size()) - s.first;
        if (mode_ == Outcomes::variables) record_node(s, s.count);
        if (i == 0) node = s.node;
      }
      log_.push_back(s);
    }
    return DiscreteBlock<S, C>(*this, first, Dense<S, C>::on_tape(values, node, p.rows(), p.cols()));
  }
  template <class U>
  DiscreteBlock<S, 1> columns(const Matrix<U>& w) {
    using P = CategoricalView<T>;
    const std::size_t first = site_;
    const Eigen::Index n = w.cols(), size = w.rows();
    std::vector<std::int64_t> labels(static_cast<std::size_t>(n));
    for (std::int64_t& k : labels) {
      const CategoricalView column(w.col(&k - labels.data()));
      if (mode_ == Outcomes::means) {
        if (const std::string trouble = column.problem(); !trouble.empty()) complain(P::name, trouble);
      } else {
        k = decide(column, [this] { return this->uniform(); });
      }
      visited(k);
    }
    const Matrix<S> p = normalised(Matrix<S>(w));  // of all columns, as one operation
    const auto column = [&](Eigen::Index j) { return p.eigen().data() + j * size; };
    if (mode_ == Outcomes::means) {
      Site s;
      s.law = &detail::LawTable<P>::table;
      log_.resize(log_.size() + labels.size(), s);
      means_.resize(means_.size() + labels.size());
      const Vector<S> label(Eigen::VectorX<T>(Eigen::VectorX<T>::LinSpaced(size, 0, static_cast<T>(size - 1))));
      return {*this, first, noted(Vector<S>(p.transpose() * label), first, true)};
    }
    T* const values = tape_->arena().template allocate<T>(labels.size());
    Index node = 0;
    for (Eigen::Index j = 0; j < n; ++j) {
      const std::int64_t k = labels[static_cast<std::size_t>(j)];
      Site s;
      s.law = &detail::LawTable<P>::table;
      s.plain = keep(P(column(j), size));
      s.outcome = k;
      s.first = static_cast<std::uint32_t>(parameters_.size());
      values[j] = static_cast<T>(k);
      if (p.active()) {
        for (Eigen::Index i = 0; i < size; ++i) parameters_.push_back(p.first() + static_cast<Index>(j * size + i));
        s.count = static_cast<std::uint32_t>(size);
        if (mode_ == Outcomes::variables) {
          if (size > 255) too_many_parameters(P::name, first + static_cast<std::size_t>(j));
          record_node(s, s.count);
        }
        if (j == 0) node = s.node;
      }
      log_.push_back(s);
    }
    return {*this, first, Vector<S>::on_tape(values, node, n, 1)};
  }
  /// A statement whose arguments trace.open() sets; the first of a site is remembered.
  void record_node(Site& s, std::size_t count) {
    const auto arguments = tape_->open_statement(count);
    std::fill_n(arguments.partials, count, Partial<T>{});
    std::fill_n(arguments.indices, count, Argument{});
    if (s.node == 0) s.node = arguments.index, s.arguments = arguments.first;
  }

  template <class L, class U>
  Discrete<S> draw(const L& law, U&& u) {
    const std::size_t site = site_;
    const std::int64_t k = outcome(law, u);
    return {*this, site, k};
  }
  /// Draws and logs a site.
  template <class L, class U>
  std::int64_t outcome(const L& law, U&& u) {
    const auto p = detail::plain(law);
    using P = std::remove_cvref_t<decltype(p)>;
    if (mode_ == Outcomes::means) {
      if (const std::string trouble = problem(p); !trouble.empty()) [[unlikely]]
        complain(P::name, trouble);
      if constexpr (requires { P::one_hot; }) means_.push_back(S(0));  // the caller keeps the vector of means
      else if constexpr (requires { S(law.mean()); }) means_.push_back(S(law.mean()) * T(1));  // not the parameter itself
      else complain(P::name, "the law offers no mean(), which a mean-field run needs");
      Site s;
      s.law = &detail::LawTable<P>::table;
      s.mean = means_.back().index(), s.means = s.mean != 0;
      log_.push_back(s);
      visited(0);
      return 0;
    }
    const std::int64_t k = decide(p, u);
    Site s;
    s.law = &detail::LawTable<P>::table;
    s.outcome = k;
    s.first = static_cast<std::uint32_t>(parameters_.size());
    if constexpr (requires { law.on_tape(); }) {
      // A vector law: its normalised probabilities, consecutive on the tape.
      const auto vector = on_this_tape(law);
      if (vector.active()) {
        for (Eigen::Index j = 0; j < vector.size(); ++j) parameters_.push_back(vector.first() + static_cast<Index>(j));
      }
      s.plain = keep(P(vector));
    } else {
      bool active = false;
      law.map([&](const auto& x) {
        Index index = 0;
        if constexpr (is_var<std::remove_cvref_t<decltype(x)>>) index = x.index();
        active = active || index != 0;
        parameters_.push_back(index);
        return 0.0;
      });
      if (!active) parameters_.resize(s.first);
      s.plain = keep(p);
    }
    s.count = static_cast<std::uint32_t>(parameters_.size()) - s.first;
    log_.push_back(s);
    visited(k);
    return k;
  }
  /// Takes a note of where the mean of a site is, or the means of several, one each. Nothing but the draws may use these variables.
  template <int C>
  Dense<S, C> noted(Dense<S, C> means, std::size_t site, bool one_each) {
    if (!means.active()) return means;
    const auto n = static_cast<std::uint32_t>(means.size());
    for (std::uint32_t i = 0; i < (one_each ? n : 1); ++i)
      log_[site + i].mean = means.first() + i, log_[site + i].means = one_each ? 1 : n;
    return means;
  }
  template <class P>
  const void* keep(const P& law) {
    static_assert(std::is_trivially_copyable_v<P>, "stoat: the plain form of a law must be trivially copyable");
    return new (tape_->arena().template allocate<P>(1)) P(law);
  }
  template <class L>
  Vector<S> on_this_tape(const L& law) {
    if constexpr (is_var<typename L::Scalar>) return law.on_tape();
    else return Vector<S>(law.on_tape().eigen().template cast<T>().eval());
  }

  Tape<T>* tape_ = nullptr;
  Outcomes mode_ = Outcomes::variables;
  std::vector<Site> log_;
  std::vector<Index> parameters_;
  std::vector<S> means_;
};

template <class T>
std::int64_t Discrete<Var<T>>::value() const {
  return sampler_->number(site_, outcome_);
}
template <class T>
Var<T> Discrete<Var<T>>::scalar() const {
  return sampler_->variable(site_, outcome_);
}

}  // namespace stoat
