// stoat/program/recorded_sampler.hpp: the draws of a run on variables. Blocks of draws are in recorded_block.hpp, loops in segments
// in recorded_segments.hpp; sampler.hpp has all.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
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
  auto block(const L& law);
  template <class U>
  DiscreteBlock<S, 1> columns(const Matrix<U>& w);
  /// Labels of one law: their sites share it, and its parameters.
  template <class L>
  std::vector<Discrete<S>> repeated(const L& law, std::size_t n);
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
  static std::vector<T> values_of(State& state);

  template <class State>
  void open(LoopRun<State>& loop, State& state);
  [[noreturn]] void another_path() const;
  /// After the iterations up to loop.end. False if they were the last.
  template <class State>
  bool next(LoopRun<State>& loop, State& state);
  /// Makes the present state a checkpoint.
  template <class State>
  void keep(LoopRun<State>& loop, State& state);
  /// Goes on from a checkpoint: the state has its values as new variables, behind so many empty places of the tape.
  template <class State>
  void resume(const Segmented& segmented, std::size_t k, State& state, std::size_t empty = 0);
  /// Goes on after the loop.
  template <class State>
  void finish(LoopRun<State>& loop, State& state);
  /// Goes to the start of a segment.
  template <class State>
  void start(LoopRun<State>& loop, State& state, std::size_t segment);
  /// After a segment that was recorded again: its sweep, and the one before. False after the first of them.
  template <class State>
  bool back(LoopRun<State>& loop, State& state);

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
