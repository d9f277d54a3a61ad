#include <stoat/program/trace.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>

namespace stoat {
namespace {

/// So many that different numbers read differently.
template <class T>
std::string digits(T x) {
  std::ostringstream text;
  text << std::setprecision(std::numeric_limits<T>::max_digits10) << x;
  return text.str();
}

}  // namespace

template <class T>
Trace<T>::Trace(Program<T> program, const Eigen::VectorX<T>& theta, std::size_t max_draws)
    : program_(std::move(program)), max_draws_(max_draws) {
  set_parameters(theta);
}

template <class T>
void Trace<T>::set_parameters(const Eigen::VectorX<T>& theta) {
  if (theta.size() == 0) throw Error("the parameter vector is empty");
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i])) {
      std::string name = "theta[";
      name += std::to_string(i);
      name += "]";
      throw Error(outside(name, static_cast<double>(theta[i]), "(-infinity, infinity)"));
    }
  theta_ = theta;
  plain_theta_ = Vector<T>(theta);
  checkpoints_.begin(loop_options_.memory);  // those of the baseline are of other parameters
  changes_.forget();
}

template <class T>
T Trace<T>::checked(T cost, const SamplerBase& sampler) const {
  if (!std::isfinite(cost)) throw Error("the cost is " + std::to_string(cost) + " at the end of a run " + sampler.where());
  return cost;
}

template <class T>
T Trace<T>::plain_cost(Sampler<T>& sampler, const Vector<T>& theta) const {
  const T returned = program_(sampler, theta);
  return checked(returned + sampler.added_cost(), sampler);
}

template <class T>
T Trace<T>::run(const RunKey& key, std::size_t replays) {
  key_ = key;
  replays_ = 0;
  checkpoints_.begin(loop_options_.memory);
  baseline_.begin({.key = key, .limit = max_draws_, .datum = datum_, .keep = replays > 1 ? &checkpoints_ : nullptr});
  changes_.begin();
  baseline_.set_replay_log(replays > 0 ? &changes_ : nullptr);
  cost_ = plain_cost(baseline_, plain_theta_);
  changes_.end(baseline_.outcomes().size(), cost_);
  work_.runs += 1;
  if (replays > 1 && !baseline_.loops().loops.empty()) {
    checkpoints_.finish();
    if (loop_options_.check) check_states();
  }
  return cost_;
}

template <class T>
T Trace<T>::run(const RunKey& key, const Eigen::VectorX<T>& theta) {
  replay_.begin({.key = key, .limit = max_draws_, .datum = datum_, .forget = true});
  work_.runs += 1;
  return plain_cost(replay_, Vector<T>(theta));
}

template <class T>
void Trace<T>::record_plan(const DrawPlan& plan, Outcomes outcomes, Relaxation<T>* relaxation, bool segments, const Look* look) {
  typename Tape<T>::Use use(tape_);
  tape_.clear();
  rules_.clear();
  open_sites_ = nullptr;
  swept_ = false;
  recorder_.begin(plan, tape_, outcomes, relaxation, loop_options_.recording, segments);
  const Vector<Var<T>> theta = variables(tape_, theta_);
  if (look) {
    seed_tangents(look->directions);
    recorder_.see(look->visit);
  }
  Var<T> cost = program_(recorder_, theta);
  if (costs_added()) cost += recorder_.added_cost();
  if (look) recorder_.look();
  recorded_cost_ = checked(cost.value(), recorder_);
  cost_index_ = cost.index();
  open_ = false;
  work_.runs += 1;
  notes_.recordings += 1;
  notes_.sites += sites();
  auto noted = recorder_.forgotten();
  for (const Site& s : recorder_.log()) noted.note(s);
  notes_.numbers += noted.numbers;
  notes_.variables += noted.variables;
  if (tape_.comparisons().count > 0) {
    notes_.comparisons += tape_.comparisons().count;
    notes_.first_comparison = std::min(notes_.first_comparison, tape_.comparisons().first);
  }
}

template <class T>
void Trace<T>::record(Outcomes outcomes) {
  record_plan({.key = key_, .forced = baseline_.outcomes(), .limit = max_draws_, .datum = datum_}, outcomes);
}

template <class T>
T Trace<T>::record(const RunKey& key, Relaxation<T>& relaxation) {
  key_ = key;
  record_plan({.key = key, .limit = max_draws_, .datum = datum_}, Outcomes::relaxed, &relaxation);
  return cost_ = recorded_cost_;
}

template <class T>
T Trace<T>::record(Relaxation<T>& relaxation) {
  record_plan({.key = key_, .forced = baseline_.outcomes(), .limit = max_draws_, .datum = datum_}, Outcomes::relaxed, &relaxation);
  return recorded_cost_;
}

template <class T>
T Trace<T>::record(const RunKey& key, Outcomes outcomes) {
  key_ = key;
  record_plan({.key = key, .limit = max_draws_, .datum = datum_}, outcomes);
  return cost_ = recorded_cost_;
}

template <class T>
T Trace<T>::record_in_segments(const RunKey& key, Outcomes outcomes) {
  key_ = key;
  record_plan({.key = key, .limit = max_draws_, .datum = datum_}, outcomes, nullptr,
              outcomes == Outcomes::constants || outcomes == Outcomes::variables);
  return cost_ = recorded_cost_;
}

template <class T>
void Trace<T>::record_in_segments(Outcomes outcomes, const Directions& directions, const detail::SiteRule& visit) {
  const Look look{directions, visit};
  record_plan({.key = key_, .forced = baseline_.outcomes(), .limit = max_draws_, .datum = datum_}, outcomes, nullptr, true, &look);
  work_.sweeps += 1;
}

template <class T>
void Trace<T>::record_again(std::size_t target, std::vector<T> adjoint) {
  typename Tape<T>::Use use(tape_);
  tape_.clear();
  recorder_.begin_again(target, std::move(adjoint), [this](std::size_t first, std::size_t end) {
    if (open_sites_) open_sites_(recorder_.segment());
    for (const detail::SiteRule& rule : rules_) rule(first, end);
  });
  const Vector<Var<T>> theta = variables(tape_, theta_);
  Var<T> cost = program_(recorder_, theta);
  if (costs_added()) cost += recorder_.added_cost();
  if (cost.value() != recorded_cost_ || cost.index() != cost_index_)
    throw Error(
        "run " + std::to_string(key_.run) + " was recorded with the cost " + digits(recorded_cost_) +
        " and, once more for its loops in segments, with " + digits(cost.value()) +
        "; the body of a loop changes something besides its state, or the program depends on more than theta and its draws");
}

template <class T>
void Trace<T>::visit_sites(const detail::SiteRule& rule) {
  std::size_t first = 0;
  for (const detail::SiteGap& gap : recorder_.gaps()) {
    if (first < gap.begin) rule(first, gap.begin);
    first = gap.end;
  }
  if (first < sites()) rule(first, sites());
  if (!recorder_.segmented().empty()) rules_.push_back(rule);
}

template <class T>
void Trace<T>::begin_sweep() {
  if (std::exchange(swept_, false)) {
    record_again(no_site, {});
    if (open_sites_) open_sites_(recorder_.log());
  }
  tape_.clear_adjoints();
}

template <class T>
void Trace<T>::reverse_segments() {
  const auto& loops = recorder_.segmented();
  double sites_again = 0;
  for (std::size_t l = loops.size(); l-- > 0;) {
    tape_.reverse(loops[l].end_mark);
    const T* const adjoints = tape_.adjoints();
    const T* const empty = adjoints + loops[l].before.tape.next;
    if (std::any_of(empty, empty + loops[l].longest, [](T a) { return a != T(0); }))
      throw Error("draw.iterate: in run " + std::to_string(key_.run) + " what follows loop " + std::to_string(loops[l].number) +
                  " uses a variable of its body; the body of this loop changes something besides its state");
    const T* const end = adjoints + loops[l].end;
    record_again(l, std::vector<T>(end, end + loops[l].starts.back().active));
    recorder_.rewind(l);
    if (open_sites_) open_sites_(recorder_.log());
    sites_again += static_cast<double>(loops[l].starts.back().place.site - loops[l].place.site);
  }
  tape_.adjoints()[0] = 0;
  tape_.reverse();
  rules_.clear();
  swept_ = true;
  work_.runs += sites_again / static_cast<double>(std::max<std::size_t>(sites(), 1));
}

template <class T>
T Trace<T>::record_lowest(const RunKey& key, std::span<const std::int64_t> forced, Outcomes outcomes) {
  key_ = key;
  record_plan({.key = key, .forced = forced, .lowest = true, .limit = std::min<std::size_t>(max_draws_, 4096), .datum = datum_},
              outcomes);
  if (recorder_.noisy())
    throw Refusal("Enumeration: the program draws continuous noise; its expected cost is no sum over discrete outcomes");
  return cost_ = recorded_cost_;
}

template <class T>
T Trace<T>::replay(std::size_t site, std::int64_t outcome, bool chances) {
  if (const std::optional<T> changed = quick_change(site, outcome, chances)) return cost_ + *changed;
  return rerun(site, outcome, chances);
}

template <class T>
T Trace<T>::change(std::size_t site, std::int64_t outcome, bool chances) {
  if (const std::optional<T> changed = quick_change(site, outcome, chances)) return *changed;
  return rerun(site, outcome, chances) - cost_;
}

template <class T>
std::optional<T> Trace<T>::quick_change(std::size_t site, std::int64_t outcome, bool chances) {
  const auto& outcomes = baseline_.outcomes();
  replayed_by_changes_ = changes_.complete() && !chances && site < outcomes.size() && outcome == 1 - outcomes[site];
  if (!replayed_by_changes_) return std::nullopt;
  const T changed = changes_.change(site);
  // To look whether a coin changes takes a small part of the time that it takes to draw one: between a 20th and a 40th.
  constexpr double look = 1.0 / 32;
  replay_cost_ = look * static_cast<double>(changes_.looked_at()) / static_cast<double>(outcomes.size());
  rejoined_ = false;
  work_.runs += replay_cost_;
  if (!std::isfinite(changed))
    throw Error("the cost changes by " + std::to_string(changed) + " in a replay of run " + std::to_string(key_.run) +
                " with site " + std::to_string(site) + " forced to " + std::to_string(outcome));
  if (changes_.close()) replayed_by_changes_ = false;
  return changes_.close() ? std::nullopt : std::optional<T>(changed);
}

template <class T>
void Trace<T>::changes_of_last(std::span<T> out) {
  const auto block = changes_.last(false);
  if (out.size() != block.sites)
    throw Error("changes_of_last: room for " + std::to_string(out.size()) + " sites, not " + std::to_string(block.sites));
  changes_.each(out);
  for (std::size_t i = 0; i < out.size(); ++i)
    if (!std::isfinite(out[i]))
      throw Error("the cost changes by " + std::to_string(out[i]) + " in a replay of run " + std::to_string(key_.run) +
                  " with site " + std::to_string(block.first + i) + " forced");
}

template <class T>
T Trace<T>::rerun(std::size_t site, std::int64_t outcome, bool chances) {
  const auto& outcomes = baseline_.outcomes();
  if (site >= outcomes.size())
    throw Error("replay: site " + std::to_string(site) + " was not visited; run " + std::to_string(key_.run) + " has " +
                std::to_string(outcomes.size()) + " sites");
  const bool known = checkpoints_.complete && (!chances || !checkpoints_.chances.empty());
  if (!baseline_.loops().loops.empty() && replays_++ > 0 && !known && !checkpoints_.full()) keep_states(chances);
  const T cost = run_replay(replay_plan(site, outcome, chances));
  work_.runs += replay_cost_;
  if (loop_options_.check && checkpoints_.complete && cut_short_++ % 64 == 0) check_replay(site, outcome, chances, cost);
  return cost;
}

template <class T>
DrawPlan Trace<T>::replay_plan(std::size_t site, std::int64_t outcome, bool chances) {
  const auto& outcomes = baseline_.outcomes();
  return {.key = key_,
          .forced = std::span<const std::int64_t>(outcomes).first(site),
          .changed = site,
          .change_to = outcome,
          .limit = max_draws_,
          .datum = datum_,
          .chances = chances ? &chances_ : nullptr,
          .loops = baseline_.loops().loops.empty() ? nullptr : &baseline_.loops(),
          .sites = outcomes.size(),
          .checkpoints = checkpoints_.complete && (!chances || !checkpoints_.chances.empty()) ? &checkpoints_ : nullptr};
}

template <class T>
T Trace<T>::run_replay(const DrawPlan& plan) {
  chances_.clear();
  replay_.begin(plan);
  const T cost = plain_cost(replay_, plain_theta_);
  rejoined_ = replay_.rejoined();
  std::size_t forced = plan.changed;
  for (const detail::Skip& s : replay_.skips())
    if (s.from < plan.changed) forced -= s.n;
  replay_cost_ = static_cast<double>(replay_.outcomes().size() - forced) / static_cast<double>(plan.sites);
  return cost;
}

template <class T>
std::span<const std::int64_t> Trace<T>::replayed() const {
  if (replayed_by_changes_) {
    replayed_ = baseline_.outcomes();
    changes_.apply(replayed_);
    return replayed_;
  }
  if (replay_.skips().empty()) return replay_.outcomes();
  replayed_.clear();
  auto own = replay_.outcomes().begin();
  for (const detail::Skip& s : replay_.skips()) {
    const auto next = own + static_cast<std::ptrdiff_t>(s.at - replayed_.size());
    replayed_.insert(replayed_.end(), own, next);
    own = next;
    const auto skipped = baseline_.outcomes().begin() + static_cast<std::ptrdiff_t>(s.from);
    replayed_.insert(replayed_.end(), skipped, skipped + static_cast<std::ptrdiff_t>(s.n));
  }
  replayed_.insert(replayed_.end(), own, replay_.outcomes().end());
  return replayed_;
}

template <class T>
void Trace<T>::keep_states(bool chances) {
  checkpoints_.begin(loop_options_.memory);
  replay_.begin({.key = key_,
                 .forced = baseline_.outcomes(),
                 .limit = max_draws_,
                 .datum = datum_,
                 .chances = chances ? &checkpoints_.chances : nullptr,
                 .keep = &checkpoints_});
  const T cost = plain_cost(replay_, plain_theta_);
  work_.runs += 1;
  if (cost != cost_)
    throw Error("run " + std::to_string(key_.run) + " gave the cost " + digits(cost_) + " and, run again with the same outcomes, " +
                digits(cost) + "; the program depends on more than theta and its draws");
  checkpoints_.finish();
  if (loop_options_.check) check_states();
}

template <class T>
void Trace<T>::check_states() {
  const auto& [loops, marks] = baseline_.loops();
  const std::size_t l = key_.run % loops.size();
  const std::size_t site = marks[loops[l].first + loops[l].steps / 2].sites;
  if (!checkpoints_.complete || site >= marks[loops[l].end()].sites) return;
  DrawPlan plan = replay_plan(site, baseline_.outcomes()[site], false);
  plan.loops_skipped = static_cast<std::uint32_t>(l) + 1;
  for (const bool rejoin : {false, true}) {
    plan.rejoin = rejoin;
    const T cost = run_replay(plan);
    work_.runs += replay_cost_;
    if (cost != cost_) loop_trouble(plan, cost_);
  }
}

template <class T>
void Trace<T>::check_replay(std::size_t site, std::int64_t outcome, bool chances, T cost) {
  const std::span<const std::int64_t> taken = replayed();
  const std::vector<std::int64_t> outcomes(taken.begin(), taken.end());
  const double replay_cost = replay_cost_;
  const bool rejoined = rejoined_;
  DrawPlan plan = replay_plan(site, outcome, chances);
  plan.checkpoints = nullptr;
  const T full = run_replay(plan);
  work_.runs += replay_cost_;
  if (full != cost || replay_.outcomes() != outcomes) {
    plan.checkpoints = &checkpoints_;
    loop_trouble(plan, full);
  }
  replay_cost_ = replay_cost, rejoined_ = rejoined;
}

template <class T>
void Trace<T>::loop_trouble(DrawPlan plan, T full) {
  const std::size_t loops = std::min<std::size_t>(plan.loops_skipped, baseline_.loops().loops.size());
  for (std::uint32_t l = 0; l < loops; ++l) {
    plan.loops_skipped = l + 1;
    if (const T cost = run_replay(plan); cost != full || l + 1 == loops)
      throw Error("draw.iterate: in a replay of run " + std::to_string(key_.run) + " with site " + std::to_string(plan.changed) +
                  " forced to " + std::to_string(plan.change_to) + " the cost is " + digits(cost) + " if iterations of loop " +
                  std::to_string(l) + " are skipped, and " + digits(full) +
                  " if not; the body of this loop changes something besides its state");
  }
}

template <class T>
T Trace<T>::replay(std::size_t forced, const Coupling& coupling) {
  const auto& outcomes = baseline_.outcomes();
  chances_.clear();
  replay_.begin({.key = key_,
                 .forced = std::span<const std::int64_t>(outcomes).first(std::min(forced, outcomes.size())),
                 .limit = max_draws_,
                 .datum = datum_,
                 .coupling = &coupling,
                 .chances = &chances_});
  const T cost = plain_cost(replay_, plain_theta_);
  work_.runs += outcomes.empty() ? 1 : 1 - static_cast<double>(forced) / static_cast<double>(outcomes.size());
  return cost;
}

template <class T>
void Trace<T>::costs_to_go(std::size_t first, std::size_t end, std::vector<double>& out) const {
  out.assign(end - first, static_cast<double>(recorded_cost_));
  const auto& costs = recorder_.costs();
  auto cost = std::partition_point(costs.begin(), costs.end(), [&](const auto& c) { return c.sites <= first; });
  for (std::size_t i = first; i < end; ++i) {
    while (cost != costs.end() && cost->sites <= i) ++cost;
    if (cost != costs.begin()) out[i - first] -= std::prev(cost)->total;
  }
}

template <class T>
void Trace<T>::alternatives(std::size_t i, Flow flow, Alternatives& out) const {
  const Site& s = site(i);
  if (s.count == 0) return;
  if (flow == Flow::least_variance) flow = s.law->flow_moment ? best_flow(s) : Flow::inversion;
  s.law->alternatives(s.plain, i, s.outcome, flow, out);
}

template <class T>
Flow Trace<T>::best_flow(const Site& s) const {
  // The choice depends on the parameters of the site and their tangents, never on its outcome: that would bias it.
  constexpr std::array flows{Flow::independent, Flow::antisymmetric, Flow::inversion};
  static thread_local std::vector<double> tangents;
  tangents.resize(s.count);
  std::array<double, flows.size()> moment{};
  for (int l = 0; l < 4; ++l) {
    for (std::uint32_t j = 0; j < s.count; ++j)
      tangents[j] = static_cast<double>(tape_.tangents()[recorder_.parameters()[s.first + j]][l]);
    if (std::all_of(tangents.begin(), tangents.end(), [](double t) { return t == 0; })) continue;
    for (std::size_t f = 0; f < flows.size(); ++f) moment[f] += s.law->flow_moment(s.plain, flows[f], tangents);
  }
  std::size_t best = 0;
  for (std::size_t f = 1; f < flows.size(); ++f)
    if (moment[f] < moment[best]) best = f;
  return flows[best];
}

template <class T>
void Trace<T>::cut() {
  if (open_)
    for (const Site& s : recorder_.log()) {
      if (s.edges) static_cast<Edges<T>*>(s.edges)->open = false;
      // Not a partial of zero: an infinite adjoint times zero would reach the parameters as NaN. The sink takes it.
      else if (s.node) std::fill_n(tape_.indices() + s.arguments, s.count, Argument{0});
    }
  open_ = false;
  open_sites_ = nullptr;
}

template <class T>
void Trace<T>::sweep(Eigen::VectorXd& gradient, double factor) {
  tape_.adjoints()[0] = 0;
  if (recorder_.segmented().empty()) tape_.reverse();
  else reverse_segments();
  work_.sweeps += 1;
  for (Eigen::Index j = 0; j < theta_.size(); ++j) {
    const double g = static_cast<double>(tape_.adjoints()[1 + j]);
    if (!std::isfinite(g))
      throw Error("component " + std::to_string(j) + " of the gradient is " + std::to_string(g) + " (run " +
                  std::to_string(key_.run) + ")");
    gradient[j] += factor * g;
  }
}

template <class T>
void Trace<T>::seed_tangents(const Directions& directions) {
  tape_.clear_tangents();
  for (Eigen::Index j = 0; j < theta_.size(); ++j)
    for (int l = 0; l < 4; ++l) tape_.tangents()[1 + j][l] = directions(j, l);
}

template <class T>
void Trace<T>::tangents(const Directions& directions) {
  if (!recorder_.segmented().empty()) throw Error("Trace: tangents() of a recording in segments");
  seed_tangents(directions);
  // The inputs are the first block and have no rule of their own, so their seeds stay.
  tape_.forward();
  work_.sweeps += 1;
}

template <class T>
double Trace<T>::importance(std::size_t i, std::span<const Weight> weights) const {
  const Site& s = site(i);
  const auto* const tangents = tape_.tangents();
  const auto* const parameters = recorder_.parameters().data() + s.first;
  std::array<double, 4> sums{};
  for (const Weight& w : weights) {
    const auto& lanes = tangents[parameters[w.parameter]];
    for (std::size_t l = 0; l < sums.size(); ++l) sums[l] += w.value * static_cast<double>(lanes[l]);
  }
  double norm = 0, largest = 0;
  for (const double sum : sums) norm += sum * sum, largest = std::max(largest, std::abs(sum));
  if (norm == 0) return largest;  // not 0 where the squares underflow: far tails matter to costs that live there
  // A derivative that is not a number may matter: it counts as infinite, and then all alternatives count alike.
  return std::isnan(norm) ? std::numeric_limits<double>::infinity() : std::sqrt(norm);
}

template <class T>
bool Trace<T>::moves(std::size_t site, std::span<const Weight> weights) {
  cut();
  const bool segments = !recorder_.segmented().empty();
  std::vector<T> kept;
  if (segments) {  // a sweep that has come to one of them goes on with its adjoints afterwards
    tape_.clear_adjoints(tape_.mark());
    kept.assign(tape_.adjoints(), tape_.adjoints() + tape_.size());
  }
  tape_.clear_adjoints();
  for (const Weight& w : weights) seed(site, w.parameter, static_cast<T>(w.value));
  tape_.adjoints()[0] = 0;
  tape_.reverse();
  work_.sweeps += 1;
  const auto any = [this](Index first, std::size_t n) {
    const T* const adjoints = tape_.adjoints() + first;
    return std::any_of(adjoints, adjoints + n, [](T a) { return a != T(0); });
  };
  const bool moved = any(1, static_cast<std::size_t>(theta_.size()));
  if (!segments) return moved;
  bool unknown = false;
  for (const auto& [first, n] : recorder_.checkpoints()) unknown = unknown || any(first, n);
  std::copy(kept.begin(), kept.end(), tape_.adjoints());
  if (unknown && !moved)
    throw Refusal("whether theta moves the " + std::string(this->site(site).law->name) + " draw of site " + std::to_string(site) +
                  " (run " + std::to_string(key_.run) +
                  ") cannot be told in a recording in segments, for its parameters depend on an earlier segment; set "
                  "LoopOptions::recording = 0");
  return moved;
}

template class Trace<float>;
template class Trace<double>;

}  // namespace stoat
