// stoat/driver/comparison.hpp: what a comparison of estimators found, judged and reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/diagnose.hpp>
#include <stoat/error.hpp>

namespace stoat {

/// The exact (or independently computed) value and gradient of an expected cost.
struct Exact {
  double value = 0;                ///< the expected cost
  Eigen::VectorXd gradient;        ///< of it
  std::string source;              ///< "enumeration", "closed form", ...
  double value_error = 0;          ///< standard error; 0: exact
  Eigen::VectorXd gradient_error;  ///< standard errors; empty: exact
};

/// One estimator on one program.
struct ComparisonRow {
  std::string estimator;                     ///< "LeaveOneOut(4)"
  bool unbiased = true;                      ///< what the estimator claims
  std::string skipped;                       ///< the reason; empty if it ran
  std::uint64_t samples = 0;                 ///< gradient draws
  double value = 0, value_error = 0;         ///< mean cost and its standard error
  Eigen::VectorXd gradient, gradient_error;  ///< mean and its standard error
  double total_variance = 0;                 ///< trace of the covariance of one gradient draw
  double relative_bias = 0;                  ///< |mean - truth| / |truth| with the noise removed; absolute if the truth is 0
  double relative_bias_error = 0;            ///< its standard error
  double projection_z = 0;             ///< largest |z| over 32 fixed dense projections of mean - truth, the truth's error included;
                                       ///< infinite where there is a bias and no error at all
  double minimum_detectable_bias = 0;  ///< 3 standard errors of the mean gradient (its norm) / |truth|
  double runs_per_sample = 0;          ///< executions of the program, plain or recorded; a replay counts its suffix fraction
  double sweeps_per_sample = 0;        ///< reverse sweeps
  double seconds_per_sample = 0;       ///< of one thread
  std::size_t tape_bytes = 0;          ///< most that one recording took, adjoints included; 0: nothing was recorded
  double cosine = 0;                   ///< of the mean and the truth
  double sign_agreement = 0;           ///< fraction of the |truth| mass whose sign agrees
  double draw_cosine = 0;              ///< mean cosine of a single draw and the truth; a draw that is zero counts as 0
  double draw_descent = 0;             ///< P(g . truth > 0) of a single draw
  double zero_share = 0;               ///< fraction of draws that are zero in every coordinate
  double largest_share = 0;            ///< largest squared deviation of one draw / sum of squared deviations, over the projections
  std::vector<std::uint64_t> hits;     ///< draws in which each coordinate was not zero; empty: not counted
  double coordinate_z = 0;             ///< largest |z| of a coordinate with at least `enough_hits`
  std::string verdict;                 ///< "unbiased within 1.2 %", "BIASED 37 %", "underpowered", "heavy tail", ...
  std::vector<std::string> notes;      ///< diagnostics of the estimate
};

/// A coordinate that fewer draws have hit has a meaningless sample variance: tables print "n/a (k hits)".
inline constexpr std::uint64_t enough_hits = 30;
/// Whether statistics of coordinate j mean something. Estimates from one draw and rows without counts count as hit.
bool hit_enough(const ComparisonRow& row, Eigen::Index j);

/// Every estimator on one program, next to the truth. Without a truth (empty gradient) the bias is left open.
struct Comparison {
  std::string program;                             ///< its name
  Eigen::VectorXd theta;                           ///< where
  Exact truth;                                     ///< what the others are compared with
  std::size_t sites = 0;                           ///< of a run
  std::uint64_t seed = 0;                          ///< of all draws
  double confidence = 0.95;                        ///< of the intervals
  std::vector<ComparisonRow> rows;                 ///< one an estimator
  std::optional<ReplayDiagnostics> diagnostics{};  ///< if they were asked for
  std::vector<std::string> missing{};              ///< estimators that an interruption came before

  /// An aligned table, best work-normalised variance first.
  void print(std::ostream& out) const;
  /// One line per estimator; vectors joined by ';'.
  void write_csv(const std::filesystem::path& path) const;
  /// An array with one object per estimator; numbers that are not finite become null.
  void write_json(const std::filesystem::path& path) const;
  /// One self-contained page with tables and, where gnuplot is installed, plots.
  void write_html(const std::filesystem::path& path) const;
};

std::ostream& operator<<(std::ostream& out, const Comparison& comparison);

/// The same files for several comparisons. All throw Error, naming the path, if it cannot be written.
void write_csv(const std::filesystem::path& path, const std::vector<Comparison>& comparisons);
void write_json(const std::filesystem::path& path, const std::vector<Comparison>& comparisons);
void write_html(const std::filesystem::path& path, const std::vector<Comparison>& comparisons);

/// Fills relative_bias, its error, cosine, sign_agreement, minimum_detectable_bias, coordinate_z and verdict from the
/// statistics already in the row: samples, gradient, gradient_error, hits, total_variance, projection_z, largest_share.
void judge(ComparisonRow& row, const Exact& truth, double confidence);

/// What biases and deviations are divided by: |truth|, or 1 where the truth is zero (up to rounding) or unknown.
double gradient_scale(const Exact& truth);
/// The z that the verdict uses: projection_z, or the z of the only coordinate.
double bias_z(const ComparisonRow& row, const Exact& truth);
/// Work-normalised variance: variance / |g|^2 * runs.
double work_variance(const ComparisonRow& row, const Exact& truth);
/// variance / |g|^2 * seconds.
double time_variance(const ComparisonRow& row, const Exact& truth);
/// Whether the verdict found a bias.
bool found_biased(const ComparisonRow& row);
/// Relative root mean square error after so many seconds of sampling, bias included.
double error_after(const ComparisonRow& row, const Exact& truth, double seconds);
/// Seconds of sampling from which on an unbiased row errs less (root mean square) than every estimator that was found biased:
/// (variance x seconds of the one - of the other) / bias^2. 0: from the start. NaN: the row is biased, or no other was found to be.
double crossover(const ComparisonRow& row, const Comparison& comparison);
/// Work-normalised variance of LeaveOneOut(2), or else of the first unbiased row with a variance, over each row's (NaN: none).
std::vector<double> efficiencies(const Comparison& comparison);

}  // namespace stoat
