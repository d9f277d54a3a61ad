// The record of an optimisation that the text table and the HTML page share.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <stoat/driver/optimisation.hpp>

#include "comparison_table.hpp"

namespace stoat::detail {

/// Optimiser, draws, work and seeds in one line.
std::string heading(const Optimisation& optimisation);
/// Row indices: least final loss first, skipped estimators last.
std::vector<std::size_t> order(const Optimisation& optimisation);
/// The columns after the estimator's name, and row i's entries.
const std::vector<Column>& optimisation_columns();
std::vector<std::string> optimisation_cells(const Optimisation& optimisation, std::size_t i);

}  // namespace stoat::detail
