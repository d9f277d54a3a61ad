#include <stoat/driver/diagnose.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include <boost/random/normal_distribution.hpp>

#include <stoat/driver/monte_carlo.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/smoothed.hpp>

namespace stoat {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t cost_runs_per_path = 64;
constexpr Eigen::Index exact_directions = 64;   // parameters up to which norms are exact
constexpr Eigen::Index random_directions = 16;  // beyond: E|projection|^2 over so many directions
constexpr std::int64_t most_outcomes = 16;

/// Directions in blocks of four, whose squared tangents add up to a squared norm (exactly, or in expectation).
std::vector<Eigen::Matrix<double, Eigen::Dynamic, 4>> directions(Eigen::Index d) {
  std::vector<Eigen::Matrix<double, Eigen::Dynamic, 4>> result;
  const bool exact = d <= exact_directions;
  const Eigen::Index count = exact ? d : random_directions;
  Generator words({0xd1a6, 0, Purpose::engine});
  boost::random::normal_distribution<double> normal(0, 1 / std::sqrt(static_cast<double>(random_directions)));
  for (Eigen::Index at = 0; at < count; at += 4) {
    result.emplace_back(Eigen::Matrix<double, Eigen::Dynamic, 4>::Zero(d, 4));
    for (Eigen::Index l = 0; l < 4 && at + l < count; ++l) {
      if (exact) result.back()(at + l, l) = 1;
      else
        for (Eigen::Index j = 0; j < d; ++j) result.back()(j, l) = normal(words);
    }
  }
  return result;
}

/// Numbers at the parameters of a site.
struct Combination {
  std::size_t site;
  std::vector<Weight> weights;
};

struct Sums {
  std::size_t site = 0;  // the first that it came with
  std::string law;
  std::uint64_t paths = 0;
  double score = 0, replay = 0, bias = 0, bias_square = 0;
};

class ReplayDiagnosis {
 public:
  ReplayDiagnosis(const Program<double>& program, const Eigen::VectorXd& theta, const DiagnoseOptions& options)
      : options_(options), trace_(program, theta, options.max_draws), directions_(directions(theta.size())) {
    trace_.set_loop_options(options.loops);
  }

  ReplayDiagnostics run() {
    measure_cost();
    while (result_.paths < options_.paths && (result_.paths < 2 || result_.replays < options_.max_replays))
      add_path(result_.paths++);
    finish();
    return std::move(result_);
  }

 private:
  void measure_cost() {
    result_.cost_runs = cost_runs_per_path * options_.paths;
    std::vector<double> costs;
    for (std::uint64_t i = 0; i < result_.cost_runs; ++i) {
      choose_datum(i);
      costs.push_back(trace_.run({options_.seed, i, Purpose::pilot}));
    }
    const double n = static_cast<double>(costs.size());
    for (const double f : costs) mean_cost_ += f / n;
    double second = 0, fourth = 0;
    for (const double f : costs) second += std::pow(f - mean_cost_, 2) / n, fourth += std::pow(f - mean_cost_, 4) / n;
    result_.cost_variance = second * n / (n - 1);
    cost_variance_error_ = std::sqrt(std::max(0.0, fourth - second * second) / n);
  }

  /// Squared norms of sum_j w_j d_c p_j for every combination. Leaves the tangents of the last block of directions.
  std::vector<double> squared_norms(const std::vector<Combination>& list) {
    std::vector<double> squares(list.size(), 0);
    for (const auto& block : directions_) {
      if (directions_.size() > 1 || !tangents_known_) trace_.tangents(block);
      tangents_known_ = true;
      for (std::size_t i = 0; i < list.size(); ++i) squares[i] += std::pow(trace_.importance(list[i].site, list[i].weights), 2);
    }
    return squares;
  }

  /// |sum_j w_j d_c p_j| as the estimators see it when they choose: exact for up to four parameters, else along four random
  /// directions.
  std::vector<double> chosen_by(const std::vector<Combination>& list, Generator& choices) {
    if (const Eigen::Index d = trace_.parameters(); d > 4) {
      boost::random::normal_distribution<double> normal(0, 0.5);
      trace_.tangents(Eigen::Matrix<double, Eigen::Dynamic, 4>::NullaryExpr(d, 4, [&] { return normal(choices); }));
      tangents_known_ = false;
    }
    std::vector<double> sizes;
    sizes.reserve(list.size());
    for (const Combination& c : list) sizes.push_back(trace_.importance(c.site, c.weights));
    return sizes;
  }

  /// The change of the cost with another outcome; 0 if that is impossible and stays so.
  double change(std::size_t site, std::int64_t outcome) {
    const auto [at, fresh] = changes_.try_emplace({site, outcome}, 0.0);
    if (fresh) {
      at->second = trace_.replay(site, outcome) - trace_.cost();
      replay_runs_ += trace_.replay_cost();
      ++result_.replays;
    }
    return at->second;
  }

  /// What the surrogate predicts for this change.
  double prediction(std::size_t site, std::int64_t outcome) const {
    const Site& s = trace_.site(site);
    const std::vector<double>& a = outcome_adjoints_[site];
    if (a.empty()) return 0;
    return s.law->one_hot ? a[static_cast<std::size_t>(outcome)] - a[static_cast<std::size_t>(s.outcome)]
                          : a[0] * static_cast<double>(outcome - s.outcome);
  }

  /// 1/2 sum_y P(y) (f(y) - f(x))^2, whose mean over x is Var(f | all but this draw), and the same of the residual.
  std::pair<double, double> local_variance(std::size_t site, Generator& choices) {
    const Site& s = trace_.site(site);
    const Support support = s.law->support(s.plain);
    double variance = 0, residual = 0;
    const auto add = [&](std::int64_t y, double p) {
      if (y == s.outcome || p == 0) return;
      const double delta = change(site, y);
      variance += p * delta * delta / 2;
      residual += p * std::pow(delta - prediction(site, y), 2) / 2;
    };
    if (support.finite() && support.upper - support.lower < most_outcomes) {
      for (std::int64_t y = support.lower; y <= support.upper; ++y) add(y, s.pmf(y));
    } else {
      add(redraw(s, support, choices.uniform()), 1);
    }
    return {variance, residual};
  }

  /// An outcome of the law, independent of the one drawn: inversion outwards from that one, in alternating steps.
  static std::int64_t redraw(const Site& s, const Support& support, double u) {
    std::int64_t low = s.outcome, high = s.outcome + 1;
    double left = 1;  // probability that has not been visited
    for (int steps = 0; steps < 100'000; ++steps) {
      for (const std::int64_t y : {high, low}) {
        if (y < support.lower || y > support.upper) continue;
        const double p = s.pmf(y);
        if ((u -= p) < 0) return y;
        left -= p;
      }
      if (left < 1e-12) break;
      ++high, --low;
    }
    return s.outcome;
  }

  /// Of a program over data, the next one.
  void choose_datum(std::uint64_t i) {
    if (trace_.data() > 0) trace_.set_datum(i % trace_.data());
  }

  void add_path(std::uint64_t path) {
    choose_datum(path);
    trace_.run({options_.seed, path}, options_.max_replays);
    trace_.record(Outcomes::variables);
    changes_.clear();
    tangents_known_ = false;
    Generator choices({options_.seed, path, Purpose::engine});
    const Eigen::Index d = trace_.parameters();
    const std::size_t n = trace_.sites();
    result_.sites += static_cast<double>(n);

    // OPEN sweep: the surrogate's gradient, its adjoints s at the parameters and at the outcomes.
    Eigen::VectorXd open = Eigen::VectorXd::Zero(d);
    std::vector<std::vector<double>> surrogate(n);
    outcome_adjoints_.assign(n, {});
    for (std::size_t i = 0; i < n; ++i) {
      const Site& s = trace_.site(i);
      if (s.node && !s.law->one_hot && !s.law->mean_derivative) has_surrogate_ = false;
    }
    if (has_surrogate_) {
      trace_.open(StraightThroughEdge{});
      trace_.begin_sweep();
      trace_.seed_cost(1);
      trace_.sweep(open);
      for (std::size_t i = 0; i < n; ++i) {
        const Site& s = trace_.site(i);
        for (std::uint32_t j = 0; j < s.count; ++j) surrogate[i].push_back(trace_.edge_adjoint(i, j));
        if (s.node == 0) continue;
        const std::uint32_t nodes = s.law->one_hot ? s.count : 1;
        for (std::uint32_t j = 0; j < nodes; ++j) outcome_adjoints_[i].push_back(trace_.tape().adjoints()[s.node + j]);
      }
    }
    for (std::size_t i = 0; i < n; ++i) surrogate[i].resize(trace_.site(i).count, 0.0);
    trace_.cut();
    Eigen::VectorXd direct = Eigen::VectorXd::Zero(d);
    trace_.begin_sweep();
    trace_.seed_cost(1);
    trace_.sweep(direct);

    // The alternatives, and the norms of their weights and scores.
    std::vector<Combination> weights, scores;
    Alternatives list;
    trace_.tangents(directions_.front());
    tangents_known_ = directions_.size() == 1;
    for (std::size_t i = 0; i < n; ++i) {
      if (!trace_.active(i)) continue;
      const Site& s = trace_.site(i);
      trace_.alternatives(i, s.law->one_hot ? Flow::independent : Flow::least_variance, list);
      std::vector<double> score(s.count);
      s.law->score(s.plain, s.outcome, score);
      Combination c{i, {}};
      for (std::uint32_t j = 0; j < s.count; ++j) c.weights.push_back({j, std::isfinite(score[j]) ? score[j] : 0.0});
      scores.push_back(std::move(c));
    }
    for (const Alternative& y : list.list) {
      const auto of = list.of(y);
      weights.push_back({y.site, {of.begin(), of.end()}});
    }
    result_.alternatives += static_cast<double>(weights.size());
    std::vector<double> choice = chosen_by(weights, choices);
    const std::vector<double> score_squares = squared_norms(scores);
    std::vector<double> sizes = squared_norms(weights);
    for (double& x : sizes) x = std::sqrt(x);

    // Replays. An impossible alternative whose weight moves nothing stays unvisited.
    std::vector<double> delta(weights.size(), 0);
    const std::uint64_t replays = result_.replays;
    const double before = replay_runs_;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Alternative& y = list.list[i];
      if (sizes[i] == 0 || (trace_.site(y.site).pmf(y.outcome) == 0 && !trace_.moves(y.site, list.of(y)))) continue;
      delta[i] = change(y.site, y.outcome);
    }
    alternative_runs_ += replay_runs_ - before;
    alternative_replays_ += result_.replays - replays;
    double local = 0, residual = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (!trace_.active(i)) continue;
      const auto [a, b] = local_variance(i, choices);
      local += a, residual += b;
    }
    local_.add(Eigen::Vector2d(local, residual));

    // G(w Delta): the gradient with every replay made.
    Eigen::VectorXd full = Eigen::VectorXd::Zero(d);
    trace_.begin_sweep();
    trace_.seed_cost(1);
    for (std::size_t i = 0; i < weights.size(); ++i)
      for (const Weight& w : weights[i].weights) trace_.seed(weights[i].site, w.parameter, w.value * delta[i]);
    trace_.sweep(full);
    full_.add(full);

    // What one replay contributes without the surrogate, and with it: the site's s is shared by its alternatives.
    std::vector<double> total(n, 0);
    for (std::size_t i = 0; i < weights.size(); ++i) total[weights[i].site] += choice[i];
    std::vector<Combination> residuals;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::size_t at = weights[i].site;
      const bool one_hot = trace_.site(at).law->one_hot;
      Combination c{at, weights[i].weights};
      for (Weight& w : c.weights) w.value *= delta[i] - (one_hot ? prediction(at, list.list[i].outcome) : 0);
      if (!one_hot && total[at] > 0)
        for (std::uint32_t j = 0; j < surrogate[at].size(); ++j)
          c.weights.push_back({j, -choice[i] / total[at] * surrogate[at][j]});
      residuals.push_back(std::move(c));
    }
    const std::size_t replayed = residuals.size();
    for (std::size_t i = 0; i < n; ++i) {  // sites without an alternative that counts: -s alone
      if (!trace_.active(i) || total[i] > 0 || trace_.site(i).law->one_hot) continue;
      Combination c{i, {}};
      for (std::uint32_t j = 0; j < surrogate[i].size(); ++j) c.weights.push_back({j, -surrogate[i][j]});
      residuals.push_back(std::move(c));
    }
    const std::vector<double> residual_squares = squared_norms(residuals);
    std::vector<double> q;
    const double defence = d > 4 ? 0.1 : 0;
    detail::inclusion_probabilities(choice, 1, defence, q);
    double second = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (q[i] == 0) continue;
      const double moment = std::pow(sizes[i] * delta[i], 2) / q[i];
      second += moment;
      sums(weights[i].site).replay += moment;
    }
    result_.replay_excess += second - (full - direct).squaredNorm();
    const auto alone = chosen_by({residuals.begin() + static_cast<std::ptrdiff_t>(replayed), residuals.end()}, choices);
    choice.insert(choice.end(), alone.begin(), alone.end());
    detail::inclusion_probabilities(choice, 1, defence, q);
    second = 0;
    for (std::size_t i = 0; i < residuals.size(); ++i)
      if (q[i] > 0) second += residual_squares[i] / q[i];
    result_.surrogate_excess += second - (full - open).squaredNorm();

    attribute(list, sizes, delta, surrogate, scores, score_squares);
  }

  void attribute(const Alternatives& list, const std::vector<double>& sizes, const std::vector<double>& delta,
                 const std::vector<std::vector<double>>& surrogate, const std::vector<Combination>& scores,
                 const std::vector<double>& score_squares) {
    std::vector<Combination> units;
    units.reserve(scores.size());
    for (const Combination& c : scores)
      units.push_back({c.site, trace_.site(c.site).count == 1 ? std::vector<Weight>{{0, 1.0}} : std::vector<Weight>{}});
    const std::vector<double> squares = squared_norms(units);
    std::vector<double> residual(trace_.sites(), 0);
    for (std::size_t i = 0; i < list.list.size(); ++i) {
      const Alternative& y = list.list[i];
      if (trace_.site(y.site).count == 1) residual[y.site] += list.of(y)[0].value * delta[i];
      else residual[y.site] += sizes[i] * (delta[i] - prediction(y.site, y.outcome));
    }
    for (std::size_t k = 0; k < scores.size(); ++k) {
      const std::size_t i = scores[k].site;
      Sums& s = sums(i);
      s.paths += 1;
      s.score += score_squares[k] * std::pow(trace_.cost() - mean_cost_, 2);
      const double r = trace_.site(i).count == 1 ? (residual[i] - surrogate[i][0]) * std::sqrt(squares[k]) : residual[i];
      s.bias += r;
      s.bias_square += r * r;
    }
  }

  Sums& sums(std::size_t site) {
    // A draw with a label is the same wherever it comes in the order of execution.
    const Site& drawn = trace_.site(site);
    std::string law(drawn.law->name);
    if (drawn.label) law += ", label " + std::to_string(*drawn.label);
    const auto [place, first] = sums_.try_emplace({drawn.label ? 0 : site, law});
    if (first) place->second.site = site, place->second.law = law;
    return place->second;
  }

  void finish() {
    const double n = static_cast<double>(result_.paths);
    for (Eigen::Index j = 0; j < trace_.parameters(); ++j) result_.full_variance += full_.variance(j);
    for (double* x : {&result_.sites, &result_.alternatives, &result_.replay_excess, &result_.surrogate_excess}) *x /= n;
    // What rounding leaves of nothing.
    const double rounding = 1e-20 * (result_.full_variance + full_.mean.squaredNorm() + result_.replay_excess);
    const auto clean = [](double x, double noise) { return x > noise ? x : 0.0; };
    result_.full_variance = clean(result_.full_variance, rounding);
    result_.replay_excess = clean(result_.replay_excess, rounding);
    result_.surrogate_excess = has_surrogate_ ? clean(result_.surrogate_excess, rounding) : nan;
    result_.replay_cost = alternative_replays_ ? alternative_runs_ / static_cast<double>(alternative_replays_) : nan;

    const auto order = [&](Eigen::Index i, double& value, double& error) {
      const double variance = result_.cost_variance;
      value = variance > 0 ? clean(local_.mean[i] / variance, 1e-20) : nan;
      error = variance > 0 ? std::hypot(local_.error(i) / variance, value * cost_variance_error_ / variance) : nan;
    };
    order(0, result_.interaction_order, result_.interaction_order_error);
    order(1, result_.residual_order, result_.residual_order_error);
    if (!has_surrogate_) result_.residual_order = result_.residual_order_error = nan;

    constexpr double sweep = 2;
    const auto optimum = [&](double excess, double sweeps) {
      return std::sqrt(excess * (2 + sweep * sweeps) / (result_.full_variance * result_.replay_cost));
    };
    result_.optimal_replays = optimum(result_.replay_excess, 2);
    result_.optimal_replays_surrogate = optimum(result_.surrogate_excess, 3);

    double score = 0, replay = 0;
    for (const auto& [key, s] : sums_) score += s.score, replay += s.replay;
    std::vector<SiteNoise> all;
    for (const auto& [key, s] : sums_) {
      SiteNoise noise;
      noise.site = s.site;
      noise.law = s.law;
      noise.paths = s.paths;
      noise.score_share = score > 0 ? s.score / score : 0;
      noise.replay_share = replay > 0 ? s.replay / replay : 0;
      noise.bias = !has_surrogate_ ? nan : std::abs(s.bias / n) > 1e2 * std::sqrt(rounding) ? s.bias / n : 0;
      noise.bias_error = has_surrogate_ ? std::sqrt(std::max(0.0, s.bias_square / n - std::pow(s.bias / n, 2)) / n) : nan;
      all.push_back(std::move(noise));
    }
    const auto top = [&](auto size) {
      std::vector<SiteNoise> list;
      for (const SiteNoise& s : all)
        if (size(s) > 0) list.push_back(s);  // not if NaN
      std::stable_sort(list.begin(), list.end(), [&](const SiteNoise& a, const SiteNoise& b) { return size(a) > size(b); });
      if (list.size() > options_.top) list.resize(options_.top);
      return list;
    };
    result_.by_score = top([](const SiteNoise& s) { return s.score_share; });
    result_.by_replay = top([](const SiteNoise& s) { return s.replay_share; });
    result_.by_bias = top([](const SiteNoise& s) { return std::abs(s.bias); });
  }

  DiagnoseOptions options_;
  Trace<double> trace_;
  std::vector<Eigen::Matrix<double, Eigen::Dynamic, 4>> directions_;
  ReplayDiagnostics result_;
  double mean_cost_ = 0, cost_variance_error_ = 0;
  bool has_surrogate_ = true;
  bool tangents_known_ = false;                    // the only block of directions is on the tape
  detail::Moments full_, local_;                   // gradients with all replays; local variances and residuals, summed over sites
  double replay_runs_ = 0, alternative_runs_ = 0;  // work of all replays, and of those of alternatives
  std::uint64_t alternative_replays_ = 0;
  std::map<std::pair<std::size_t, std::int64_t>, double> changes_;  // of this path, by site and outcome
  std::vector<std::vector<double>> outcome_adjoints_;
  std::map<std::pair<std::size_t, std::string>, Sums> sums_;
};

}  // namespace

ReplayDiagnostics diagnose_replays(const Program<double>& program, const Eigen::VectorXd& theta, const DiagnoseOptions& options) {
  if (options.paths < 2)
    throw InvalidArgument("diagnose_replays: " + outside("paths", static_cast<double>(options.paths), "[2, infinity)"));
  return ReplayDiagnosis(program, theta, options).run();
}

}  // namespace stoat
