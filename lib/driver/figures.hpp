// What the sections of the HTML page share: colours, plots, and how a section is put together.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <stoat/driver/page.hpp>
#include <stoat/driver/report.hpp>

namespace stoat::detail {

using Colours = std::map<std::string, std::size_t>;  // estimator -> place in the palette, the same on the whole page

inline constexpr std::array palette{"#3b82d6", "#e07b28", "#2f9e5b", "#d6455d", "#8b6fd1", "#a0714f", "#d265b0",
                                    "#7f8792", "#a8a02b", "#26a3b5", "#5866c9", "#c79a12", "#5f9e2f", "#b0508f"};

inline std::string colour(const Colours& colours, const std::string& estimator) {
  return palette[colours.at(estimator) % palette.size()];
}

inline std::string number(double x) { return report::exact(x, "NaN"); }

/// A gnuplot string.
inline std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, static_cast<unsigned char>(c) < 32 ? ' ' : c);
  return out + '\'';
}

/// Data blocks and the plot command that draws them.
class Plot {
 public:
  Plot(std::string& script, std::size_t index) : script_(script), block_("$p" + std::to_string(index) + "_") {
    script_ += "reset\nset output '" + std::to_string(index) +
               ".svg'\nunset key\nset tics nomirror\nset border 3 lw 0.8\nset grid lw 0.5 lc rgb '#999999' dt '.'\n";
  }
  void set(const std::string& command) { script_ += command + '\n'; }
  void add(const std::vector<std::vector<double>>& points, const std::string& style) {
    if (points.empty()) return;
    const std::string name = block_ + std::to_string(count_++);
    script_ += name + " << EOD\n";
    for (const auto& point : points) {
      for (const double x : point) script_ += number(x) + ' ';
      script_ += '\n';
    }
    script_ += "EOD\n";
    command_ += (command_.empty() ? "plot " : ", ") + name + ' ' + style;
  }
  bool empty() const { return command_.empty(); }
  void finish() { script_ += command_ + '\n'; }

 private:
  std::string& script_;
  std::string block_, command_;
  int count_ = 0;
};

inline bool positive(double x) { return std::isfinite(x) && x > 0; }

/// Plots of the whole page: one gnuplot script draws them all.
class Figures {
 public:
  /// `draw(script, index)` appends its commands and returns true, or returns false if there is nothing to draw. Gives the
  /// place of the plot, or -1.
  template <class Draw>
  int add(Draw&& draw) {
    std::string part;
    if (!draw(part, count_)) return -1;
    script_ += part;
    return static_cast<int>(count_++);
  }
  /// Runs gnuplot.
  report::Plots made() const { return report::gnuplot(script_, count_); }

 private:
  // As wide as a phone's column, so that the letters keep their size there.
  std::string script_ = "set encoding utf8\nset terminal svg size 360,300 dynamic font 'DejaVu Sans,14'\n";
  std::size_t count_ = 0;
};

/// A part of the page: its HTML before and after its figures.
struct Section {
  std::string title, before, legend, after;
  std::vector<std::pair<int, std::string>> figures;  ///< place and caption
};

inline std::string legend(const std::vector<std::string>& estimators, const Colours& colours) {
  std::string html;
  for (const std::string& e : estimators)
    html += "<span><i style=\"background:" + colour(colours, e) + "\"></i>" + report::escape_html(e) + "</span>";
  return html;
}

/// The row header of an estimator; a long name may break between its words.
inline std::string name_cell(const std::string& estimator, const Colours& colours) {
  std::string name;
  for (const char c : estimator) {
    if (!name.empty() && c >= 'A' && c <= 'Z') name += "<wbr>";
    name += report::escape_html(std::string(1, c));
  }
  return "<th scope=\"row\"><div><i style=\"background:" + colour(colours, estimator) + "\"></i><span>" + name +
         "</span></div></th>";
}

/// Labels of a logarithmic axis that shows values from `low` to `high`: at most six or so.
inline std::string log_tics(const char* axis, double low, double high) {
  const double decades = std::ceil(std::log10(high / low) / 5);
  return std::string("set ") + axis + "tics 1e" + number(std::max(1.0, decades)) + "\nset m" + axis + "tics " +
         (decades > 1 ? "1" : "10");
}

Section comparison_section(const Comparison& comparison, const Colours& colours, Figures& figures);
Section optimisation_section(const Optimisation& optimisation, const Colours& colours, Figures& figures);
Section scaling_section(const ScalingSeries& series, const Colours& colours, Figures& figures);

}  // namespace stoat::detail
