// The record that the text table and the HTML page share.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <stoat/driver/comparison.hpp>

namespace stoat::detail {

struct Column {
  std::string title, meaning;
};

/// Sites, dimension, truth, draws and seed in one line.
std::string heading(const Comparison& comparison);
/// Row indices: best work-normalised variance first, skipped estimators last.
std::vector<std::size_t> order(const Comparison& comparison);
/// The columns between the estimator's name and the verdict, and row i's entries.
const std::vector<Column>& columns();
std::vector<std::string> cells(const Comparison& comparison, std::size_t i);

}  // namespace stoat::detail
