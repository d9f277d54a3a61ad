// examples/surrogate_gradients/chapter.hpp: what a chapter hands over: text, tables and figures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace surrogate_gradients {

struct Options {
  bool quick = false;  ///< fewer points and samples
  std::uint64_t seed = 1;
  int seeds = 0;                   ///< of every network of the chapter on bias; 0: as many as there is time for
  std::filesystem::path target{};  ///< PBM picture for the spike-train matching; empty: our own drawing
};

/// Points with a gnuplot style ("with lines lw 2"); a row that is not finite breaks a line.
struct Curve {
  std::string title;  ///< empty: not in the key
  std::string style;
  std::vector<std::vector<double>> points;
};

/// One plot; `commands` are further gnuplot commands, for example ranges.
struct Panel {
  std::string title, x, y, commands;
  std::vector<Curve> curves;
};

/// Panels in rows of `columns`; sizes in pixels.
struct Figure {
  std::string name;     ///< of its files
  std::string caption;  ///< HTML
  int width = 760, height = 340, columns = 1;
  std::vector<Panel> panels;
};

/// The first row is the head.
struct Table {
  std::string caption;  ///< plain text
  std::vector<std::vector<std::string>> rows;
};

struct Chapter {
  std::string title;
  std::string text;  ///< HTML paragraphs
  std::vector<Table> tables;
  std::vector<Figure> figures;
};

namespace colour {
inline constexpr const char *blue = "#3b82d6", *orange = "#e07b28", *green = "#2f9e5b", *red = "#d6455d", *violet = "#8b6fd1",
                            *grey = "#7f8792";
}

/// "with lines lw 2 lc rgb '#3b82d6'", dashed if `dash` is a gnuplot dash type.
inline std::string line(const char* colour, double width = 2, const std::string& dash = {}) {
  const std::string text = "with lines lw " + std::to_string(width) + " lc rgb '" + colour + "'";
  return dash.empty() ? text : text + " dt " + dash;
}

}  // namespace surrogate_gradients
