#include <stoat/driver/comparison.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include <stoat/driver/report.hpp>

#include "comparison_table.hpp"

namespace stoat {

using report::digits;
using report::escape_html;

namespace {

using Colours = std::map<std::string, std::size_t>;  // estimator -> place in the palette, the same on the whole page

constexpr std::array palette{"#3b82d6", "#e07b28", "#2f9e5b", "#d6455d", "#8b6fd1", "#a0714f", "#d265b0",
                             "#7f8792", "#a8a02b", "#26a3b5", "#5866c9", "#c79a12", "#5f9e2f", "#b0508f"};

std::string colour(const Colours& colours, const std::string& estimator) { return palette[colours.at(estimator) % palette.size()]; }

std::string number(double x) { return report::exact(x, "NaN"); }

/// A gnuplot string.
std::string quoted(std::string text) {
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

struct Figure {
  std::size_t plot;
  std::string caption;
};

bool positive(double x) { return std::isfinite(x) && x > 0; }

std::vector<std::size_t> drawn(const Comparison& c) {
  std::vector<std::size_t> result;
  for (const std::size_t i : detail::order(c)) {
    if (c.rows[i].skipped.empty() && c.rows[i].gradient.allFinite()) result.push_back(i);
  }
  return result;
}

bool bias_plane(const Comparison& c, const Colours& colours, std::string& script, std::size_t index) {
  double left = 1e300, right = 0;
  for (const std::size_t i : drawn(c)) {
    const double work = work_variance(c.rows[i], c.truth);
    if (positive(work)) left = std::min(left, work), right = std::max(right, work);
  }
  if (right == 0) left = right = 1;
  left /= 10;
  std::string part;
  Plot plot(part, index);
  plot.set("set logscale xy\nset format '10^{%L}'\nset xlabel 'variance × runs / |g|²'\nset ylabel 'relative bias'");
  plot.set("set xrange [" + number(left / 3) + ':' + number(right * 5) + ']');
  double low = 1e300, high = 0;
  for (const std::size_t i : drawn(c)) {
    const ComparisonRow& row = c.rows[i];
    const bool found = found_biased(row);
    const double y = found ? row.relative_bias : row.minimum_detectable_bias, work = work_variance(row, c.truth);
    if (!positive(y) || row.verdict.starts_with("deterministic")) continue;
    low = std::min(low, found ? y : y / 2), high = std::max(high, y);
    const double x = positive(work) ? work : left;
    const std::string ink = "lc rgb '" + colour(colours, row.estimator) + "'";
    if (!found) plot.add({{x, y, 0, -y / 2}}, "with vectors head filled size screen 0.012,25 lw 1.3 " + ink);
    plot.add({{x, y}}, std::string("with points ps 0.9 lw 1.5 pt ") + (found ? "7 " : "6 ") + ink);
  }
  if (plot.empty()) return false;
  plot.set("set yrange [" + number(low / 2) + ':' + number(high * 2) + ']');
  plot.finish();
  script += part;
  return true;
}

bool error_lines(const Comparison& c, const Colours& colours, std::string& script, std::size_t index) {
  double fastest = 1e300, longest = 0;
  for (const std::size_t i : drawn(c)) {
    const ComparisonRow& row = c.rows[i];
    if (!positive(row.seconds_per_sample)) continue;
    fastest = std::min(fastest, row.seconds_per_sample);
    longest = std::max(longest, row.seconds_per_sample * static_cast<double>(row.samples));
  }
  if (longest == 0) return false;
  const double begin = std::floor(std::log10(10 * fastest)), end = std::max(begin + 5, std::ceil(std::log10(longest)) + 1);
  std::string part;
  Plot plot(part, index);
  plot.set("set logscale xy\nset format '10^{%L}'\nset xlabel 'seconds of sampling'\nset ylabel 'relative error (RMS)'");
  plot.set("set xrange [1e" + number(begin) + ":1e" + number(end) + ']');
  for (const std::size_t i : drawn(c)) {
    const ComparisonRow& row = c.rows[i];
    std::vector<std::vector<double>> points;
    for (int k = 0; k <= 40; ++k) {
      const double seconds = std::pow(10, begin + (end - begin) * k / 40), error = error_after(row, c.truth, seconds);
      if (positive(row.seconds_per_sample) && error > 1e-9) points.push_back({seconds, error});
    }
    const bool biased = !row.unbiased || found_biased(row);
    plot.add(points,
             std::string("with lines lw 1.8 ") + (biased ? "dt '-' " : "") + "lc rgb '" + colour(colours, row.estimator) + "'");
  }
  if (plot.empty()) return false;
  plot.finish();
  script += part;
  return true;
}

/// 1, 2 or 5 times a power of ten, at least x.
double round_step(double x) {
  const double power = std::pow(10, std::floor(std::log10(x)));
  return x <= power ? power : x <= 2 * power ? 2 * power : x <= 5 * power ? 5 * power : 10 * power;
}

/// The coordinates to draw: all, or the 20 largest.
std::vector<Eigen::Index> shown_coordinates(const Exact& truth) {
  std::vector<Eigen::Index> result(static_cast<std::size_t>(truth.gradient.size()));
  std::iota(result.begin(), result.end(), 0);
  if (result.size() > 20) {
    std::stable_sort(result.begin(), result.end(),
                     [&](auto a, auto b) { return std::abs(truth.gradient[a]) > std::abs(truth.gradient[b]); });
    result.resize(20);
    std::sort(result.begin(), result.end());
  }
  return result;
}

bool estimates(const Comparison& c, const Colours& colours, std::string& script, std::size_t index) {
  const std::vector<std::size_t> rows = drawn(c);
  if (rows.empty() || c.truth.gradient.size() == 0 || !c.truth.gradient.allFinite()) return false;
  const double quantile = report::normal_upper_quantile((1 - c.confidence) / 2);
  const std::vector<Eigen::Index> coordinates = shown_coordinates(c.truth);
  const bool single = coordinates.size() == 1;
  const double n = static_cast<double>(rows.size());

  // Show what lies near the truth: one wild estimator must not flatten the others.
  double low = 1e300, high = -1e300;
  for (const Eigen::Index j : coordinates) low = std::min(low, c.truth.gradient[j]), high = std::max(high, c.truth.gradient[j]);
  const double room = std::max(high - low, std::max(std::abs(low), std::abs(high)));
  double least = low - 0.05 * room, most = high + 0.05 * room;

  std::string part, names;
  Plot plot(part, index);
  if (!single) {
    std::vector<std::vector<double>> truth;
    for (std::size_t k = 0; k < coordinates.size(); ++k)
      truth.push_back({static_cast<double>(k) - 0.42, c.truth.gradient[coordinates[k]], 0.84, 0});
    plot.add(truth, "with vectors nohead lw 2 lc rgb 'black'");
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const ComparisonRow& row = c.rows[rows[r]];
    std::vector<std::vector<double>> points, bars;
    const double place = n - 1 - static_cast<double>(r), shift = 0.7 * ((static_cast<double>(r) + 0.5) / n - 0.5);
    for (std::size_t k = 0; k < coordinates.size(); ++k) {
      const double g = row.gradient[coordinates[k]], error = row.gradient_error[coordinates[k]];
      const double bar = std::isfinite(error) ? quantile * error : 0, x = static_cast<double>(k) + shift;
      least = std::min(least, g - bar), most = std::max(most, g + bar);
      points.push_back(single ? std::vector{g, place} : std::vector{x, g});
      bars.push_back(single ? std::vector{g - bar, place, 2 * bar, 0.0} : std::vector{x, g - bar, 0.0, 2 * bar});
    }
    if (single) names += (names.empty() ? "" : ",") + quoted(row.estimator) + ' ' + number(place);
    const std::string ink = "lc rgb '" + colour(colours, row.estimator) + "'";
    plot.add(bars, "with vectors nohead lw 1.4 " + ink);
    plot.add(points, std::string("with points ps 0.6 ") + (row.unbiased ? "pt 7 " : "pt 9 ") + ink);
  }
  least = std::max(least, low - 1.5 * room), most = std::min(most, high + 1.5 * room);
  const double margin = most > least ? 0.05 * (most - least) : 1;
  const std::string range = '[' + number(least - margin) + ':' + number(most + margin) + ']';
  plot.set("set format '%g'");
  if (single) {
    const std::string at = number(c.truth.gradient[0]);
    plot.set("set xrange " + range + "\nset yrange [-0.7:" + number(n - 0.3) + "]\nset ytics (" + names + ") noenhanced");
    plot.set("set xtics " + number(round_step((most - least + 2 * margin) / 4)) + "\nset xlabel 'gradient'\nset arrow from " + at +
             ", graph 0 to " + at + ", graph 1 nohead lw 2 lc rgb 'black'");
  } else {
    std::string tics;
    for (std::size_t k = 0; k < coordinates.size(); ++k)
      tics += (k > 0 ? ",'" : "'") + std::to_string(coordinates[k]) + "' " + std::to_string(k);
    plot.set("set yrange " + range + "\nset xrange [-0.6:" + number(static_cast<double>(coordinates.size()) - 0.4) +
             "]\nset xtics (" + tics + ')');
    plot.set("set xlabel 'coordinate'\nset ylabel 'gradient'");
  }
  plot.finish();
  script += part;
  return true;
}

std::string verdict_class(const ComparisonRow& row) {
  if (!row.skipped.empty()) return "skip";
  if (found_biased(row) || row.verdict == "not finite") return "bad";
  return row.verdict.starts_with("unbiased") || row.verdict.starts_with("deterministic") ? "good" : "weak";
}

std::string badge(const ComparisonRow& row) {
  return "<span class=\"badge " + verdict_class(row) + "\">" + escape_html(row.skipped.empty() ? row.verdict : "skipped") +
         "</span>";
}

std::string name_cell(const ComparisonRow& row, const Colours& colours) {
  return "<th scope=\"row\"><i style=\"background:" + colour(colours, row.estimator) + "\"></i>" + escape_html(row.estimator) +
         "</th>";
}

std::string main_table(const Comparison& c, const Colours& colours) {
  std::string html = "<div class=\"scroll\"><table><thead><tr><th>estimator</th><th>verdict</th>";
  for (const detail::Column& column : detail::columns()) {
    html += "<th title=\"" + escape_html(column.meaning) + "\">" + escape_html(column.title) + "</th>";
  }
  html += "</tr></thead><tbody>\n";
  for (const std::size_t i : detail::order(c)) {
    const ComparisonRow& row = c.rows[i];
    html += "<tr>" + name_cell(row, colours) + "<td class=\"text\">" + badge(row) + "</td>";
    if (row.skipped.empty()) {
      for (const std::string& cell : detail::cells(c, i)) html += "<td>" + escape_html(cell) + "</td>";
    } else {
      html += "<td class=\"text reason\" colspan=\"" + std::to_string(detail::columns().size()) + "\">" + escape_html(row.skipped) +
              "</td>";
    }
    html += "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  std::string notes;
  for (const ComparisonRow& row : c.rows) {
    for (const std::string& note : row.notes)
      notes += "<li><b>" + escape_html(row.estimator) + "</b>: " + escape_html(note) + "</li>";
  }
  return notes.empty() ? html : html + "<ul class=\"notes\">" + notes + "</ul>\n";
}

std::string numbers_table(const Comparison& c, const Colours& colours) {
  const auto pair = [](double x, double error) {
    return "<td>" + digits(x, 5) + (positive(error) ? " ± " + digits(error, 2) : "") + "</td>";
  };
  const std::vector<Eigen::Index> coordinates = shown_coordinates(c.truth);
  std::string html =
      "<details><summary>Values and gradients with standard errors</summary><div "
      "class=\"scroll\"><table><thead><tr><th></th><th>value</th>";
  for (const Eigen::Index j : coordinates) html += "<th>g[" + std::to_string(j) + "]</th>";
  html +=
      "</tr></thead><tbody>\n<tr class=\"truth\"><th scope=\"row\"><i></i>truth</th>" + pair(c.truth.value, c.truth.value_error);
  for (const Eigen::Index j : coordinates)
    html += pair(c.truth.gradient[j], c.truth.gradient_error.size() > 0 ? c.truth.gradient_error[j] : 0);
  html += "</tr>\n";
  for (const std::size_t i : detail::order(c)) {
    const ComparisonRow& row = c.rows[i];
    if (!row.skipped.empty()) continue;
    html += "<tr>" + name_cell(row, colours) + pair(row.value, row.value_error);
    for (const Eigen::Index j : coordinates) html += pair(row.gradient[j], row.gradient_error[j]);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div></details>\n";
}

constexpr const char* style = R"(<style>
:root{color-scheme:light dark;--bg:#fcfcfa;--card:#fff;--text:#1d2327;--soft:#66707a;--line:#e1e4e6;--good:#1c7f4b;--bad:#c0314a;--weak:#946200}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1b1f23;--text:#e4e7ea;--soft:#98a2ac;--line:#31373d;--good:#58c98d;--bad:#ff8095;--weak:#e0b050}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.2rem;max-width:82rem;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:0}
p{margin:.2rem 0 .8rem}.soft,figcaption,.notes,.reason{color:var(--soft);font-size:.86rem}
a{color:inherit}nav{display:flex;flex-wrap:wrap;gap:.3rem .9rem;margin:.6rem 0 1rem;font-size:.9rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem;margin:0 0 1.2rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;white-space:nowrap;width:100%}
th,td{padding:.28rem .55rem;text-align:right;border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--soft);font-size:.78rem}th[title]{cursor:help}
th:first-child,td.text,thead th:nth-child(2){text-align:left}
tbody th{font-weight:600;position:sticky;left:0;background:var(--card)}tr.truth td{font-weight:600}
details thead th:nth-child(2){text-align:right}.reason{white-space:normal}
i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.45em;background:currentColor}
.badge{padding:.08rem .5rem;border-radius:1rem;border:1px solid currentColor;font-size:.78rem;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}.weak{color:var(--weak)}.skip{color:var(--soft);font-weight:400}
.legend{display:flex;flex-wrap:wrap;gap:.15rem .9rem;font-size:.82rem;margin:.9rem 0 .2rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:.8rem}
figure{margin:0}svg{width:100%;height:auto;display:block;color:var(--text)}
details{margin-top:.8rem}summary{cursor:pointer;font-size:.9rem}
@media(max-width:40rem){body{padding:.6rem}section{padding:.7rem}table{font-size:.78rem}th,td{padding:.28rem .35rem}}
@page{size:landscape;margin:1cm}
@media print{:root{--bg:#fff;--card:#fff;--text:#000;--soft:#444;--line:#ccc;--good:#1c7f4b;--bad:#c0314a;--weak:#946200}body{padding:0;font-size:11px}
 section{border:0;padding:0}figure,tr{break-inside:avoid}h2,.soft{break-after:avoid}.scroll{overflow:visible}nav{display:none}table{font-size:9.5px}th,td{padding:.15rem .3rem}.badge,.legend,.soft,figcaption{font-size:9.5px}tbody th{position:static}.plots{grid-template-columns:repeat(3,1fr)}}
</style>)";

}  // namespace

void write_html(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
  Colours colours;
  for (const Comparison& c : comparisons) {
    for (const ComparisonRow& row : c.rows) colours.emplace(row.estimator, colours.size());
  }

  // One gnuplot run for every plot of the page.
  std::string script = "set encoding utf8\nset terminal svg size 480,360 dynamic font 'DejaVu Sans,12'\n";
  std::vector<std::vector<Figure>> figures(comparisons.size());
  std::size_t plots = 0;
  for (std::size_t k = 0; k < comparisons.size(); ++k) {
    const Comparison& c = comparisons[k];
    const std::string confidence = digits(100 * c.confidence) + " %";
    if (bias_plane(c, colours, script, plots)) {
      figures[k].push_back({plots++,
                            "Bias against work-normalised variance. Filled: a bias was found. Open, with an arrow: none was found; "
                            "the bias is at most about this (3 standard errors). At the left edge: no variance."});
    }
    if (error_lines(c, colours, script, plots)) {
      figures[k].push_back({plots++, "Error against time: bias and noise together. Dashed: biased, ends at its bias."});
    }
    if (estimates(c, colours, script, plots)) {
      const bool many = c.truth.gradient.size() > 20;
      figures[k].push_back({plots++, "Estimates with " + confidence +
                                         " intervals; the plain line: the truth. Triangles: biased by design." +
                                         (many ? " The 20 largest coordinates." : "")});
    }
  }
  const report::Plots pictures = report::gnuplot(script, plots);

  const std::string title =
      comparisons.size() == 1 ? "Gradient estimators on " + escape_html(comparisons[0].program) : "Gradient estimators compared";
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>" +
      title + "</title>\n" + style + "\n</head><body>\n<h1>" + title +
      "</h1>\n<p class=\"soft\">Best work-normalised variance first. “Unbiased within x %” means that a bias of x % would have "
      "shown.</p>\n";
  if (!pictures.problem.empty()) html += "<p class=\"weak\">Plots are missing: " + escape_html(pictures.problem) + "</p>\n";
  if (comparisons.size() > 1) {
    html += "<nav>";
    for (std::size_t k = 0; k < comparisons.size(); ++k)
      html += "<a href=\"#p" + std::to_string(k) + "\">" + escape_html(comparisons[k].program) + "</a>";
    html += "</nav>\n";
  }
  for (std::size_t k = 0; k < comparisons.size(); ++k) {
    const Comparison& c = comparisons[k];
    html += "<section id=\"p" + std::to_string(k) + "\">\n<h2>" + escape_html(c.program) + "</h2>\n<p class=\"soft\">" +
            escape_html(detail::heading(c)) + "</p>\n";
    html += main_table(c, colours);
    std::string shown;
    for (const Figure& figure : figures[k]) {
      const std::string& svg = pictures.svg[figure.plot];
      if (!svg.empty()) shown += "<figure>" + svg + "<figcaption>" + escape_html(figure.caption) + "</figcaption></figure>\n";
    }
    if (!shown.empty()) {
      html += "<div class=\"legend\">";
      for (const std::size_t i : drawn(c))
        html += "<span><i style=\"background:" + colour(colours, c.rows[i].estimator) + "\"></i>" +
                escape_html(c.rows[i].estimator) + "</span>";
      html += "</div>\n<div class=\"plots\">\n" + shown + "</div>\n";
    }
    html += numbers_table(c, colours) + "</section>\n";
  }
  report::write_file(path, html + "</body></html>\n");
}

}  // namespace stoat
