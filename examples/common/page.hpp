// examples/common/page.hpp: chapters as one HTML page, as files of figures, and as text.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "chapter.hpp"

namespace showcase {

/// The tables of a chapter on a terminal.
void print(std::ostream& out, const Chapter& chapter);

/// Writes index.html with everything inside and, for each figure, NAME.svg, NAME.csv and the gnuplot script NAME.gp that draws it.
/// Returns the absolute path of the page. Without gnuplot there are no pictures, and the page says so.
std::filesystem::path write_page(const std::string& title, const std::vector<Chapter>& chapters,
                                 const std::filesystem::path& folder);

}  // namespace showcase
