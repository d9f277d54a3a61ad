// The record that the text table and the HTML page share.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <stoat/driver/comparison.hpp>

namespace stoat::detail {

struct Column {
  std::string title, meaning;
};

/// Whether rounding alone is left of the gradient.
bool truth_is_zero(const Exact& truth);
/// Whether the verdict found no variance and no bias but rounding.
bool is_deterministic(const ComparisonRow& row);
/// Sites, dimension, truth, draws and seed in one line.
std::string heading(const Comparison& comparison);
/// Row indices: best work-normalised variance first, skipped estimators last.
std::vector<std::size_t> order(const Comparison& comparison);
/// The columns between the estimator's name and the verdict, and row i's entries.
const std::vector<Column>& columns();
std::vector<std::string> cells(const Comparison& comparison, std::size_t i);
/// A second table: directions, tails, hits, memory, and the error after several times.
const std::vector<Column>& further_columns();
std::vector<std::string> further_cells(const Comparison& comparison, std::size_t i);
inline constexpr std::array<double, 5> error_times{0.1, 1, 10, 100, 1000};  // seconds

/// "12 ms"; "never" if infinite, "-" if it is not a number.
std::string duration(double seconds);

/// Names and values of the diagnostics of a program, with what they mean.
struct Diagnostic {
  std::string name, value, meaning;
};
std::vector<Diagnostic> diagnostics_list(const Comparison& comparison);

}  // namespace stoat::detail
