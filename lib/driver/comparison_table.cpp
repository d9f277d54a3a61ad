#include "comparison_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include <stoat/driver/report.hpp>

namespace stoat {

using report::digits;

namespace {

/// A cosine.
std::string rounded(double x, int places = 4) {
  const double unit = std::pow(10, places);
  return std::isfinite(x) ? digits(std::round(unit * x) / unit, places) : "-";
}

}  // namespace

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
  std::string missing;
  for (const std::string& name : c.missing) missing += (missing.empty() ? ", interrupted before " : ", ") + name;
  return std::to_string(c.sites) + " sites, d = " + std::to_string(c.theta.size()) + ", " + truth + ", " + std::to_string(draws) +
         " draws, seed " + std::to_string(c.seed) + missing;
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
      {"cos1", "mean cosine of a single draw and the truth"},
      {"sign", "share of the |truth| mass whose sign agrees"},
      {"error@1s", "relative root mean square error after one second of sampling, bias included"},
      {"wins after", "seconds of sampling from which on it errs less than every estimator that was found biased"}};
  return result;
}

const std::vector<Column>& further_columns() {
  static const std::vector<Column> result = [] {
    std::vector<Column> list{{"cos", "cosine of the mean and the truth"},
                             {"cos1", "mean cosine of a single draw and the truth"},
                             {"descent", "probability that a single draw has a positive product with the truth"},
                             {"zero", "share of draws that are zero in every coordinate"},
                             {"largest", "largest squared deviation of one draw over the sum of all; above 20 %: heavy tail"},
                             {"max z", "largest |z| of a coordinate that at least 30 draws have hit"},
                             {"hits", "fewest draws that hit a coordinate"},
                             {"tape", "most memory that one recording took"}};
    for (const double t : error_times)
      list.push_back({"error@" + digits(t) + "s", "relative root mean square error after so many seconds"});
    return list;
  }();
  return result;
}

std::string duration(double seconds) {
  if (std::isnan(seconds)) return "-";
  if (std::isinf(seconds)) return "never";
  if (seconds == 0) return "0 s";
  if (seconds < 1e-3) return digits(1e6 * seconds, 2) + " µs";
  if (seconds < 1) return digits(1e3 * seconds, 2) + " ms";
  if (seconds < 120) return digits(seconds, 2) + " s";
  if (seconds < 7200) return digits(seconds / 60, 2) + " min";
  return digits(seconds / 3600, 2) + " h";
}

std::vector<std::string> cells(const Comparison& c, std::size_t i) {
  const ComparisonRow& row = c.rows[i];
  const double scale = gradient_scale(c.truth), unit = truth_is_zero(c.truth) ? 1 : 100;
  const char* sign = truth_is_zero(c.truth) ? "" : " %";
  const double half_width = report::normal_upper_quantile((1 - c.confidence) / 2) * row.relative_bias_error;
  const auto percent = [&](double x, double by, const char* suffix) { return std::isfinite(x) ? digits(by * x) + suffix : "-"; };
  const std::string interval = half_width > 0 ? " ± " + digits(unit * half_width, 2) : "";
  const bool deterministic = is_deterministic(row);
  return {deterministic                      ? std::string("0") + sign
          : std::isfinite(row.relative_bias) ? digits(unit * row.relative_bias) + interval + sign
                                             : "-",
          deterministic ? "-" : report::z_text(bias_z(row, c.truth)),
          deterministic ? "0" : digits(row.total_variance / scale / scale),
          digits(row.runs_per_sample),
          digits(row.sweeps_per_sample),
          digits(1e6 * row.seconds_per_sample),
          digits(efficiencies(c)[i]),
          rounded(row.draw_cosine, 3),
          percent(row.sign_agreement, 100, " %"),
          percent(deterministic ? 0 : error_after(row, c.truth, 1), unit, sign),
          duration(crossover(row, c))};
}

std::vector<std::string> further_cells(const Comparison& c, std::size_t i) {
  const ComparisonRow& row = c.rows[i];
  const double unit = truth_is_zero(c.truth) ? 1 : 100;
  const char* sign = truth_is_zero(c.truth) ? "" : " %";
  const auto percent = [&](double x) { return std::isfinite(x) ? digits(100 * x) + " %" : "-"; };
  const bool deterministic = is_deterministic(row);
  std::vector<std::string> result{rounded(row.cosine),
                                  rounded(row.draw_cosine),
                                  percent(row.draw_descent),
                                  percent(row.zero_share),
                                  deterministic ? "-" : percent(row.largest_share),
                                  deterministic ? "-" : digits(row.coordinate_z),
                                  row.hits.empty() ? "-" : std::to_string(*std::min_element(row.hits.begin(), row.hits.end())),
                                  row.tape_bytes == 0       ? "-"
                                  : row.tape_bytes < 10'000 ? std::to_string(row.tape_bytes) + " B"
                                                            : digits(static_cast<double>(row.tape_bytes) / 1024) + " KiB"};
  for (const double t : error_times) {
    const double error = error_after(row, c.truth, t);
    result.push_back(std::isfinite(error) ? digits(deterministic ? 0 : unit * error) + sign : "-");
  }
  return result;
}

std::vector<Diagnostic> diagnostics_list(const Comparison& c) {
  if (!c.diagnostics) return {};
  const ReplayDiagnostics& d = *c.diagnostics;
  const double scale = gradient_scale(c.truth), square = scale * scale;
  const auto with_error = [](double x, double error) { return digits(x) + (std::isfinite(error) ? " ± " + digits(error, 2) : ""); };
  const auto count = [](double k) { return std::isinf(k) ? "all" : digits(k); };
  return {{"V_full/|g|²", digits(d.full_variance / square), "variance with every replay made: the floor of all replay estimators"},
          {"R/|g|²", digits(d.replay_excess / square), "what one replay per sample adds to the floor; k replays add about R / k"},
          {"R/|g|² with surrogate", digits(d.surrogate_excess / square), "the same when a straight-through adjoint is corrected"},
          {"M", with_error(d.interaction_order, d.interaction_order_error),
           "mean interaction order: 1 for an additive cost; replays at random sites lose to the score function by this factor"},
          {"M_res", with_error(d.residual_order, d.residual_order_error),
           "the same of what the surrogate leaves: debiased replays win if it is below 1"},
          {"k*", count(d.optimal_replays), "replays per sample with the least variance x work"},
          {"k* with surrogate", count(d.optimal_replays_surrogate), "the same for debiased surrogates"},
          {"replay", digits(d.replay_cost) + " runs", "mean fraction of a run that a replay takes"},
          {"used",
           std::to_string(d.paths) + " paths, " + std::to_string(d.replays) + " replays, " + std::to_string(d.cost_runs) + " runs",
           "work that was spent on these diagnostics"}};
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
  out << program << ": " << detail::heading(*this) << '\n' << report::aligned(table, true) << notes;
  if (!diagnostics) return;
  out << "  program:";
  for (const detail::Diagnostic& d : detail::diagnostics_list(*this))
    out << (d.name == "V_full/|g|²" ? " " : ", ") << d.name << ' ' << d.value;
  out << '\n';
  const auto worst = [&](const char* title, const std::vector<SiteNoise>& list, auto value) {
    if (list.empty()) return;
    out << "  " << title << ':';
    for (const SiteNoise& s : list) out << (&s == &list.front() ? " " : ", ") << s.law << " at site " << s.site << ' ' << value(s);
    out << '\n';
  };
  worst("noise of the score function", diagnostics->by_score,
        [](const SiteNoise& s) { return digits(100 * s.score_share, 2) + " %"; });
  worst("noise of one replay", diagnostics->by_replay, [](const SiteNoise& s) { return digits(100 * s.replay_share, 2) + " %"; });
  worst("bias of the surrogate", diagnostics->by_bias,
        [](const SiteNoise& s) { return digits(s.bias, 2) + " ± " + digits(s.bias_error, 2); });
}

std::ostream& operator<<(std::ostream& out, const Comparison& comparison) {
  comparison.print(out);
  return out;
}

}  // namespace stoat
