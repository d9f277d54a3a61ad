// stoat/program/trace.hpp: record once, replay and sweep many times.
//
// The derivative of an expected cost is E[ d_c f + sum_i d_c p_i a_i ], where d_c differentiates with every discrete outcome
// held fixed and a_i, the *site adjoint*, has mean E[f | x_i = 1] - E[f | x_i = 0] given the history. A trace offers what it
// takes to form such estimates: a plain run, a recording forced to the outcomes of that run, replays of it with one outcome
// changed, and reverse sweeps with the edges from outcomes to parameters open or cut.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <stoat/program/program.hpp>

namespace stoat {

/// Work done, in executions of the program and in reverse sweeps. A replay counts what it draws, as a fraction of the run's sites:
/// not what is forced, nor what a loop of draw.iterate skips. Where it is made of changes, a coin that it looks at counts as the
/// 32nd part of one that is drawn, about what it takes.
struct Work {
  double runs = 0;    ///< of the program
  double sweeps = 0;  ///< in reverse
  Work& operator+=(const Work& w) {
    runs += w.runs, sweeps += w.sweeps;
    return *this;
  }
};

/// The slopes d outcome / d parameter j that an OPEN sweep uses at a site.
template <class F>
concept EdgeRule = requires(const F& f, const Site& site, std::span<double> out) {
  f(site, out);
};

/// One program at one parameter vector, on one thread. Reused for all runs of an estimate; allocates nothing once warm.
template <class T>
class Trace {
 public:
  /// Up to four directions in theta, one a column.
  using Directions = Eigen::Matrix<T, Eigen::Dynamic, 4>;

  /// max_draws: most draws of one run before it is taken to be endless.
  Trace(Program<T> program, const Eigen::VectorX<T>& theta, std::size_t max_draws = std::size_t{1} << 24);

  Eigen::Index parameters() const { return theta_.size(); }
  const Eigen::VectorX<T>& theta() const { return theta_; }
  /// Throws Error if theta is empty or not finite.
  void set_parameters(const Eigen::VectorX<T>& theta);
  const Program<T>& program() const { return program_; }
  /// Number of data that the program is about (0: none), and the one of the runs from now on.
  std::size_t data() const { return program_.data(); }
  void set_datum(std::size_t datum) { datum_ = datum; }
  std::size_t datum() const { return datum_; }
  /// How replays use the loops of draw.iterate.
  void set_loop_options(const LoopOptions& options) { loop_options_ = options; }

  // ---- runs -----------------------------------------------------------------------------------------------------

  /// A plain run; its outcomes and cost become the baseline of recordings and replays. `replays`: how many are to come, where
  /// that is known. The states of loops are kept for two or more, by this run or else before the second one. Where some are to
  /// come, operations are asked to keep what spares them a rerun (changes.hpp).
  T run(const RunKey& key, std::size_t replays = 0);
  /// The cost of a plain run at these parameters on these keys. Nothing else is kept of it.
  T run(const RunKey& key, const Eigen::VectorX<T>& theta);
  /// Records the baseline run again, forced to its outcomes.
  void record(Outcomes outcomes = Outcomes::variables);
  /// Records a run while drawing it: for estimators that make no replays. Returns its cost.
  T record(const RunKey& key, Outcomes outcomes = Outcomes::variables);
  /// The same, but if LoopOptions::recording says so, loops of draw.iterate in segments (see segments.hpp). What is to be done at
  /// sites then goes through visit_sites(), or open().
  T record_in_segments(const RunKey& key, Outcomes outcomes = Outcomes::variables);
  /// Records the baseline run again, forced to its outcomes, in segments likewise. visit(first, end) is called for all sites in
  /// their order, while they are at hand, with the tangents of their parameters as after tangents(directions).
  void record_in_segments(Outcomes outcomes, const Directions& directions, const detail::SiteRule& visit);
  /// True if LoopOptions::recording asks for recordings in segments.
  bool segments() const { return loop_options_.recording > 0; }
  /// The same with coins and labels relaxed.
  T record(const RunKey& key, Relaxation<T>& relaxation);
  /// Records the baseline run again, forced to its outcomes, with coins and labels relaxed. Returns the cost of the recording.
  T record(Relaxation<T>& relaxation);
  /// Records a run whose first sites are forced and whose later sites take their lowest outcome (enumeration); as variables, if
  /// open sweeps are to come.
  T record_lowest(const RunKey& key, std::span<const std::int64_t> forced, Outcomes outcomes = Outcomes::constants);
  /// The cost of the baseline run with the outcome of `site` replaced, later sites on the same keys. Plain numbers.
  /// If `chances`, replayed_chances() tells more. In a program with loops of draw.iterate it skips what would repeat the run; the
  /// cost is bit for bit that of a full rerun. Throws Error where LoopOptions::check finds that it is not. Where by_changes(), the
  /// outcomes are those of a rerun and the cost is, to rounding.
  T replay(std::size_t site, std::int64_t outcome, bool chances = false);
  /// replay() less cost(), without the rounding of the difference where by_changes().
  T change(std::size_t site, std::int64_t outcome, bool chances = false);
  /// True if replays of the baseline cost what they change: all its operations offered it (changes.hpp).
  bool by_changes() const { return changes_.complete(); }
  /// Replays from now on are reruns where a difference comes so close to a margin that rounding may decide; 0: nowhere. For tests
  /// in float: unbiased are the replays of either kind.
  void set_guard(T guard) { changes_.set_guard(guard); }
  /// The last block of coins of the baseline, if no other coins depend on them, nor on each other but in ways that can be told for
  /// all of them together; else an empty one. `at_once`: only if that costs little more than a run.
  typename ReplayLog<T>::Block last_block(bool at_once = false) const { return changes_.last(at_once); }
  /// change() of every site of last_block(), which are coins.
  void changes_of_last(std::span<T> out);
  /// The cost of the baseline run with the first `forced` outcomes kept and the later ones drawn anew through a coupling.
  T replay(std::size_t forced, const Coupling& coupling);
  /// The outcomes of the last replay.
  std::span<const std::int64_t> replayed() const;
  /// The probability of outcome 1 at every site of the last replay through a coupling, or of one that was to tell.
  std::span<const double> replayed_chances() const { return chances_; }
  /// The work of the last replay of a site, in runs.
  double replay_cost() const { return replay_cost_; }
  /// True if the state of a loop became that of the run again in the last replay, which went no further in it.
  bool rejoined() const { return rejoined_; }

  // ---- what was recorded ------------------------------------------------------------------------------------------

  /// The cost of the baseline (of the recording, if it was drawn while recorded).
  T cost() const { return cost_; }
  /// True if some of the cost was added during the recording by draw.cost().
  bool costs_added() const { return !recorder_.costs().empty(); }
  const auto& costs() const { return recorder_.costs(); }
  /// What is left of the cost after each site: without what was added before it was drawn.
  void costs_to_go(std::vector<double>& out) const { costs_to_go(0, sites(), out); }
  /// The same for the sites first, ..., end - 1.
  void costs_to_go(std::size_t first, std::size_t end, std::vector<double>& out) const;
  std::size_t sites() const { return recorder_.sites(); }
  /// Throws Refusal if the site is in a segment that is not at hand.
  const Site& site(std::size_t i) const { return recorder_.at(i); }
  /// Calls rule(first, end) for the sites from first up to end that are at hand: all of them, unless loops were recorded in
  /// segments. For the sites of a segment it will be called when the next sweep comes to it; what it refers to must live so long.
  void visit_sites(const detail::SiteRule& rule);
  /// True if some parameter of the site depends on theta.
  bool active(std::size_t i) const { return site(i).count > 0; }
  /// Appends the alternatives of a site. Flow::least_variance needs tangents().
  void alternatives(std::size_t i, Flow flow, Alternatives& out) const;
  const Tape<T>& tape() const { return tape_; }

  // ---- sweeps -----------------------------------------------------------------------------------------------------

  /// From now on sweeps stop at discrete outcomes.
  void cut();
  /// From now on sweeps pass from an outcome to the parameters of its law with the slopes of the rule.
  template <EdgeRule F>
  void open(const F& rule) {
    open(rule, [](const Site&) { return true; });
  }
  /// The same at the sites for which select(site) is true; the sites of one block go together.
  template <EdgeRule F, class Select>
  void open(const F& rule, const Select& select) {
    cut();
    const auto all = [this, rule, select](std::span<const Site> sites) {
      for (const Site& s : sites)
        if (s.node && select(s)) open_edge(s, rule);
    };
    all(recorder_.log());
    if (!recorder_.segmented().empty()) open_sites_ = all;
    open_ = true;
  }
  void begin_sweep();
  void seed_cost(T a) { tape_.adjoints()[cost_index_] += a; }
  /// Seeds parameter j of the law of a site.
  void seed(std::size_t site, std::uint32_t j, T a) { seed(this->site(site), j, a); }
  void seed(const Site& s, std::uint32_t j, T a) { tape_.adjoints()[recorder_.parameters()[s.first + j]] += a; }
  /// Seeds a variable of the recording.
  void seed(const Var<T>& x, T a) { tape_.adjoints()[x.index()] += a; }
  /// After tangents(): that of a variable of the recording along the first direction.
  T tangent(const Var<T>& x) const { return tape_.tangents()[x.index()][0]; }
  /// Reverse sweep; adds the adjoints of theta, times `factor`, to the gradient.
  void sweep(Eigen::VectorXd& gradient, double factor = 1);
  /// After an OPEN sweep: what arrived at parameter j of a site through the edge from its outcome alone.
  T edge_adjoint(std::size_t site, std::uint32_t j) const {
    const Site& s = this->site(site);
    if (s.node == 0) return T(0);
    const T adjoint = tape_.adjoints()[s.node + (s.law->one_hot ? j : 0)];
    if (adjoint == T(0)) return T(0);
    if (s.edges) return adjoint * slopes(s)[j];
    return adjoint * tape_.partials()[s.arguments + j].value;
  }

  /// After a sweep: the derivative in the outcome of a site of what was swept, in entry j of a one-hot draw; 0 where the outcome
  /// entered no arithmetic. Of a CUT sweep it is that with all other outcomes held fixed.
  T outcome_adjoint(std::size_t site, std::size_t j = 0) const {
    const Site& s = this->site(site);
    return s.node == 0 ? T(0) : tape_.adjoints()[s.node + (s.law->one_hot ? static_cast<Index>(j) : 0)];
  }
  /// After a sweep of a mean-field recording: what arrived at the mean of a site (one number, one-hot draws: one for each label);
  /// empty where the mean does not depend on theta.
  std::span<const T> mean_adjoints(std::size_t site) const {
    const Site& s = this->site(site);
    return {tape_.adjoints() + s.mean, s.means};
  }

  /// d_c of every parameter of every site at once, along up to four directions in theta (columns): with at most four
  /// parameters these are the unit vectors and the tangents are exact partial derivatives.
  void tangents(const Directions& directions);
  /// After tangents(): Euclidean norm of the sum of w d_c parameter over these weights of a site.
  double importance(std::size_t site, std::span<const Weight> weights) const;
  /// True if a CUT sweep seeded with these weights at a site alone moves any component of theta. Throws Refusal where a loop in
  /// segments keeps that from being known.
  bool moves(std::size_t site, std::span<const Weight> weights);

  /// How a run forced to the outcomes of the baseline is drawn, for runs of the program elsewhere; count() tells of them.
  DrawPlan baseline_plan() const { return {.key = key_, .forced = baseline_.outcomes(), .limit = max_draws_, .datum = datum_}; }
  void count(double runs, double sweeps) { work_ += {runs, sweeps}; }
  /// Work since the last take_work().
  const Work& work() const { return work_; }
  /// Work since the last call.
  Work take_work() { return std::exchange(work_, Work{}); }

  /// What was noticed in the recordings so far.
  struct Notes {
    std::uint64_t recordings = 0, sites = 0;  ///< how many, and the sites of all of them
    std::uint64_t numbers = 0;                ///< sites with moving parameters whose outcome was read as bool or integer ...
    std::uint64_t variables = 0;              ///< ... and those whose outcome entered arithmetic
    std::uint64_t comparisons = 0;            ///< comparisons of continuous values that depend on theta
    std::size_t first_comparison = no_site;   ///< the smallest number of sites before such a comparison
    Notes& operator+=(const Notes& n) {
      recordings += n.recordings, sites += n.sites, numbers += n.numbers, variables += n.variables, comparisons += n.comparisons;
      first_comparison = std::min(first_comparison, n.first_comparison);
      return *this;
    }
  };
  const Notes& notes() const { return notes_; }
  /// What was noticed since the last call.
  Notes take_notes() { return std::exchange(notes_, Notes{}); }

 private:
  template <class F>
  void open_edge(const Site& s, const F& rule) {
    slopes_.resize(s.count);
    if (s.law->one_hot) std::fill(slopes_.begin(), slopes_.end(), 1.0);
    else rule(s, std::span<double>(slopes_));
    if (s.edges) {
      static_cast<Edges<T>*>(s.edges)->open = true;
      std::transform(slopes_.begin(), slopes_.end(), slopes(s), [](double x) { return static_cast<T>(x); });
      return;
    }
    for (std::uint32_t j = 0; j < s.count; ++j) {
      tape_.partials()[s.arguments + j].value = static_cast<T>(slopes_[j]);
      tape_.indices()[s.arguments + j].index = recorder_.parameters()[s.first + j];
    }
  }
  /// The slopes of a site whose outcome is an output of an operation with others.
  static T* slopes(const Site& s) {
    const auto& edges = *static_cast<const Edges<T>*>(s.edges);
    return edges.slopes + (s.first - edges.first);
  }
  /// The change of a coin without a rerun, if that is possible.
  std::optional<T> quick_change(std::size_t site, std::int64_t outcome, bool chances);
  T rerun(std::size_t site, std::int64_t outcome, bool chances);
  /// What is to be done at sites while a run is recorded.
  struct Look {
    const Directions& directions;
    const detail::SiteRule& visit;
  };
  void record_plan(const DrawPlan& plan, Outcomes outcomes, Relaxation<T>* relaxation = nullptr, bool segments = false,
                   const Look* look = nullptr);
  void seed_tangents(const Directions& directions);
  /// Records the run once more, in the same places: all but the loops in segments, of which that of number `target` is swept.
  void record_again(std::size_t target, std::vector<T> adjoint);
  /// The reverse sweep of a recording in segments.
  void reverse_segments();
  DrawPlan replay_plan(std::size_t site, std::int64_t outcome, bool chances);
  T run_replay(const DrawPlan& plan);
  /// Keeps the states of the baseline's loops.
  void keep_states(bool chances);
  /// Replays an outcome of the baseline itself, from the middle of one of its loops.
  void check_states();
  /// Replays a site without skipping anything, and compares.
  void check_replay(std::size_t site, std::int64_t outcome, bool chances, T cost);
  /// Throws Error that names the first loop in which skipping makes a difference.
  void loop_trouble(DrawPlan plan, T full);
  T checked(T cost, const SamplerBase& sampler) const;
  T plain_cost(Sampler<T>& sampler, const Vector<T>& theta) const;
  Flow best_flow(const Site& s) const;

  Program<T> program_;
  Eigen::VectorX<T> theta_;
  Vector<T> plain_theta_;
  std::size_t max_draws_;
  std::size_t datum_ = 0;
  Tape<T> tape_;
  Sampler<T> baseline_, replay_;
  Sampler<Var<T>> recorder_;
  RunKey key_;
  T cost_ = 0;
  T recorded_cost_ = 0;
  Index cost_index_ = 0;
  bool open_ = false;
  std::function<void(std::span<const Site>)> open_sites_;  ///< opens edges of a recording in segments
  std::vector<detail::SiteRule> rules_;                    ///< what is to be done at its sites
  bool swept_ = false;  ///< it was swept: of the tape only what came before the first loop is left
  Work work_;
  Notes notes_;
  std::vector<double> slopes_, chances_;
  LoopOptions loop_options_;
  detail::Checkpoints checkpoints_;  // of the baseline
  std::size_t replays_ = 0;          // of it
  std::size_t cut_short_ = 0;        // replays that could skip something
  double replay_cost_ = 0;
  bool rejoined_ = false;
  ReplayLog<T> changes_;              // of the baseline
  bool replayed_by_changes_ = false;  // the last replay was
  mutable std::vector<std::int64_t> replayed_;
};

extern template class Trace<float>;
extern template class Trace<double>;

}  // namespace stoat
