#include <stoat/driver/compare.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/random/normal_distribution.hpp>

#include <stoat/driver/enumerate.hpp>
#include <stoat/driver/monte_carlo.hpp>

namespace stoat {

Exact enumerate(const Program<double>& program, const Eigen::VectorXd& theta, const Enumeration& options) {
  Trace<double> trace(program, theta);
  GradientDraw draw;
  draw.gradient.setZero(theta.size());
  options.sample(trace, SampleContext{}, draw);
  Exact exact;
  exact.value = draw.value;
  exact.gradient = draw.gradient;
  exact.source = "enumeration of all outcomes";
  return exact;
}

namespace {

constexpr Eigen::Index projection_count = 32;

/// Dense random directions, fixed for all estimators: coordinates alone mislead where most draws do not touch them.
Eigen::MatrixXd fixed_projections(Eigen::Index d) {
  Generator words({0x5eed, 0, Purpose::engine});
  boost::random::normal_distribution<double> normal;
  Eigen::MatrixXd u(d, projection_count);
  for (Eigen::Index j = 0; j < projection_count; ++j) {
    for (Eigen::Index i = 0; i < d; ++i) u(i, j) = normal(words);
    u.col(j).normalize();
  }
  return u;
}

struct Run {
  ComparisonRow row;
  bool complete = true;
  Eigen::VectorXd projected, projected_error;
};

using MonteCarlo = detail::MonteCarlo<double>;

/// Of every draw: which coordinates it hit, whether none, its cosine with the truth, and whether it points the same way.
MonteCarlo::Observables observables(Eigen::Index d, const Eigen::VectorXd& direction) {
  return {d + 3, [d, direction](const GradientDraw& draw, Eigen::Ref<Eigen::VectorXd> out) {
            const double norm = draw.gradient.norm(), along = direction.size() > 0 ? draw.gradient.dot(direction) : 0;
            out.head(d) = (draw.gradient.array() != 0).cast<double>();
            out[d] = norm == 0;
            out[d + 1] = norm > 0 ? along / norm : 0;
            out[d + 2] = along > 0;
          }};
}

/// Unit vector of the truth; empty if there is none.
Eigen::VectorXd direction_of(const std::optional<Exact>& truth, Eigen::Index d) {
  if (!truth || truth->gradient.size() != d || !(truth->gradient.stableNorm() > 0)) return {};
  return truth->gradient.stableNormalized();
}

void note_directions(ComparisonRow& row, const detail::Moments& m, bool known) {
  row.draw_cosine = known ? m.mean[m.mean.size() - 2] : std::numeric_limits<double>::quiet_NaN();
  row.draw_descent = known ? m.mean[m.mean.size() - 1] : std::numeric_limits<double>::quiet_NaN();
}

Run run_one(MonteCarlo& monte_carlo, const Eigen::VectorXd& theta, const AnyEstimator& estimator, const CompareOptions& options,
            const Eigen::MatrixXd& projections, const Eigen::VectorXd& direction) {
  Run run;
  ComparisonRow& row = run.row;
  row.estimator = estimator.name();
  row.unbiased = estimator.unbiased();
  Options sampling;
  sampling.samples = options.samples;
  sampling.seed = options.seed;
  sampling.loops = options.loops;
  sampling.display = Display::none;
  const Eigen::Index d = theta.size();
  MonteCarlo::Result result;
  try {
    result = monte_carlo.sample(theta, estimator, sampling, 0, projections, observables(d, direction));
  } catch (const Refusal& refusal) {
    row.skipped = refusal.what();
    return run;
  }
  run.complete = result.complete;
  const detail::Moments& m = result.moments;
  const double n = static_cast<double>(m.count);
  row.samples = m.count;
  row.value = m.mean[0];
  row.value_error = m.error(0);
  row.gradient = m.mean.segment(1, d);
  row.gradient_error.resize(d);
  const Eigen::Index observed = 1 + d + projections.cols();
  for (Eigen::Index j = 0; j < d; ++j) {
    row.gradient_error[j] = m.error(1 + j);
    row.total_variance += m.variance(1 + j);
    row.hits.push_back(static_cast<std::uint64_t>(std::llround(n * m.mean[observed + j])));
  }
  row.zero_share = m.mean[observed + d];
  note_directions(row, m, direction.size() > 0);
  row.runs_per_sample = result.work.runs / n;
  row.sweeps_per_sample = result.work.sweeps / n;
  row.seconds_per_sample = result.draw_seconds / n;
  row.tape_bytes = result.tape_bytes;
  run.projected = m.mean.segment(1 + d, projections.cols());
  run.projected_error.resize(projections.cols());
  for (Eigen::Index j = 0; j < projections.cols(); ++j) {
    const Eigen::Index at = 1 + d + j;
    run.projected_error[j] = m.error(at);
    if (m.squares[at] > 0)
      row.largest_share = std::max(row.largest_share,
                                   std::pow(std::max(m.largest[at] - m.mean[at], m.mean[at] - m.smallest[at]), 2) / m.squares[at]);
  }
  row.notes = detail::diagnostics(result.notes.recordings, result.notes.numbers, result.notes.variables, result.notes.comparisons,
                                  result.notes.first_comparison, !row.unbiased || row.estimator.starts_with("Debiased"));
  for (const std::string& note : {result.note, result.times.note()})
    if (!note.empty()) row.notes.push_back(note);
  return run;
}

/// Inverse-variance mean of the unbiased rows: the truth of last resort, with its standard error. Empty if there are none.
Exact pooled(const std::vector<Run>& runs, Eigen::Index d) {
  Exact truth;
  truth.source = "pooled unbiased estimators";
  truth.gradient.setZero(d);
  truth.gradient_error.setZero(d);
  double weights = 0, total_samples = 0;
  for (const Run& r : runs) {
    if (!r.row.unbiased || !r.row.skipped.empty()) continue;
    const double variance = std::max(r.row.gradient_error.squaredNorm(), 1e-300);
    truth.gradient += r.row.gradient / variance;
    truth.gradient_error.array() += r.row.gradient_error.array().square() / (variance * variance);
    truth.value += r.row.value * static_cast<double>(r.row.samples);
    total_samples += static_cast<double>(r.row.samples);
    weights += 1 / variance;
  }
  if (weights == 0) return {};
  truth.gradient /= weights;
  truth.gradient_error = truth.gradient_error.cwiseSqrt() / weights;
  truth.value /= total_samples;
  return truth;
}

void check(const CompareOptions& o, Eigen::Index parameters) {
  if (o.samples == 0) throw Error("samples = 0: at least one sample is needed");
  if (!(o.confidence > 0 && o.confidence < 1)) throw InvalidArgument("compare: " + outside("confidence", o.confidence, "(0, 1)"));
  if (!o.truth) return;
  const auto require = [&](const char* what, const Eigen::VectorXd& v) {
    if (v.size() != parameters)
      throw InvalidArgument("compare: the truth has " + std::to_string(v.size()) + " components" + what + ", theta has " +
                            std::to_string(parameters));
    if (!v.allFinite()) throw InvalidArgument("compare: the truth" + std::string(what) + " is not finite");
  };
  require("", o.truth->gradient);
  if (o.truth->gradient_error.size() > 0) require(" of its error", o.truth->gradient_error);
}

}  // namespace

Comparison compare(const Program<double>& program, const Eigen::VectorXd& theta, const std::vector<AnyEstimator>& estimators,
                   const CompareOptions& options) {
  check(options, theta.size());
  Comparison c;
  c.program = options.name;
  c.theta = theta;
  c.seed = options.seed;
  c.confidence = options.confidence;
  MonteCarlo monte_carlo(program, theta, options.threads, options.max_draws, options.ranks);
  monte_carlo.allow_partial(true);
  {
    Trace<double> probe(program, theta, options.max_draws);
    probe.record({options.seed, 0}, Outcomes::constants);
    c.sites = probe.sites();
  }
  const Eigen::MatrixXd projections = fixed_projections(theta.size());
  std::optional<Exact> truth = options.truth;
  if (!truth) {
    try {
      truth = enumerate(program, theta, {.max_leaves = 1 << 16});
    } catch (const Refusal&) {}
  }
  const Eigen::VectorXd direction = direction_of(truth, theta.size());
  std::vector<Run> runs;
  for (const AnyEstimator& estimator : estimators) {
    if (c.missing.empty()) {
      Run run = run_one(monte_carlo, theta, estimator, options, projections, direction);
      if (run.complete) {
        runs.push_back(std::move(run));
        continue;
      }
    }
    c.missing.push_back(estimator.name());
  }
  if (truth) {
    c.truth = *truth;
  } else {
    c.truth = pooled(runs, theta.size());
    if (c.truth.source.empty() && c.missing.empty()) throw Error("compare: no truth is given and no unbiased estimator could run");
    // Only now is there a direction to compare single draws with: some of them are made again.
    const Eigen::VectorXd found = direction_of(c.truth, theta.size());
    Options sampling;
    sampling.samples = std::min<std::uint64_t>(options.samples, 1000);
    sampling.seed = options.seed;
    sampling.display = Display::none;
    for (std::size_t i = 0; i < runs.size() && c.missing.empty(); ++i) {
      if (!runs[i].row.skipped.empty()) continue;
      const auto again = monte_carlo.sample(theta, estimators[i], sampling, 0, projections, observables(theta.size(), found));
      note_directions(runs[i].row, again.moments, found.size() > 0);
    }
  }
  const bool known = c.truth.gradient.size() > 0;
  Eigen::VectorXd expected;
  if (known) expected = projections.transpose() * c.truth.gradient;
  Eigen::VectorXd uncertainty = Eigen::VectorXd::Zero(projection_count);
  if (c.truth.gradient_error.size())
    uncertainty =
        (projections.transpose().array().square().matrix() * c.truth.gradient_error.array().square().matrix()).cwiseSqrt();
  for (Run& r : runs) {
    if (r.row.skipped.empty()) {
      for (Eigen::Index j = 0; known && j < projection_count; ++j) {
        const double error = std::hypot(r.projected_error[j], uncertainty[j]);
        const double difference = std::abs(r.projected[j] - expected[j]);
        if (error > 0) r.row.projection_z = std::max(r.row.projection_z, difference / error);
      }
      judge(r.row, c.truth, options.confidence);
      // No projection has an error: nothing but the bias is left of the difference.
      if (known && found_biased(r.row) && r.row.projection_z == 0) r.row.projection_z = std::numeric_limits<double>::infinity();
    }
    c.rows.push_back(std::move(r.row));
  }
  if (options.diagnose_paths > 0 && c.missing.empty()) {
    DiagnoseOptions diagnose;
    diagnose.paths = options.diagnose_paths;
    diagnose.seed = options.seed;
    diagnose.max_draws = options.max_draws;
    c.diagnostics = diagnose_replays(program, theta, diagnose);
  }
  return c;
}

}  // namespace stoat
