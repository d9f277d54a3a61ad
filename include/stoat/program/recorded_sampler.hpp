// stoat/program/recorded_sampler.hpp: the draws of a run on variables.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
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
#include <stoat/program/segments.hpp>
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
    if (again_) return;  // they are known
    const double value = static_cast<double>(added.value());
    costs_.push_back({site_, value, (costs_.empty() ? 0.0 : costs_.back().total) + value});
  }

  /// See SamplerBase::iterate, and segments.hpp.
  template <class State, class Body>
  void iterate(State& state, int steps, Body&& body) {
    if constexpr (std::floating_point<T>) {
      const bool outer = this->enter_loop(steps);
      LoopRun<State> loop{.end = steps, .steps = steps};
      if (outer && most_bytes_ > 0) open(loop, state);
      do {  // one call of the body for loops of all kinds: they must round alike
        for (int t = loop.first; t < loop.end;) {
          if (outer) this->boundary(static_cast<std::size_t>(t));
          body(state, t);
          ++t;
          if (loop.limited && t < loop.end && full(loop.bytes)) loop.end = t;
        }
      } while ((loop.limited || loop.known) && next(loop, state));
      if (outer) this->leave_loop();
    } else {
      SamplerBase::iterate(state, steps, body);
    }
  }

  /// A loop may take so many bytes (0: any number); segments: what to do with one that takes more.
  void begin(const DrawPlan& plan, Tape<T>& tape, Outcomes outcomes, Relaxation<T>* relaxation = nullptr,
             std::size_t most_bytes = 0, bool segments = false) {
    tape_ = &tape;
    mode_ = outcomes;
    relaxation_ = relaxation;
    most_bytes_ = most_bytes;
    segments_ = segments;
    segmented_.clear();
    kept_bytes_ = 0;
    forgotten_ = {};
    costs_.clear();
    again_ = false;
    seen_ = nullptr;
    restart(plan);
  }
  /// From now on seen(first, end) is called for all sites in their order, while they are at hand, with the tangents of what is
  /// recorded: before a segment is forgotten, and in look(). Those of what is recorded now are known.
  void see(detail::SiteRule seen) {
    seen_ = std::move(seen);
    unseen_ = 0;
    looked_ = tape_->mark();
  }
  void look() {
    tape_->clear_tangents(looked_);
    for (std::size_t i = 0; i < active_; ++i) std::copy(moving_[i].begin(), moving_[i].end(), tape_->tangents()[first_ + i]);
    tape_->forward(looked_);
    if (unseen_ < site_) seen_(unseen_, site_);
    unseen_ = site_;
  }

  /// A cost that was added when so many sites had been drawn, and what all up to it came to.
  struct Cost {
    std::size_t sites;    ///< drawn before it
    double value, total;  ///< it alone, and with all before it
  };
  const std::vector<Cost>& costs() const { return costs_; }
  const S& added_cost() const { return cost_; }

  // ---- loops in segments ------------------------------------------------------------------------------------------

  /// The loops that were recorded in segments.
  const std::vector<detail::SegmentedLoop<T>>& segmented() const { return segmented_; }
  /// Records the run once more. In the segmented loop of this number, if there is one, the segments are recorded and swept, the
  /// last one first: `adjoint` are the adjoints of the variables of the state after the loop, and rule is asked about the sites of
  /// each.
  void begin_again(std::size_t target, std::vector<T> adjoint, detail::SiteRule rule) {
    again_ = true;
    target_ = target;
    adjoint_ = std::move(adjoint);
    rule_ = std::move(rule);
    restart(DrawPlan(this->plan()));
  }
  /// Forgets what was recorded from the loop of this number on.
  void rewind(std::size_t loop) {
    gaps_.resize(loop);
    mind_gaps();
    rewind(segmented_[loop].before);
  }
  /// The sites that are not at hand.
  const std::vector<detail::SiteGap>& gaps() const { return gaps_; }
  /// The sites of the present segment.
  std::span<const Site> segment() const { return std::span(log_).subspan(segmented_[target_].before.log); }
  /// Variables on the tape that stand for states after loops or at the start of the present segment, first and number.
  std::vector<std::pair<Index, std::size_t>> checkpoints() const {
    std::vector<std::pair<Index, std::size_t>> out;
    for (std::size_t l = 0; l < gaps_.size(); ++l) {
      const auto& loop = segmented_[l];
      if (in_segment_ && l == target_) out.emplace_back(first_, active_);
      else out.emplace_back(loop.end, loop.starts.back().active);
    }
    return out;
  }
  /// Of the sites in segments, how many had outcomes that were read as numbers or entered arithmetic.
  struct Forgotten {
    std::size_t numbers = 0, variables = 0;  ///< read as numbers; in arithmetic
    void note(const Site& s) { numbers += s.number && s.count > 0, variables += s.node != 0 && !s.spare; }
  };
  const Forgotten& forgotten() const { return forgotten_; }

  // ---- what was recorded ------------------------------------------------------------------------------------------

  /// A site that is at hand; Error if it is not.
  Site& at(std::size_t site) { return log_[position(site)]; }
  const Site& at(std::size_t site) const { return log_[position(site)]; }

  /// The sites that are at hand.
  const std::vector<Site>& log() const { return log_; }
  /// Tape indices of the sites' parameters, 0 where passive.
  const std::vector<Index>& parameters() const { return parameters_; }

  std::int64_t number(std::size_t site, std::int64_t outcome) {
    if (mode_ == Outcomes::means) [[unlikely]]
      soft_as_number("MeanField", log_[site].law->name, site);
    Site& s = at(site);
    if (mode_ == Outcomes::relaxed && relaxation_->soft() && s.count > 0) [[unlikely]]
      soft_as_number(relaxation_->name(), s.law->name, site);
    s.number = true;
    return outcome;
  }
  /// The outcome as a variable: recorded when first asked for, as a statement with one argument per parameter.
  S variable(std::size_t site, std::int64_t outcome) {
    if (mode_ == Outcomes::means || mode_ == Outcomes::relaxed) return values_[site];
    Site& s = at(site);
    if (mode_ == Outcomes::constants || s.count == 0) return S(outcome);
    use_node(s);
    return S(static_cast<T>(outcome), s.node, tape_->tag(s.node));
  }
  /// The unit vector of a label: `size` variables, each with an edge to its own probability.
  Vector<S> unit_vector(std::size_t site, std::int64_t label, Eigen::Index size) {
    Site& s = at(site);
    if (mode_ == Outcomes::variables && s.count > 0) use_node(s);
    T* const values = tape_->arena().template allocate<T>(static_cast<std::size_t>(size));
    std::fill_n(values, size, T(0));
    values[label] = T(1);
    return Vector<S>::on_tape(values, s.node, tape_->tag(s.node), size, 1);
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
    return DiscreteBlock<S, C>(*this, first, Dense<S, C>::on_tape(values, record_edges(log_.size() - n), p.rows(), p.cols()));
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
    return {*this, first, Vector<S>::on_tape(values, record_edges(log_.size() - labels.size()), n, 1)};
  }
  /// Labels of one law: their sites share it, and its parameters.
  template <class L>
  std::vector<Discrete<S>> repeated(const L& law, std::size_t n) {
    std::vector<Discrete<S>> drawn;
    drawn.reserve(n);
    if (mode_ == Outcomes::means || mode_ == Outcomes::relaxed) {
      for (; n > 0; --n) drawn.push_back(draw(law, [this] { return this->uniform(); }));
      return drawn;
    }
    const std::size_t begin = log_.size();
    Site s;
    decide_repeated(law.plain(), n, [&](std::int64_t k) {
      s.outcome = k;
      log_.push_back(s);
      drawn.emplace_back(*this, site_, k);
    });
    const auto p = on_this_tape(law);
    using P = std::remove_cvref_t<decltype(law.plain())>;
    const void* const shared = keep(P(p));
    const auto first = static_cast<std::uint32_t>(parameters_.size());
    if (p.active())
      for (Eigen::Index j = 0; j < p.size(); ++j) parameters_.push_back(p.first() + static_cast<Index>(j));
    for (Site& t : std::span(log_).subspan(begin)) {
      t.law = &detail::LawTable<P>::table;
      t.plain = shared;
      t.first = first, t.count = static_cast<std::uint32_t>(parameters_.size()) - first;
    }
    return drawn;
  }
  /// The outcome of a site as a variable, or as one for each label.
  void use_node(Site& s) {
    if (s.spare) [[unlikely]]
      s.spare = false;
    if (s.node == 0) make_node(s);
  }
  void make_node(Site& s) {
    if (s.law->one_hot) {
      record_edges(std::span(&s, 1), s.count, 1);
    } else if (s.count <= 255) {
      const auto arguments = tape_->open_statement(s.count);
      std::fill_n(arguments.partials, s.count, Partial<T>{});
      std::fill_n(arguments.indices, s.count, Argument{});
      s.node = arguments.index, s.arguments = arguments.first;
    } else {
      record_edges(std::span(&s, 1), 1, s.count);
    }
  }
  /// The outcomes logged from position `first` on as the outputs of one operation, if they are to be variables. Returns the first.
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
      at(site + i).mean = means.first() + i, at(site + i).means = one_each ? 1 : n;
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

  // ---- loops in segments ------------------------------------------------------------------------------------------

  using Segmented = detail::SegmentedLoop<T>;
  using Start = typename Segmented::Start;
  using RecordedPlace = detail::RecordedPlace<T>;

  /// A loop while it runs.
  template <class State>
  struct LoopRun {
    int first = 0, end = 0, steps = 0;  ///< iterations to make now, and all of them
    bool limited = false;               ///< to what may be recorded at a time
    bool known = false;                 ///< recorded in segments before
    std::size_t bytes = 0;              ///< at which the present segment ends
    RecordedPlace before{};
    detail::Place place{};
    std::uint32_t blocks = 0;
    std::optional<State> state{};  ///< before the loop, with ...
    S cost{};                      ///< ... the cost
    std::size_t segment = 0;
    bool trial = false;  ///< of a segment, only to see whether it repeats itself
  };

  std::size_t position(std::size_t site) const {
    if (site >= tail_) [[likely]]
      return site - gap_;
    return position_before(site);
  }
  std::size_t position_before(std::size_t site) const {
    std::size_t gap = 0;
    for (const detail::SiteGap& g : gaps_) {
      if (site < g.begin) break;
      if (site < g.end)
        throw Refusal("site " + std::to_string(site) + " of run " + std::to_string(this->plan().key.run) +
                      " is in a loop that was recorded in segments; set LoopOptions::recording = 0");
      gap += g.end - g.begin;
    }
    return site - gap;
  }
  void mind_gaps() {
    tail_ = gaps_.empty() ? 0 : gaps_.back().end;
    gap_ = 0;
    for (const detail::SiteGap& g : gaps_) gap_ += g.end - g.begin;
  }

  void restart(const DrawPlan& plan) {
    SamplerBase::begin(plan);
    log_.clear();
    parameters_.clear();
    values_.clear();
    cost_ = 0;
    blocks_ = 0;
    gaps_.clear();
    mind_gaps();
    next_ = nodes_ = active_ = 0;
    in_segment_ = false;
    tape_->watch(&site_);
  }
  RecordedPlace here() const { return {tape_->mark(), log_.size(), parameters_.size()}; }
  void rewind(const RecordedPlace& to) {
    tape_->rewind(to.tape);
    log_.resize(to.log);
    parameters_.resize(to.parameters);
    nodes_ = std::min(nodes_, to.log);
  }
  std::size_t recorded_bytes() const {
    return tape_->arguments() * (sizeof(Partial<T>) + sizeof(Argument)) + tape_->size() * (sizeof(T) + 1) + tape_->arena().used() +
           log_.size() * sizeof(Site) + parameters_.size() * sizeof(Index);
  }
  /// True if a segment has taken what it may.
  bool full(std::size_t bytes) const {
    if (recorded_bytes() < bytes) return false;
    if (!segments_)
      throw Refusal("a loop takes more than LoopOptions::recording = " + std::to_string(most_bytes_) + " bytes " + this->where() +
                    "; recorded in segments it can be by ScoreFunction, LeaveOneOut, StochasticDerivative, StraightThrough and "
                    "SmoothedDerivative: take one of them, or set recording = 0");
    return true;
  }
  /// What draws before a loop come to is recorded now: a body that asked for it first would do so in each of its segments.
  void make_nodes() {
    if (mode_ != Outcomes::variables) return;
    for (; nodes_ < log_.size(); ++nodes_)
      if (Site& s = log_[nodes_]; s.count > 0 && s.node == 0) make_node(s), s.spare = true;
  }
  template <class State>
  static std::vector<T> values_of(State& state) {
    std::vector<T> values;
    detail::each_variable(state, [&](const auto& x) {
      if constexpr (DenseLike<decltype(x)>) {
        const auto dense = x.eigen();
        for (Eigen::Index j = 0; j < dense.cols(); ++j)
          for (Eigen::Index i = 0; i < dense.rows(); ++i) values.push_back(dense(i, j));
      } else {
        values.push_back(x.value());
      }
    });
    return values;
  }

  template <class State>
  void open(LoopRun<State>& loop, State& state) {
    make_nodes();
    loop.before = here();
    loop.place = this->place();
    loop.blocks = blocks_;
    loop.bytes = recorded_bytes() + std::max(most_bytes_, kept_bytes_);
    loop.limited = !again_;
    if (!again_ || next_ == segmented_.size() || segmented_[next_].number != this->loop()) return;
    const Segmented& known = segmented_[next_];
    if (known.before.tape.next != loop.before.tape.next || known.before.tape.arguments != loop.before.tape.arguments ||
        known.before.log != loop.before.log || known.place.site != site_ || known.starts.back().step != loop.steps)
      another_path();
    loop.known = true;
    gaps_.push_back({site_, site_});
    if (next_ != target_) return finish(loop, state);
    loop.state = state;
    loop.cost = cost_;
    // One of the segments is recorded twice: a sum that the body keeps for itself would come out right if all ran once.
    loop.trial = true;
    start(loop, state, this->plan().key.run % known.starts.size());
  }
  [[noreturn]] void another_path() const {
    throw Error("draw.iterate: run " + std::to_string(this->plan().key.run) + ", recorded again, came to loop " +
                std::to_string(this->loop()) + " on another path; the program depends on more than theta and its draws " +
                this->where());
  }
  /// After the iterations up to loop.end. False if they were the last.
  template <class State>
  bool next(LoopRun<State>& loop, State& state) {
    if (again_) return back(loop, state);
    if (loop.end == loop.steps && !loop.known) return false;  // it fitted
    keep(loop, state);
    loop.first = loop.end;
    loop.end = loop.steps;
    if (loop.first == loop.end) {
      finish(loop, state);
      return false;
    }
    resume(segmented_.back(), segmented_.back().starts.size() - 1, state);
    loop.bytes = recorded_bytes() + std::max(most_bytes_, kept_bytes_);
    return true;
  }
  /// Makes the present state a checkpoint.
  template <class State>
  void keep(LoopRun<State>& loop, State& state) {
    if (seen_) {
      look();
      moving_.clear();
      const auto take = [this](Index index) {
        auto& lanes = moving_.emplace_back();
        std::copy_n(tape_->tangents()[index], lanes.size(), lanes.begin());
      };
      const auto tangents = [&](const auto& x) {
        if (!x.active()) return;
        if constexpr (DenseLike<decltype(x)>) {
          for (Eigen::Index j = 0; j < x.cols(); ++j)
            for (Eigen::Index i = 0; i < x.rows(); ++i) take(x(i, j).index());
        } else {
          take(x.index());
        }
      };
      detail::each_variable(state, tangents);
      tangents(cost_);
    }
    if (!loop.known) {
      loop.known = true;
      Segmented fresh;
      fresh.number = this->loop();
      fresh.before = loop.before;
      fresh.place = loop.place;
      fresh.blocks = loop.blocks;
      fresh.states = std::make_unique<detail::StatesOf<State>>();
      segmented_.push_back(std::move(fresh));
      gaps_.push_back({loop.place.site, site_});
    }
    Segmented& segmented = segmented_.back();
    Start start{loop.end, this->place(), blocks_, cost_, values_of(state)};
    detail::each_variable(state, [&](const auto& x) {
      if (x.active()) {
        if constexpr (DenseLike<decltype(x)>) start.active += static_cast<std::size_t>(x.size());
        else start.active += 1;
      }
    });
    start.active += cost_.active();
    static_cast<detail::StatesOf<State>&>(*segmented.states).keep(state);
    kept_bytes_ += sizeof(Start) + start.values.size() * sizeof(T) + detail::bytes_of(state);
    segmented.starts.push_back(std::move(start));
    segmented.longest = std::max<std::size_t>(segmented.longest, tape_->size() - loop.before.tape.next);
    for (const Site& s : std::span(log_).subspan(loop.before.log)) forgotten_.note(s);
  }
  /// Goes on from a checkpoint: the state has its values as new variables, behind so many empty places of the tape.
  template <class State>
  void resume(const Segmented& segmented, std::size_t k, State& state, std::size_t empty = 0) {
    rewind(segmented.before);
    if (empty > 0) tape_->inputs(empty);
    const Start& start = segmented.starts[k];
    this->go_to(start.place);
    blocks_ = start.blocks;
    state = static_cast<const detail::StatesOf<State>&>(*segmented.states)[k];
    cost_ = start.cost;
    active_ = start.active;
    first_ = active_ > 0 ? tape_->inputs(active_) : 0;
    looked_ = segmented.before.tape;
    Index index = first_;
    const T* value = start.values.data();
    const auto renew = [&](auto& x) {
      using X = std::remove_cvref_t<decltype(x)>;
      if constexpr (DenseLike<X>) {
        const auto n = static_cast<std::size_t>(x.size());
        T* const values = tape_->arena().template allocate<T>(n);
        std::copy_n(value, n, values);
        const bool active = x.active();
        x = X::on_tape(values, active ? index : 0, x.rows(), x.cols());
        value += n;
        if (active) index += static_cast<Index>(n);
      } else {
        if (x.active()) x = X(x.value(), index++, tape_->tag());
        ++value;
      }
    };
    detail::each_variable(state, renew);
    renew(cost_);
    gaps_.back() = {segmented.place.site, site_};
    mind_gaps();
  }
  /// Goes on after the loop.
  template <class State>
  void finish(LoopRun<State>& loop, State& state) {
    Segmented& segmented = segmented_[next_++];
    resume(segmented, segmented.starts.size() - 1, state, segmented.longest);
    segmented.end = first_;
    segmented.end_mark = tape_->mark();
    loop.first = loop.end = loop.steps;
  }
  /// Goes to the start of a segment.
  template <class State>
  void start(LoopRun<State>& loop, State& state, std::size_t segment) {
    const Segmented& segmented = segmented_[next_];
    loop.segment = segment;
    if (segment > 0) {
      resume(segmented, segment - 1, state);
    } else {
      rewind(segmented.before);
      this->go_to(segmented.place);
      blocks_ = segmented.blocks;
      state = *loop.state;
      cost_ = loop.cost;
      active_ = 0;
      gaps_.back() = {site_, site_};
      mind_gaps();
    }
    loop.place.site = site_;
    loop.first = segment > 0 ? segmented.starts[segment - 1].step : 0;
    loop.end = segmented.starts[segment].step;
  }
  /// After a segment that was recorded again: its sweep, and the one before. False after the first of them.
  template <class State>
  bool back(LoopRun<State>& loop, State& state) {
    if (loop.first == loop.end) return false;  // the loop was passed over
    const Segmented& segmented = segmented_[next_];
    const Start& end = segmented.starts[loop.segment];
    const std::vector<T> values = values_of(state);
    if (site_ != end.place.site || cost_.value() != end.cost.value() || values.size() != end.values.size() ||
        (!values.empty() && std::memcmp(values.data(), end.values.data(), values.size() * sizeof(T)) != 0))
      throw Error("draw.iterate: in run " + std::to_string(this->plan().key.run) + " the iterations " + std::to_string(loop.first) +
                  " to " + std::to_string(loop.end - 1) + " of loop " + std::to_string(this->loop()) +
                  ", recorded again, did not end in the same state; the body of this loop changes something besides its state, or "
                  "the program depends on more than theta and its draws");
    if (std::exchange(loop.trial, false)) {
      start(loop, state, segmented.starts.size() - 1);
      return true;
    }
    tape_->clear_adjoints(segmented.before.tape);
    const T* adjoint = adjoint_.data();
    const auto seed = [&](const auto& x) {
      if (!x.active()) return;
      if constexpr (DenseLike<decltype(x)>) {
        for (Eigen::Index j = 0; j < x.cols(); ++j)
          for (Eigen::Index i = 0; i < x.rows(); ++i) tape_->adjoints()[x(i, j).index()] += *adjoint++;
      } else {
        tape_->adjoints()[x.index()] += *adjoint++;
      }
    };
    detail::each_variable(state, seed);
    seed(cost_);
    in_segment_ = true;
    rule_(loop.place.site, site_);
    in_segment_ = false;
    tape_->adjoints()[0] = 0;
    tape_->reverse(segmented.before.tape);
    adjoint_.assign(tape_->adjoints() + first_, tape_->adjoints() + first_ + active_);
    if (loop.segment == 0) {
      gaps_.back() = {segmented.place.site, segmented.place.site};
      finish(loop, state);
      return false;
    }
    start(loop, state, loop.segment - 1);
    return true;
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

  std::size_t most_bytes_ = 0;
  bool segments_ = false;
  std::vector<Segmented> segmented_;
  std::size_t kept_bytes_ = 0;
  Forgotten forgotten_;
  std::vector<detail::SiteGap> gaps_;
  std::size_t tail_ = 0, gap_ = 0;  ///< the end of the last gap, and how many sites there are in all of them
  std::size_t next_ = 0;            ///< segmented loops so far
  std::size_t nodes_ = 0;           ///< sites whose outcomes are on the tape, if they are to be variables
  Index first_ = 0;                 ///< variables of the state that the present segment started from ...
  std::size_t active_ = 0;          ///< ... and how many
  detail::SiteRule seen_;
  std::size_t unseen_ = 0;                             ///< the first site that it was not called for
  typename Tape<T>::Mark looked_{};                    ///< up to where tangents are known
  std::vector<std::array<T, Tape<T>::lanes>> moving_;  ///< tangents of the state that the present segment started from
  bool again_ = false;                                 ///< the run is recorded once more
  std::size_t target_ = 0;
  std::vector<T> adjoint_;
  detail::SiteRule rule_;
  bool in_segment_ = false;
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
