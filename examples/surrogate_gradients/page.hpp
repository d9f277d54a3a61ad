// examples/surrogate_gradients/page.hpp: chapters as one HTML page, as files of figures, and as text.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "chapter.hpp"

namespace surrogate_gradients {

/// The tables of a chapter on a terminal.
void print(std::ostream& out, const Chapter& chapter);

/// Writes index.html with everything inside and, for each figure, NAME.svg, NAME.csv and the gnuplot script NAME.gp that draws it.
/// Returns the absolute path of the page. Without gnuplot there are no pictures, and the page says so.
std::filesystem::path write_page(const std::vector<Chapter>& chapters, const std::filesystem::path& folder);

}  // namespace surrogate_gradients
