#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include <stoat/driver/comparison.hpp>
#include <stoat/driver/page.hpp>
#include <stoat/driver/report.hpp>

#include "comparison_table.hpp"

namespace stoat {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string joined(const Eigen::VectorXd& x) {
  std::string text;
  for (Eigen::Index i = 0; i < x.size(); ++i) text += (i > 0 ? ";" : "") + report::exact(x[i], "nan");
  return text;
}

}  // namespace

void write_csv(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
  std::string text =
      "program,estimator,unbiased,samples,verdict,value,value_error,relative_bias,relative_bias_error,projection_z,"
      "minimum_detectable_bias,total_variance,work_variance,runs_per_sample,sweeps_per_sample,seconds_per_sample,efficiency,"
      "cosine,sign_agreement,draw_cosine,draw_descent,zero_share,largest_share,coordinate_z,fewest_hits,tape_bytes,error_1s,error_"
      "10s,"
      "error_100s,crossover_seconds,gradient,gradient_error,truth,skipped\n";
  for (const Comparison& c : comparisons) {
    const std::vector<double> efficiency = efficiencies(c);
    for (std::size_t i = 0; i < c.rows.size(); ++i) {
      const ComparisonRow& row = c.rows[i];
      const bool ran = row.skipped.empty();
      text += report::csv_field(c.program) + ',' + report::csv_field(row.estimator) + (row.unbiased ? ",true," : ",false,");
      text += (ran ? std::to_string(row.samples) : "") + ',' + report::csv_field(row.verdict);
      for (const double x : {row.value,
                             row.value_error,
                             row.relative_bias,
                             row.relative_bias_error,
                             row.projection_z,
                             row.minimum_detectable_bias,
                             row.total_variance,
                             work_variance(row, c.truth),
                             row.runs_per_sample,
                             row.sweeps_per_sample,
                             row.seconds_per_sample,
                             efficiency[i],
                             row.cosine,
                             row.sign_agreement,
                             row.draw_cosine,
                             row.draw_descent,
                             row.zero_share,
                             row.largest_share,
                             row.coordinate_z,
                             row.hits.empty() ? nan : static_cast<double>(*std::min_element(row.hits.begin(), row.hits.end())),
                             static_cast<double>(row.tape_bytes),
                             error_after(row, c.truth, 1),
                             error_after(row, c.truth, 10),
                             error_after(row, c.truth, 100),
                             crossover(row, c)}) {
        text += ',' + (ran ? report::exact(x) : "");
      }
      text += ',' + (ran ? joined(row.gradient) + ',' + joined(row.gradient_error) : ",") + ',' + joined(c.truth.gradient);
      text += ',' + report::csv_field(row.skipped) + '\n';
    }
  }
  report::write_file(path, text);
}

namespace {

using Json = nlohmann::ordered_json;

Json sites_json(const std::vector<SiteNoise>& list) {
  Json all = Json::array();
  for (const SiteNoise& s : list)
    all.push_back({{"site", s.site},
                   {"law", s.law},
                   {"paths", s.paths},
                   {"score_share", s.score_share},
                   {"replay_share", s.replay_share},
                   {"bias", s.bias},
                   {"bias_error", s.bias_error}});
  return all;
}

Json diagnostics_json(const ReplayDiagnostics& d) {
  return {{"paths", d.paths},
          {"replays", d.replays},
          {"cost_runs", d.cost_runs},
          {"sites", d.sites},
          {"alternatives", d.alternatives},
          {"cost_variance", d.cost_variance},
          {"full_variance", d.full_variance},
          {"replay_excess", d.replay_excess},
          {"surrogate_excess", d.surrogate_excess},
          {"interaction_order", d.interaction_order},
          {"interaction_order_error", d.interaction_order_error},
          {"residual_order", d.residual_order},
          {"residual_order_error", d.residual_order_error},
          {"replay_cost", d.replay_cost},
          {"optimal_replays", d.optimal_replays},
          {"optimal_replays_surrogate", d.optimal_replays_surrogate},
          {"by_score", sites_json(d.by_score)},
          {"by_replay", sites_json(d.by_replay)},
          {"by_bias", sites_json(d.by_bias)}};
}

}  // namespace

void write_json(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
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
        j["draw_cosine"] = row.draw_cosine;
        j["draw_descent"] = row.draw_descent;
        j["zero_share"] = row.zero_share;
        j["largest_share"] = row.largest_share;
        j["coordinate_z"] = row.coordinate_z;
        j["hits"] = row.hits;
        j["tape_bytes"] = row.tape_bytes;
        for (const double t : detail::error_times) j["error_after"][report::digits(t)] = error_after(row, c.truth, t);
        j["crossover_seconds"] = crossover(row, c);
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
      if (c.diagnostics) j["diagnostics"] = diagnostics_json(*c.diagnostics);
      all.push_back(std::move(j));
    }
  }
  report::write_file(path, all.dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
}

void Comparison::write_csv(const std::filesystem::path& path) const { stoat::write_csv(path, {*this}); }
void Comparison::write_json(const std::filesystem::path& path) const { stoat::write_json(path, {*this}); }
void Comparison::write_html(const std::filesystem::path& path) const { stoat::write_html(path, {*this}); }

void write_html(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
  Page{comparisons, {}, {}}.write_html(path);
}

}  // namespace stoat
