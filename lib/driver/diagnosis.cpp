#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <ostream>
#include <tuple>

#include <stoat/driver/diagnose.hpp>
#include <stoat/driver/monte_carlo.hpp>
#include <stoat/driver/reduce.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/estimators/auto.hpp>
#include <stoat/estimators/enumeration.hpp>
#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>

namespace stoat {
namespace {

using report::digits;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t fewest_draws = 16;
constexpr std::uint64_t most_recordings = 32;
constexpr std::size_t enumerated_sites = 12;  // beyond, enumeration is not tried
constexpr std::size_t most_leaves = 4096;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void check(const DiagnosisOptions& o) {
  const auto require = [](const char* name, double value, bool good, const char* range) {
    if (!good) throw InvalidArgument("diagnose: " + outside(name, value, range));
  };
  require("relative_error", o.relative_error, o.relative_error > 0 && std::isfinite(o.relative_error), "(0, infinity)");
  require("target_error", o.target_error, o.target_error >= 0 && std::isfinite(o.target_error), "[0, infinity)");
  require("pilot", static_cast<double>(o.pilot), o.pilot >= fewest_draws, "[16, infinity)");
  require("max_visits", o.max_visits, o.max_visits >= 1, "[1, infinity)");
  require("time_limit", o.time_limit, o.time_limit > 0, "(0, infinity]");
}

class Examination {
 public:
  Examination(const Program<double>& program, const Eigen::VectorXd& theta, const DiagnosisOptions& options)
      : program_(program),
        theta_(theta),
        options_(options),
        monte_carlo_(program, theta, options.threads, options.max_draws, options.ranks) {
    diagnosis_.parameters = theta.size();
    diagnosis_.data = program.data();
    diagnosis_.threads = detail::thread_count(options.threads) * (options.ranks ? options.ranks->size() : 1);
    agree(diagnosis_.threads);
  }

  Diagnosis run() {
    record();
    replay();
    for (const AnyEstimator& e : candidates()) try_out(e);
    settle();
    advise();
    return std::move(diagnosis_);
  }

 private:
  /// A candidate, and the gradient that it found.
  struct Trial {
    AnyEstimator estimator;
    Candidate candidate;
    Eigen::VectorXd mean;
    double value = 0, value_error = 0;
    double error_square() const { return candidate.variance / static_cast<double>(candidate.pilot); }
  };

  /// What depends on the machine is what rank 0 says.
  template <class X>
  void agree(X& x) const {
    detail::share(options_.ranks.get(), x);
  }

  double visits() const { return diagnosis_.sites + static_cast<double>(theta_.size()) + 1; }

  void record() {
    Trace<double> trace(program_, theta_, options_.max_draws);
    std::map<std::string, LawUse> laws;
    const PilotContext pilot{options_.seed, 0};
    std::uint64_t wanted = most_recordings;
    for (std::uint64_t i = 0; i < wanted; ++i) {
      const RunKey key = pilot.run(trace, i);
      const auto begin = Clock::now();
      trace.run(key);
      const double plain = since(begin);
      trace.record();
      // The first one touches fresh memory.
      if (i > 0) diagnosis_.run_seconds += plain, diagnosis_.recording_seconds += since(begin) - plain;
      const std::size_t n = trace.sites();
      if (i == 0) {
        diagnosis_.fewest_sites = n;
        wanted = std::clamp(static_cast<std::uint64_t>(options_.max_visits / static_cast<double>(n + 1)), std::uint64_t{2}, wanted);
        Alternatives list;
        for (std::size_t s = 0; s < n; ++s)
          if (trace.active(s)) trace.alternatives(s, Flow::independent, list);
        alternatives_ = static_cast<double>(list.list.size());
      }
      diagnosis_.fewest_sites = std::min(diagnosis_.fewest_sites, n);
      diagnosis_.most_sites = std::max(diagnosis_.most_sites, n);
      for (std::size_t s = 0; s < n; ++s) {
        const Site& site = trace.site(s);
        LawUse& use = laws[std::string(site.law->name)];
        use.sites += 1;
        use.active += trace.active(s);
        use.steering += site.number;
        use.arithmetic += site.node != 0;
      }
    }
    const auto runs = static_cast<double>(wanted);
    diagnosis_.recorded = wanted;
    diagnosis_.run_seconds /= runs - 1, diagnosis_.recording_seconds /= runs - 1;
    agree(diagnosis_.run_seconds), agree(diagnosis_.recording_seconds);
    diagnosis_.comparisons = static_cast<double>(trace.notes().comparisons) / runs;
    first_comparison_ = trace.notes().first_comparison;
    for (auto& [name, use] : laws) {
      use.law = name;
      for (double* x : {&use.sites, &use.active, &use.steering, &use.arithmetic}) *x /= runs;
      diagnosis_.sites += use.sites, diagnosis_.active += use.active;
      diagnosis_.steering += use.steering, diagnosis_.arithmetic += use.arithmetic;
      diagnosis_.laws.push_back(use);
    }
    std::stable_sort(diagnosis_.laws.begin(), diagnosis_.laws.end(),
                     [](const LawUse& a, const LawUse& b) { return a.sites > b.sites; });
  }

  void replay() {
    if (diagnosis_.active == 0) return;
    if (2 * alternatives_ > static_cast<double>(options_.max_replays)) {
      diagnosis_.notes.push_back("two paths have " + digits(2 * alternatives_) + " replays, more than max_replays = " +
                                 std::to_string(options_.max_replays) + ": where noise and bias come from was not looked into");
      return;
    }
    DiagnoseOptions o;
    o.paths = 32;
    o.top = 3;
    o.max_replays = options_.max_replays;
    o.seed = options_.seed;
    o.max_draws = options_.max_draws;
    try {
      diagnosis_.replays = diagnose_replays(program_, theta_, o);
    } catch (const Error& error) { diagnosis_.notes.push_back(std::string("replays failed: ") + error.what()); }
  }

  std::vector<AnyEstimator> candidates() const {
    if (!options_.candidates.empty()) return options_.candidates;
    // Without a draw that depends on theta all of them are the derivative of the arithmetic.
    if (diagnosis_.active == 0) return {ScoreFunction{}};
    std::vector<AnyEstimator> list = Auto::usual_candidates();
    if (diagnosis_.most_sites <= enumerated_sites) list.push_back(Enumeration{.max_leaves = most_leaves});
    list.push_back(StraightThrough{});
    return list;
  }

  void try_out(const AnyEstimator& estimator) {
    Trial trial{estimator, {}, {}};
    Candidate& c = trial.candidate;
    c.estimator = estimator.name();
    c.unbiased = estimator.unbiased();
    bool late = since(begin_) > options_.time_limit;
    agree(late);
    if (late) c.skipped = "no time was left";
    else {
      try {
        measure(trial);
      } catch (const Refusal& refusal) { c.skipped = refusal.what(); }
    }
    trials_.push_back(std::move(trial));
  }

  void measure(Trial& trial) {
    Candidate& c = trial.candidate;
    const Eigen::Index d = theta_.size();
    const Eigen::MatrixXd none(d, 0);
    // The squared distance to a point near the mean, whose own error is that of the variance.
    Eigen::VectorXd centre = Eigen::VectorXd::Zero(d);
    const detail::MonteCarlo<double>::Observables observables{
        1, [&](const GradientDraw& draw, Eigen::Ref<Eigen::VectorXd> out) { out[0] = (draw.gradient - centre).squaredNorm(); }};
    Options sampling;
    sampling.seed = options_.seed;
    sampling.display = Display::none;
    sampling.samples = fewest_draws / 2;
    const auto first = monte_carlo_.sample(theta_, trial.estimator, sampling, 0, none, observables);
    centre = first.moments.mean.segment(1, d);
    // A draw visits a path about four times: a run, a recording, a sweep, and as much again in replays and tables.
    sampling.samples = std::clamp(static_cast<std::uint64_t>(options_.max_visits / (4 * visits())), fewest_draws, options_.pilot);
    const auto result = monte_carlo_.sample(theta_, trial.estimator, sampling, fewest_draws / 2, none, observables);
    const detail::Moments& m = result.moments;
    const auto n = static_cast<double>(m.count);
    c.pilot = m.count;
    for (Eigen::Index j = 0; j < d; ++j) c.variance += m.variance(1 + j);
    if (c.variance < 1e-20 * m.mean.segment(1, d).squaredNorm()) c.variance = 0;  // what rounding leaves of nothing
    c.variance_error = c.variance > 0 ? m.error(1 + d) : 0;
    c.work = (result.work.runs + result.work.sweeps) / n;
    c.seconds = result.draw_seconds / n;
    const auto before = static_cast<double>(first.moments.count);
    c.setup_work = std::max(0.0, first.work.runs + first.work.sweeps - before * c.work);
    c.setup_seconds = std::max(0.0, first.seconds - first.draw_seconds / diagnosis_.threads);
    agree(c.setup_seconds);
    trial.mean = m.mean.segment(1, d);
    trial.value = m.mean[0], trial.value_error = m.error(0);
  }

  /// The gradient as it is known best, the wanted error, and what every candidate needs for it.
  void settle() {
    const Trial* best = nullptr;
    for (const Trial& t : trials_)
      if (t.candidate.skipped.empty() && t.candidate.unbiased && (!best || t.error_square() < best->error_square())) best = &t;
    if (!best) {
      for (Trial& t : trials_) diagnosis_.candidates.push_back(std::move(t.candidate));
      return;
    }
    Diagnosis& d = diagnosis_;
    d.value = best->value, d.value_error = best->value_error;
    d.gradient_error = std::sqrt(best->error_square());
    // Noise makes the square of the mean larger by that of its error.
    const double square = best->mean.squaredNorm();
    d.resolved = square > 3 * best->error_square() || (square > 0 && best->error_square() == 0);
    d.gradient_length = d.resolved ? std::sqrt(square - best->error_square()) : std::sqrt(square);
    d.wanted_error = options_.target_error > 0 ? options_.target_error : options_.relative_error * d.gradient_length;
    for (Trial& t : trials_) {
      Candidate& c = t.candidate;
      if (!c.skipped.empty()) continue;
      if (!c.unbiased && d.gradient_length > 0) {
        const double noise = t.error_square() + best->error_square(), distance = (t.mean - best->mean).squaredNorm();
        c.bias = std::sqrt(std::max(0.0, distance - noise)) / d.gradient_length;
        c.detectable_bias = 2 * std::sqrt(noise) / d.gradient_length;
      }
      const bool exact = c.variance == 0 || !(d.wanted_error > 0);
      const double draws = exact ? 1 : std::clamp(std::ceil(c.variance / (d.wanted_error * d.wanted_error)), 2.0, 1e18);
      c.samples = static_cast<std::uint64_t>(draws);
      c.total_work = c.setup_work + draws * c.work;
      c.total_seconds = c.setup_seconds + draws * c.seconds / d.threads;
    }
    std::stable_sort(trials_.begin(), trials_.end(), [](const Trial& a, const Trial& b) {
      const auto key = [](const Candidate& c) { return std::tuple(!c.skipped.empty(), !c.unbiased, c.total_work); };
      return key(a.candidate) < key(b.candidate);
    });
    for (Trial& t : trials_) d.candidates.push_back(t.candidate);
    if (const Trial& chosen = trials_.front(); chosen.candidate.unbiased) {
      d.recommended = chosen.estimator;
      d.samples = chosen.candidate.samples;
    }
  }

  void advise() {
    Diagnosis& d = diagnosis_;
    const auto note = [&](const std::string& text) { d.notes.push_back(text); };
    if (d.most_sites == 0) note("nothing discrete is drawn: the gradient is that of the arithmetic, which every estimator gives");
    else if (d.active == 0)
      note("no law of a discrete draw depends on theta: the gradient is that of the arithmetic, which every estimator gives");
    else if (d.active < d.sites)
      note(digits(d.sites - d.active) + " of " + digits(d.sites) + " draws do not depend on theta: they cost no replays");
    if (d.steering > 0 && d.active > 0)
      note(digits(d.steering) +
           " draws are read as bool or integer and may steer control flow: surrogates and relaxations see nothing "
           "there");
    if (d.comparisons > 0)
      note(digits(d.comparisons) + " comparisons of continuous values that depend on theta, the first after " +
           std::to_string(first_comparison_) + " sites: jumps there are in no gradient; make them draws by draw.split or its kin");
    if (d.replays) {
      const ReplayDiagnostics& r = *d.replays;
      if (r.residual_order < 0.7)
        note("a surrogate explains what draws do but for M_res = " + digits(r.residual_order, 2) + ": debiased replays pay off");
      else if (r.interaction_order < 0.7)
        note("one draw explains little of the cost's noise (M = " + digits(r.interaction_order, 2) + "): replays pay off");
      else if (r.interaction_order > 5)
        note("a changed draw changes much after it (M = " + digits(r.interaction_order, 2) +
             "): replays at random draws lose to score functions");
    }
    const auto ran = [](const Candidate& c) { return c.skipped.empty(); };
    if (!d.recommended) {
      note("no unbiased candidate can do this program" + (d.candidates.empty() ? "" : ": " + d.candidates.front().skipped));
      return;
    }
    if (!d.resolved && options_.target_error == 0)
      note(d.gradient_length == 0
               ? "the gradient is 0 in every draw"
               : "the pilot does not tell the gradient from zero: the draws below are for a length of " +
                     digits(d.gradient_length) + ", a shorter gradient needs more; a target_error is better here");
    const Candidate& chosen = d.candidates.front();
    if (chosen.variance_error > 0.3 * chosen.variance)
      note("the variance of " + chosen.estimator + " is known to " + digits(100 * chosen.variance_error / chosen.variance, 2) +
           " % only: few draws carry most of it; a larger pilot tells more");
    for (std::size_t i = 1; i < d.candidates.size(); ++i) {
      const Candidate& c = d.candidates[i];
      if (!ran(c)) break;
      if (c.unbiased && 2 * c.total_seconds < chosen.total_seconds)
        note(c.estimator + " needs more work but less time here: " + digits(c.total_seconds, 2) + " s");
      if (c.unbiased && c.total_work < 1.2 * chosen.total_work) note(c.estimator + " needs about the same work");
      if (c.unbiased || !(3 * c.total_work < chosen.total_work) || c.bias > 0.5) continue;
      note(c.estimator + " is " + digits(chosen.total_work / c.total_work, 2) + " times cheaper; its bias is " +
           (c.bias > c.detectable_bias ? "about " + digits(100 * c.bias, 2) : "below " + digits(100 * c.detectable_bias, 2)) +
           " % of the gradient");
    }
  }

  const Program<double>& program_;
  const Eigen::VectorXd& theta_;
  const DiagnosisOptions& options_;
  detail::MonteCarlo<double> monte_carlo_;
  Diagnosis diagnosis_;
  std::vector<Trial> trials_;
  double alternatives_ = 0;  // of the first path
  std::size_t first_comparison_ = 0;
  Clock::time_point begin_ = Clock::now();
};

/// "site 3 (Bernoulli) 12 %, ..."
template <class Size>
std::string list_of(const std::vector<SiteNoise>& sites, const Size& size) {
  std::string text;
  for (const SiteNoise& s : sites) text += (text.empty() ? "" : ", ") + std::to_string(s.site) + " (" + s.law + ") " + size(s);
  return text;
}

}  // namespace

Diagnosis diagnose(const Program<double>& program, const Eigen::VectorXd& theta, const DiagnosisOptions& options) {
  check(options);
  return Examination(program, theta, options).run();
}

std::ostream& operator<<(std::ostream& out, const Diagnosis& d) {
  out << "program  " << d.parameters << (d.parameters == 1 ? " parameter" : " parameters");
  if (d.data > 0) out << ", " << d.data << " data";
  out << "; a run takes " << digits(1e6 * d.run_seconds) << " us, recorded " << digits(1e6 * d.recording_seconds) << " us\n";
  if (d.recommended)
    out << "value    " << digits(d.value, 6) << " +- " << digits(d.value_error, 2) << "\ngradient of length "
        << (d.resolved ? "" : "at most ") << digits(d.gradient_length) << " +- " << digits(d.gradient_error, 2) << '\n';
  out << "draws    " << digits(d.sites) << " in a run";
  if (d.fewest_sites != d.most_sites) out << " (" << d.fewest_sites << " to " << d.most_sites << ')';
  out << ", mean of " << d.recorded << " runs\n";
  if (!d.laws.empty()) {
    std::vector<std::vector<std::string>> table{{"law", "draws", "depend on theta", "read as bool or integer", "in arithmetic"}};
    for (const LawUse& u : d.laws)
      table.push_back({u.law, digits(u.sites), digits(u.active), digits(u.steering), digits(u.arithmetic)});
    out << report::aligned(table);
  }
  if (d.replays) {
    const ReplayDiagnostics& r = *d.replays;
    out << "replays  " << r.replays << " on " << r.paths << " paths: interaction order M = " << digits(r.interaction_order)
        << " +- " << digits(r.interaction_order_error, 2) << ", left by a surrogate M_res = " << digits(r.residual_order) << " +- "
        << digits(r.residual_order_error, 2) << '\n';
    const auto percent = [](double x) { return digits(100 * x, 2) + " %"; };
    if (!r.by_score.empty())
      out << "  draws with most of a score function's noise: "
          << list_of(r.by_score, [&](const SiteNoise& s) { return percent(s.score_share); }) << '\n';
    if (!r.by_replay.empty())
      out << "  draws with most of a replay's noise: "
          << list_of(r.by_replay, [&](const SiteNoise& s) { return percent(s.replay_share); }) << '\n';
    if (!r.by_bias.empty())
      out << "  draws with most of a surrogate's bias: "
          << list_of(r.by_bias, [](const SiteNoise& s) { return digits(s.bias) + " +- " + digits(s.bias_error, 2); }) << '\n';
  }
  if (!d.candidates.empty()) {
    out << "what a standard error of " << digits(d.wanted_error) << " costs";
    if (d.gradient_length > 0) out << " (" << digits(100 * d.wanted_error / d.gradient_length) << " % of the gradient)";
    out << ", with " << d.threads << (d.threads == 1 ? " thread" : " threads") << '\n';
    std::vector<std::vector<std::string>> table{
        {"estimator", "variance/|g|^2", "runs+sweeps", "us/draw", "draws", "seconds", "bias"}};
    std::string skipped;
    for (const Candidate& c : d.candidates) {
      if (!c.skipped.empty()) {
        skipped += "  " + c.estimator + " skipped: " + c.skipped + '\n';
        continue;
      }
      const double square = d.gradient_length * d.gradient_length;
      const std::string bias =
          c.bias > c.detectable_bias ? digits(100 * c.bias, 2) + " %" : "< " + digits(100 * c.detectable_bias, 2) + " %";
      table.push_back({c.estimator,
                       digits(c.variance / square) + (c.variance > 0 ? " +- " + digits(c.variance_error / square, 2) : ""),
                       digits(c.work), digits(1e6 * c.seconds), digits(static_cast<double>(c.samples)), digits(c.total_seconds),
                       c.unbiased ? "none" : bias});
    }
    out << report::aligned(table) << skipped;
  }
  if (d.recommended)
    out << "use      " << d.recommended->name() << " with " << d.samples << (d.samples == 1 ? " draw\n" : " draws\n");
  for (const std::string& note : d.notes) out << "note: " << note << '\n';
  return out;
}

}  // namespace stoat
