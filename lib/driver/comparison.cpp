#include <stoat/driver/comparison.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include <nlohmann/json.hpp>

#include <stoat/driver/report.hpp>

#include "comparison_table.hpp"

namespace stoat {

using report::digits;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double false_alarm = 1e-4;

/// Upper quantile of Student's t by the Cornish-Fisher expansion around the normal quantile.
double t_quantile(double q, double freedom) {
  const double z = report::normal_upper_quantile(q), z2 = z * z, v = 1 / freedom;
  return z + v * z * ((z2 + 1) / 4 + v * ((5 * z2 + 16) * z2 + 3) / 96 + v * v * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384);
}

bool truth_is_zero(const Exact& truth) {
  return truth.gradient.stableNorm() <= 1e-14 * std::abs(truth.value);  // what rounding leaves of a zero gradient
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

std::string joined(const Eigen::VectorXd& x) {
  std::string text;
  for (Eigen::Index i = 0; i < x.size(); ++i) text += (i > 0 ? ";" : "") + report::exact(x[i], "nan");
  return text;
}

/// Characters on the terminal (UTF-8).
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

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

std::vector<double> efficiencies(const Comparison& comparison) {
  const auto work = [&](const ComparisonRow& row) { return row.skipped.empty() ? work_variance(row, comparison.truth) : nan; };
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

namespace detail {

std::string heading(const Comparison& c) {
  std::uint64_t draws = 0;
  for (const ComparisonRow& row : c.rows) draws = std::max(draws, row.samples);
  std::string truth = "no truth";
  if (c.truth.gradient.size() > 0) {
    const double error = c.truth.gradient_error.size() > 0 ? c.truth.gradient_error.stableNorm() : 0;
    truth = "truth " + digits(c.truth.value, 5) + ", |g| " + digits(c.truth.gradient.stableNorm(), 5) +
            (error > 0 ? " ± " + digits(error, 2) : "") + (c.truth.source.empty() ? "" : " (" + c.truth.source + ")");
  }
  return std::to_string(c.sites) + " sites, d = " + std::to_string(c.theta.size()) + ", " + truth + ", " + std::to_string(draws) +
         " draws, seed " + std::to_string(c.seed);
}

std::vector<std::size_t> order(const Comparison& c) {
  std::vector<std::size_t> result(c.rows.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = i;
  const auto key = [&](std::size_t i) {
    const double work = work_variance(c.rows[i], c.truth);
    return std::pair(!c.rows[i].skipped.empty(), std::isnan(work) ? std::numeric_limits<double>::infinity() : work);
  };
  std::stable_sort(result.begin(), result.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  return result;
}

const std::vector<Column>& columns() {
  static const std::vector<Column> result{
      {"bias", "|mean - truth| / |truth|, the noise removed, with its confidence interval"},
      {"z", "largest |z| over 32 fixed projections of the bias"},
      {"var/|g|²", "variance of one draw, summed over coordinates, over |truth|²"},
      {"runs", "executions of the program per draw; a replay counts the part it runs"},
      {"sweeps", "reverse sweeps per draw"},
      {"µs", "microseconds per draw"},
      {"eff.", "variance x runs of LeaveOneOut(2) (else of the first unbiased estimator) over this one's: more is better"},
      {"cos", "cosine of the mean and the truth"},
      {"sign", "share of the |truth| mass whose sign agrees"},
      {"error@1s", "relative root mean square error after one second of sampling, bias included"}};
  return result;
}

std::vector<std::string> cells(const Comparison& c, std::size_t i) {
  const ComparisonRow& row = c.rows[i];
  const double scale = gradient_scale(c.truth), unit = truth_is_zero(c.truth) ? 1 : 100;
  const char* sign = truth_is_zero(c.truth) ? "" : " %";
  const double half_width = report::normal_upper_quantile((1 - c.confidence) / 2) * row.relative_bias_error;
  const auto percent = [&](double x, double by, const char* suffix) { return std::isfinite(x) ? digits(by * x) + suffix : "-"; };
  const std::string interval = half_width > 0 ? " ± " + digits(unit * half_width, 2) : "";
  return {std::isfinite(row.relative_bias) ? digits(unit * row.relative_bias) + interval + sign : "-",
          digits(bias_z(row, c.truth)),
          digits(row.total_variance / scale / scale),
          digits(row.runs_per_sample),
          digits(row.sweeps_per_sample),
          digits(1e6 * row.seconds_per_sample),
          digits(efficiencies(c)[i]),
          std::isfinite(row.cosine) ? digits(std::round(1e4 * row.cosine) / 1e4, 4) : "-",
          percent(row.sign_agreement, 100, " %"),
          percent(error_after(row, c.truth, 1), unit, sign)};
}

}  // namespace detail

void Comparison::print(std::ostream& out) const {
  std::vector<std::vector<std::string>> table{{"estimator"}};
  for (const detail::Column& column : detail::columns()) table[0].push_back(column.title);
  table[0].push_back("verdict");
  const std::size_t last = table[0].size() - 1;
  std::string notes;
  for (const std::size_t i : detail::order(*this)) {
    const ComparisonRow& row = rows[i];
    std::vector<std::string> line{row.estimator};
    if (row.skipped.empty()) {
      for (std::string& cell : detail::cells(*this, i)) line.push_back(std::move(cell));
      line.push_back(row.verdict);
    } else {
      line.resize(last);
      line.push_back("skipped: " + row.skipped);
    }
    table.push_back(std::move(line));
    for (const std::string& note : row.notes) notes += "  " + row.estimator + ": " + note + '\n';
  }
  std::vector<std::size_t> widths(last + 1);
  for (const auto& line : table) {
    for (std::size_t j = 0; j < last; ++j) widths[j] = std::max(widths[j], width(line[j]));
  }
  out << program << ": " << detail::heading(*this) << '\n';
  for (const auto& line : table) {
    for (std::size_t j = 0; j < last; ++j) {
      const std::string pad(widths[j] - width(line[j]), ' ');
      out << "  " << (j == 0 ? line[j] + pad : pad + line[j]);
    }
    out << "  " << line[last] << '\n';
  }
  out << notes;
}

std::ostream& operator<<(std::ostream& out, const Comparison& comparison) {
  comparison.print(out);
  return out;
}

void write_csv(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
  std::string text =
      "program,estimator,unbiased,samples,verdict,value,value_error,relative_bias,relative_bias_error,projection_z,"
      "minimum_detectable_bias,total_variance,work_variance,runs_per_sample,sweeps_per_sample,seconds_per_sample,efficiency,"
      "cosine,sign_agreement,largest_share,gradient,gradient_error,truth,skipped\n";
  for (const Comparison& c : comparisons) {
    const std::vector<double> efficiency = efficiencies(c);
    for (std::size_t i = 0; i < c.rows.size(); ++i) {
      const ComparisonRow& row = c.rows[i];
      const bool ran = row.skipped.empty();
      text += report::csv_field(c.program) + ',' + report::csv_field(row.estimator) + (row.unbiased ? ",true," : ",false,");
      text += (ran ? std::to_string(row.samples) : "") + ',' + report::csv_field(row.verdict);
      for (const double x :
           {row.value, row.value_error, row.relative_bias, row.relative_bias_error, row.projection_z, row.minimum_detectable_bias,
            row.total_variance, work_variance(row, c.truth), row.runs_per_sample, row.sweeps_per_sample, row.seconds_per_sample,
            efficiency[i], row.cosine, row.sign_agreement, row.largest_share}) {
        text += ',' + (ran ? report::exact(x) : "");
      }
      text += ',' + (ran ? joined(row.gradient) + ',' + joined(row.gradient_error) : ",") + ',' + joined(c.truth.gradient);
      text += ',' + report::csv_field(row.skipped) + '\n';
    }
  }
  report::write_file(path, text);
}

void write_json(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
  using Json = nlohmann::ordered_json;
  const auto array = [](const Eigen::VectorXd& x) { return Json(std::vector<double>(x.begin(), x.end())); };
  Json all = Json::array();
  for (const Comparison& c : comparisons) {
    const std::vector<double> efficiency = efficiencies(c);
    for (std::size_t i = 0; i < c.rows.size(); ++i) {
      const ComparisonRow& row = c.rows[i];
      Json j{{"program", c.program}, {"estimator", row.estimator}, {"unbiased", row.unbiased}};
      if (row.skipped.empty()) {
        j["samples"] = row.samples;
        j["value"] = row.value;
        j["value_error"] = row.value_error;
        j["gradient"] = array(row.gradient);
        j["gradient_error"] = array(row.gradient_error);
        j["total_variance"] = row.total_variance;
        j["work_variance"] = work_variance(row, c.truth);
        j["runs_per_sample"] = row.runs_per_sample;
        j["sweeps_per_sample"] = row.sweeps_per_sample;
        j["seconds_per_sample"] = row.seconds_per_sample;
        j["efficiency"] = efficiency[i];
        j["relative_bias"] = row.relative_bias;
        j["relative_bias_error"] = row.relative_bias_error;
        j["projection_z"] = row.projection_z;
        j["minimum_detectable_bias"] = row.minimum_detectable_bias;
        j["cosine"] = row.cosine;
        j["sign_agreement"] = row.sign_agreement;
        j["largest_share"] = row.largest_share;
        j["verdict"] = row.verdict;
      } else {
        j["skipped"] = row.skipped;
      }
      j["notes"] = row.notes;
      j["truth"] = array(c.truth.gradient);
      j["truth_error"] = array(c.truth.gradient_error);
      j["truth_value"] = c.truth.value;
      j["truth_value_error"] = c.truth.value_error;
      j["truth_source"] = c.truth.source;
      j["theta"] = array(c.theta);
      j["sites"] = c.sites;
      j["seed"] = c.seed;
      j["confidence"] = c.confidence;
      all.push_back(std::move(j));
    }
  }
  report::write_file(path, all.dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
}

void Comparison::write_csv(const std::filesystem::path& path) const { stoat::write_csv(path, {*this}); }
void Comparison::write_json(const std::filesystem::path& path) const { stoat::write_json(path, {*this}); }
void Comparison::write_html(const std::filesystem::path& path) const { stoat::write_html(path, {*this}); }

}  // namespace stoat
