// stoat/driver/page.hpp: one self-contained HTML page of comparisons, for screens of any size and for paper.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <stoat/driver/comparison.hpp>
#include <stoat/driver/optimisation.hpp>

namespace stoat {

/// The same estimators on a family of programs of growing size.
struct ScalingSeries {
  std::string name;                     ///< "walk of n steps"
  std::vector<double> sizes;            ///< one per comparison
  std::vector<Comparison> comparisons;  ///< in the order of the sizes
};

/// What a page shows.
struct Page {
  std::vector<Comparison> comparisons;      ///< of programs at one size
  std::vector<Optimisation> optimisations;  ///< curves of losses
  std::vector<ScalingSeries> scalings;      ///< of programs at several sizes

  /// Tables and, where gnuplot is installed, plots. Throws Error, naming the path, if it cannot be written; InvalidArgument if a
  /// series has not one size per comparison.
  void write_html(const std::filesystem::path& path) const;
};

}  // namespace stoat
