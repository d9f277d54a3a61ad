#include <stoat/driver/comparison.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <stoat/driver/report.hpp>

#include "comparison_table.hpp"

namespace stoat {

using detail::truth_is_zero;
using report::digits;

namespace detail {

bool truth_is_zero(const Exact& truth) {
  return truth.gradient.stableNorm() <= 1e-14 * std::abs(truth.value);  // what rounding leaves of a zero gradient
}

bool is_deterministic(const ComparisonRow& row) { return row.verdict.starts_with("deterministic"); }

}  // namespace detail

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double false_alarm = 1e-4;

/// Upper quantile of Student's t by the Cornish-Fisher expansion around the normal quantile.
double t_quantile(double q, double freedom) {
  const double z = report::normal_upper_quantile(q), z2 = z * z, v = 1 / freedom;
  return z + v * z * ((z2 + 1) / 4 + v * ((5 * z2 + 16) * z2 + 3) / 96 + v * v * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384);
}

/// "37 %", or an absolute number where the truth is zero.
std::string amount(double x, const Exact& truth) {
  return truth_is_zero(truth) ? digits(x, 2) + " (absolute)" : digits(100 * x, 2) + " %";
}

/// Squared standard errors of mean - truth, divided by the scale.
Eigen::VectorXd squared_errors(const ComparisonRow& row, const Exact& truth, double scale) {
  Eigen::VectorXd squares = (row.gradient_error / scale).array().square();
  if (truth.gradient_error.size() > 0) squares.array() += (truth.gradient_error / scale).array().square();
  return squares;
}

std::string verdict_of(const ComparisonRow& row, const Exact& truth, double confidence) {
  const double scale = gradient_scale(truth), bias = (row.gradient - truth.gradient).stableNorm() / scale;
  if (!std::isfinite(bias)) return "not finite";
  const double deviation = std::sqrt(row.total_variance);
  if (deviation <= 1e-12 * std::max(row.gradient.stableNorm(), truth_is_zero(truth) ? 1.0 : scale)) {
    const double truth_error = truth.gradient_error.size() > 0 ? truth.gradient_error.stableNorm() / scale : 0;
    const double tolerance = 1e-9 + 3 * truth_error;
    if (bias <= tolerance) return truth_error > 0 ? "deterministic, within " + amount(tolerance, truth) : "deterministic, exact";
    const bool no_draw_hit = row.unbiased && (row.samples < 2 || row.gradient.isZero(0));
    return no_draw_hit ? "underpowered" : "BIASED " + amount(bias, truth);
  }
  if (row.samples < 2 || !std::isfinite(row.minimum_detectable_bias)) return "underpowered";
  if (row.samples >= 100 && row.largest_share > 0.2) return "heavy tail";
  const double tests = row.gradient.size() == 1 ? 1 : 32;
  const double limit = t_quantile(false_alarm / (2 * tests), static_cast<double>(row.samples - 1));
  const double half_width = report::normal_upper_quantile((1 - confidence) / 2) * row.relative_bias_error;
  if (bias_z(row, truth) > limit && row.relative_bias > std::max(1e-9, half_width))
    return "BIASED " + amount(row.relative_bias, truth);
  if (row.minimum_detectable_bias > 0.5 && !truth_is_zero(truth)) return "underpowered";
  return "unbiased within " + amount(row.minimum_detectable_bias, truth);
}

}  // namespace

bool hit_enough(const ComparisonRow& row, Eigen::Index j) {
  return row.samples < 2 || row.hits.empty() || row.hits[static_cast<std::size_t>(j)] >= enough_hits;
}

double gradient_scale(const Exact& truth) {
  const double norm = truth.gradient.stableNorm();
  return truth_is_zero(truth) || !std::isfinite(norm) ? 1 : norm;
}

double bias_z(const ComparisonRow& row, const Exact& truth) {
  if (row.gradient.size() == 0 || row.gradient.size() != truth.gradient.size()) return nan;
  const double scale = gradient_scale(truth);
  const Eigen::VectorXd squares = squared_errors(row, truth, scale);
  const Eigen::ArrayXd z = ((row.gradient - truth.gradient) / scale).array().abs() / squares.array().sqrt();
  if (z.size() == 1) return z[0];
  return std::isnan(row.projection_z) ? z.maxCoeff<Eigen::PropagateNumbers>() : row.projection_z;
}

void judge(ComparisonRow& row, const Exact& truth, double confidence) {
  if (!(confidence > 0 && confidence < 1)) throw InvalidArgument("judge: " + outside("confidence", confidence, "(0, 1)"));
  if (!row.skipped.empty()) {
    row.verdict = "skipped";
    return;
  }
  if (row.gradient.size() != row.gradient_error.size()) {
    throw InvalidArgument("judge: " + row.estimator + ": gradient and gradient_error differ in size");
  }
  if (truth.gradient.size() == 0) {
    row.relative_bias = row.relative_bias_error = row.minimum_detectable_bias = row.cosine = row.sign_agreement = nan;
    row.verdict = "no truth";
    return;
  }
  if (row.gradient.size() != truth.gradient.size() ||
      (truth.gradient_error.size() > 0 && truth.gradient_error.size() != truth.gradient.size())) {
    throw InvalidArgument("judge: " + row.estimator + ": gradient and truth differ in size");
  }
  const double scale = gradient_scale(truth);
  const Eigen::ArrayXd squares = squared_errors(row, truth, scale).array();
  const Eigen::ArrayXd bias = ((row.gradient - truth.gradient) / scale).array();

  // |bias|^2 less its noise, with the variance of a sum of noncentral squares; sqrt by its secant, finite at zero.
  const double square = std::max(0.0, bias.square().sum() - squares.sum());
  const double spread = std::sqrt((2 * squares.square() + 4 * squares * (bias.square() - squares).max(0)).sum());
  row.relative_bias = std::isfinite(bias.sum()) ? std::sqrt(square) : nan;
  row.relative_bias_error = std::sqrt(square + spread) - std::sqrt(square);
  row.minimum_detectable_bias = 3 * std::sqrt(squares.sum());

  const double mean_norm = row.gradient.stableNorm(), truth_norm = truth.gradient.stableNorm(), mass = truth.gradient.lpNorm<1>();
  const bool direction = mean_norm > 0 && truth_norm > 0;
  row.cosine = direction ? std::clamp((row.gradient / mean_norm).dot(truth.gradient / truth_norm), -1.0, 1.0) : nan;
  const Eigen::ArrayXd agree = (row.gradient.array().sign() == truth.gradient.array().sign()).cast<double>();
  row.sign_agreement = mass > 0 && std::isfinite(mean_norm) ? (truth.gradient.array().abs() / mass * agree).sum() : nan;

  row.coordinate_z = nan;
  for (Eigen::Index j = 0; j < bias.size(); ++j) {
    const double z = std::abs(bias[j]) / std::sqrt(squares[j]);
    if (hit_enough(row, j) && std::isfinite(z)) row.coordinate_z = std::isnan(row.coordinate_z) ? z : std::max(row.coordinate_z, z);
  }

  row.verdict = verdict_of(row, truth, confidence);
  const std::string note = "claims to be unbiased";
  std::erase(row.notes, note);
  if (row.unbiased && found_biased(row)) row.notes.push_back(note);
}

double work_variance(const ComparisonRow& row, const Exact& truth) {
  const double scale = gradient_scale(truth);
  return row.total_variance / scale / scale * row.runs_per_sample;
}

double time_variance(const ComparisonRow& row, const Exact& truth) {
  const double scale = gradient_scale(truth);
  return row.total_variance / scale / scale * row.seconds_per_sample;
}

bool found_biased(const ComparisonRow& row) { return row.verdict.starts_with("BIASED"); }

double error_after(const ComparisonRow& row, const Exact& truth, double seconds) {
  const double bias = !row.unbiased || found_biased(row) ? row.relative_bias : 0;
  return std::sqrt(bias * bias + time_variance(row, truth) / seconds);
}

double crossover(const ComparisonRow& row, const Comparison& comparison) {
  if (!row.skipped.empty() || !row.unbiased || found_biased(row)) return nan;
  double seconds = nan;
  for (const ComparisonRow& other : comparison.rows) {
    if (!found_biased(other) || !(other.relative_bias > 0)) continue;
    const double excess = time_variance(row, comparison.truth) - time_variance(other, comparison.truth);
    const double from = std::max(0.0, excess) / (other.relative_bias * other.relative_bias);
    seconds = std::isnan(seconds) ? from : std::max(seconds, from);
  }
  return seconds;
}

std::vector<double> efficiencies(const Comparison& comparison) {
  const auto work = [&](const ComparisonRow& row) {
    const bool noisy = row.skipped.empty() && !detail::is_deterministic(row);
    return noisy ? work_variance(row, comparison.truth) : nan;
  };
  double reference = nan;
  for (const ComparisonRow& row : comparison.rows) {
    if (!(work(row) > 0)) continue;
    if (row.estimator == "LeaveOneOut(2)") {
      reference = work(row);
      break;
    }
    if (std::isnan(reference) && row.unbiased) reference = work(row);
  }
  std::vector<double> result;
  for (const ComparisonRow& row : comparison.rows) result.push_back(work(row) > 0 ? reference / work(row) : nan);
  return result;
}

}  // namespace stoat
