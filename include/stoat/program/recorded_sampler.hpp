// stoat/program/recorded_sampler.hpp: the draws of a run on variables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <stoat/program/block.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/program/draws.hpp>
#include <stoat/program/edges.hpp>
#include <stoat/program/relaxation.hpp>
#include <stoat/program/sampler_base.hpp>
#include <stoat/program/site.hpp>

namespace stoat {

/// What a recorded run sees of a draw.
enum class Outcomes {
  constants,  ///< plain numbers: no edges, the cheapest recording
  variables,  ///< variables whose edges to the parameters can be opened and cut
  means,      ///< the mean of the law, a differentiable function of its parameters (mean field)
  relaxed,    ///< what a Relaxation puts in place of coins and labels; draws whose parameters do not move stay
};

/// The draws of a recorded run.
template <class T>
class Sampler<Var<T>> : public SamplerBase, public Draws<Sampler<Var<T>>, Var<T>> {
 public:
  using SamplerBase::operator();
  using Draws<Sampler<Var<T>>, Var<T>>::operator();
  using S = Var<T>;

  // What Draws offers, with an entry in the log.
  template <SingleDraw L>
  Discrete<S> operator()(const L& law, std::uint64_t label) {
    const Discrete<S> k = draw(law, [this, label, use = this->occurrence(label)] { return this->labelled_uniform(label, use); });
    log_.back().label = label;
    return k;
  }
  template <class L>
  auto operator()(const L& law, Method method) {
    const std::size_t first = log_.size();
    auto result = (*this)(law);
    for (std::size_t i = first; i < log_.size(); ++i) log_[i].method = method;
    return result;
  }
  template <class U>
  OneHotDraw<S> operator()(const OneHot<U>& law) {
    const std::size_t site = site_;
    const std::int64_t k = outcome(law, [this] { return this->uniform(); });
    return {*this, site, k, law.weights().size(),
            mode_ == Outcomes::means ? noted(on_this_tape(law), site, false) : std::exchange(label_, Vector<S>())};
  }

  /// Draws that an operation on the tape makes inside, some at a time: the next sites, with these plain laws of one parameter each.
  /// The parameter and the outcome of the i-th are the operation's outputs `parameter + i` and `outcome + i` (0: they are
  /// constants). Between them the operation itself passes on derivatives, with edges.slopes, in this order, when edges.open; and it
  /// adds to the adjoint of an outcome what else it has for it.
  template <PlainLaw P>
  void inside(std::span<const P> laws, std::span<std::int64_t> outcomes, Edges<T>& edges, Index parameter, Index outcome) {
    if (mode_ == Outcomes::relaxed) no_relaxation(relaxation_->name(), P::name);
    const std::size_t n = laws.size();
    P* const kept = tape_->arena().template allocate<P>(n);
    std::uninitialized_copy(laws.begin(), laws.end(), kept);
    decide_block(
        n, [kept](std::size_t i) -> const P& { return kept[i]; },
        [&](std::size_t i, std::span<const std::int64_t> k) {
          std::copy(k.begin(), k.end(), outcomes.begin() + static_cast<std::ptrdiff_t>(i));
        });
    Site s;
    s.law = &detail::LawTable<P>::table;
    s.block = ++blocks_;
    s.count = parameter != 0;
    for (std::size_t i = 0; i < n; ++i) {
      s.plain = kept + i;
      s.outcome = outcomes[i];
      s.first = static_cast<std::uint32_t>(parameters_.size());
      if (s.count) parameters_.push_back(parameter + static_cast<Index>(i));
      if (mode_ == Outcomes::variables && s.count) s.node = outcome + static_cast<Index>(i), s.edges = &edges;
      log_.push_back(s);
    }
  }
  /// The edges of the draws that an operation will make inside; no other draws may come between them.
  Edges<T>& inside_edges(std::size_t sites) {
    auto* const edges = new (tape_->arena().template allocate<Edges<T>>(1)) Edges<T>;
    edges->outputs = sites;
    edges->count = 1;
    edges->parameters = &parameters_;
    edges->first = parameters_.size();
    edges->slopes = tape_->arena().template allocate<T>(sites);
    return *edges;
  }
  /// In a mean-field run: the next n sites, of law P, their means being the outputs `mean`, mean + 1, ... of an operation.
  template <PlainLaw P>
  void inside_means(std::size_t n, Index mean) {
    Site s;
    s.law = &detail::LawTable<P>::table;
    s.means = 1;
    for (std::size_t i = 0; i < n; ++i) {
      s.mean = mean + static_cast<Index>(i);
      log_.push_back(s);
      values_.emplace_back();
      visited(0);
    }
  }
  Outcomes mode() const { return mode_; }
  Tape<T>& tape() const { return *tape_; }

  /// Adds to the cost of the run, now.
  template <class E>
  void cost(const E& c) {
    const S added(c);
    cost_ += added;
    costs_.push_back({site_, static_cast<double>(added.value())});
  }

  void begin(const DrawPlan& plan, Tape<T>& tape, Outcomes outcomes, Relaxation<T>* relaxation = nullptr) {
    SamplerBase::begin(plan);
    tape_ = &tape;
    mode_ = outcomes;
    relaxation_ = relaxation;
    log_.clear();
    parameters_.clear();
    values_.clear();
    costs_.clear();
    cost_ = 0;
    blocks_ = 0;
    tape.watch(&site_);
  }

  /// A cost that was added when so many sites had been drawn.
  struct Cost {
    std::size_t sites;
    double value;
  };
  const std::vector<Cost>& costs() const { return costs_; }
  const S& added_cost() const { return cost_; }

  std::vector<Site>& log() { return log_; }
  const std::vector<Site>& log() const { return log_; }
  /// Tape indices of the sites' parameters, 0 where passive.
  const std::vector<Index>& parameters() const { return parameters_; }

  std::int64_t number(std::size_t site, std::int64_t outcome) {
    if (mode_ == Outcomes::means) [[unlikely]]
      soft_as_number("MeanField", log_[site].law->name, site);
    if (mode_ == Outcomes::relaxed && relaxation_->soft() && log_[site].count > 0) [[unlikely]]
      soft_as_number(relaxation_->name(), log_[site].law->name, site);
    log_[site].number = true;
    return outcome;
  }
  /// The outcome as a variable: recorded when first asked for, as a statement with one argument per parameter.
  S variable(std::size_t site, std::int64_t outcome) {
    if (mode_ == Outcomes::means || mode_ == Outcomes::relaxed) return values_[site];
    Site& s = log_[site];
    if (mode_ == Outcomes::constants || s.count == 0) return S(outcome);
    if (s.node == 0) {
      if (s.count <= 255) {
        const auto arguments = tape_->open_statement(s.count);
        std::fill_n(arguments.partials, s.count, Partial<T>{});
        std::fill_n(arguments.indices, s.count, Argument{});
        s.node = arguments.index, s.arguments = arguments.first;
      } else {
        record_edges(std::span(&s, 1), 1, s.count);
      }
    }
    return S(static_cast<T>(outcome), s.node, tape_->tag());
  }
  /// The unit vector of a label: `size` variables, each with an edge to its own probability.
  Vector<S> unit_vector(std::size_t site, std::int64_t label, Eigen::Index size) {
    Site& s = log_[site];
    if (mode_ == Outcomes::variables && s.count > 0 && s.node == 0)
      record_edges(std::span(&s, 1), static_cast<std::size_t>(size), 1);
    T* const values = tape_->arena().template allocate<T>(static_cast<std::size_t>(size));
    std::fill_n(values, size, T(0));
    values[label] = T(1);
    return Vector<S>::on_tape(values, s.node, size, 1);
  }

 private:
  friend CompoundDraws<Sampler<Var<T>>, Var<T>>;
  friend Draws<Sampler<Var<T>>, Var<T>>;

  /// A draw for each entry; as variables, the outputs of one operation.
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
      values_.resize(values_.size() + n);
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
    ++blocks_;
    for (std::size_t i = 0; i < n; ++i) {
      Site s;
      s.law = &detail::LawTable<P>::table;
      s.plain = laws + i;
      s.block = blocks_;
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
      }
      log_.push_back(s);
    }
    if (mode_ == Outcomes::relaxed) values_.resize(log_.size());
    if (mode_ == Outcomes::relaxed && active) {
      if constexpr (requires { law.log_odds(); }) {
        const Dense<S, C> log_odds(law.log_odds());
        for (std::size_t i = 0; i < n; ++i)
          values_[first + i] = relaxation_->coin(
              first + i, log_odds(static_cast<Eigen::Index>(i) % p.rows(), static_cast<Eigen::Index>(i) / p.rows()),
              log_[first + i].outcome);
        const auto value = [&](Eigen::Index i, Eigen::Index j = 0) {
          return values_[first + static_cast<std::size_t>(i + j * p.rows())];
        };
        if constexpr (C == 1) return DiscreteBlock<S, C>(*this, first, Dense<S, C>::generate(p.rows(), value));
        else return DiscreteBlock<S, C>(*this, first, Dense<S, C>::generate(p.rows(), p.cols(), value));
      } else {
        no_relaxation(relaxation_->name(), P::name);
      }
    }
    return DiscreteBlock<S, C>(*this, first, Dense<S, C>::on_tape(values, record_edges(first), p.rows(), p.cols()));
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
      values_.resize(values_.size() + labels.size());
      const Vector<S> label(Eigen::VectorX<T>(Eigen::VectorX<T>::LinSpaced(size, 0, static_cast<T>(size - 1))));
      return {*this, first, noted(Vector<S>(p.transpose() * label), first, true)};
    }
    T* const values = tape_->arena().template allocate<T>(labels.size());
    ++blocks_;
    for (Eigen::Index j = 0; j < n; ++j) {
      const std::int64_t k = labels[static_cast<std::size_t>(j)];
      Site s;
      s.law = &detail::LawTable<P>::table;
      s.plain = keep(P(column(j), size));
      s.block = blocks_;
      s.outcome = k;
      s.first = static_cast<std::uint32_t>(parameters_.size());
      values[j] = static_cast<T>(k);
      if (p.active()) {
        for (Eigen::Index i = 0; i < size; ++i) parameters_.push_back(p.first() + static_cast<Index>(j * size + i));
        s.count = static_cast<std::uint32_t>(size);
      }
      log_.push_back(s);
    }
    if (mode_ == Outcomes::relaxed) values_.resize(log_.size());
    if (mode_ == Outcomes::relaxed && p.active()) {
      for (Eigen::Index j = 0; j < n; ++j)
        values_[first + static_cast<std::size_t>(j)] = number_of(relaxation_->label(
            log_.size() - static_cast<std::size_t>(n - j), Vector<S>(stoat::log(p.col(j))), labels[static_cast<std::size_t>(j)]));
      return {*this, first, Vector<S>::generate(n, [&](Eigen::Index j) { return values_[first + static_cast<std::size_t>(j)]; })};
    }
    return {*this, first, Vector<S>::on_tape(values, record_edges(first), n, 1)};
  }
  /// The outcomes of the sites from `first` on as the outputs of one operation, if they are to be variables. Returns the first.
  Index record_edges(std::size_t first) {
    if (first == log_.size() || log_[first].count == 0 || mode_ != Outcomes::variables) return 0;
    return record_edges(std::span(log_).subspan(first), log_.size() - first, log_[first].count);
  }
  /// An operation for these sites: so many outputs, each with edges to `count` parameters.
  Index record_edges(std::span<Site> sites, std::size_t outputs, std::uint32_t count) {
    Edges<T>* const edges = Edges<T>::record(*tape_, outputs, count, parameters_, sites[0].first);
    for (std::size_t i = 0; i < sites.size(); ++i) sites[i].node = edges->at + static_cast<Index>(i), sites[i].edges = edges;
    return edges->at;
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
      if constexpr (requires { P::one_hot; }) values_.push_back(S(0));  // the caller keeps the vector of means
      else if constexpr (requires { S(law.mean()); }) values_.push_back(S(law.mean()) * T(1));  // not the parameter itself
      else no_mean(P::name);
      Site s;
      s.law = &detail::LawTable<P>::table;
      s.mean = values_.back().index(), s.means = s.mean != 0;
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
    if (mode_ == Outcomes::relaxed) values_.push_back(relaxed(law, k));
    visited(k);
    return k;
  }
  /// What stands for an outcome in a relaxed run, itself if its parameters do not move; a one-hot draw takes its vector from
  /// label_.
  template <class L>
  S relaxed(const L& law, std::int64_t k) {
    using P = std::remove_cvref_t<decltype(detail::plain(law))>;
    if (log_.back().count == 0) {
      if constexpr (requires { P::one_hot; })
        label_ = Vector<S>(Eigen::VectorX<T>(Eigen::VectorX<T>::Unit(law.weights().size(), k)));
      return S(k);
    }
    if constexpr (requires { law.on_tape(); }) {
      label_ = relaxation_->label(site_, Vector<S>(stoat::log(on_this_tape(law))), k);
      if constexpr (requires { P::one_hot; }) return S(0);
      else return number_of(std::exchange(label_, Vector<S>()));
    } else if constexpr (requires { law.log_odds(); }) {
      return relaxation_->coin(site_, S(law.log_odds()), k);
    } else {
      no_relaxation(relaxation_->name(), P::name);
    }
  }
  /// The label of a unit vector, or of what stands for one.
  static S number_of(const Vector<S>& unit_vector) {
    const auto last = static_cast<T>(unit_vector.size() - 1);
    return dot(unit_vector, Vector<T>(Eigen::VectorX<T>(Eigen::VectorX<T>::LinSpaced(unit_vector.size(), 0, last))));
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
  std::vector<S> values_;  ///< what stands for the outcomes in mean-field and relaxed runs
  Relaxation<T>* relaxation_ = nullptr;
  Vector<S> label_;
  S cost_ = 0;
  std::vector<Cost> costs_;
  std::uint32_t blocks_ = 0;
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
