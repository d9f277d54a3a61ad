#include <algorithm>
#include <cmath>
#include <numeric>

#include "comparison_table.hpp"
#include "figures.hpp"

namespace stoat::detail {

using report::digits;
using report::escape_html;

namespace {

std::vector<std::size_t> drawn(const Comparison& c) {
  std::vector<std::size_t> result;
  for (const std::size_t i : order(c)) {
    if (c.rows[i].skipped.empty() && c.rows[i].gradient.allFinite()) result.push_back(i);
  }
  return result;
}

bool bias_plane(const Comparison& c, const Colours& colours, std::string& script, std::size_t index) {
  double left = 1e300, right = 0;
  for (const std::size_t i : drawn(c)) {
    if (is_deterministic(c.rows[i])) continue;
    const double work = work_variance(c.rows[i], c.truth);
    if (positive(work)) left = std::min(left, work), right = std::max(right, work);
  }
  if (right == 0) left = right = 1;
  left /= 10;
  std::string part;
  Plot plot(part, index);
  plot.set("set logscale xy\nset format '10^{%L}'\nset xlabel 'variance × runs / |g|²'\nset ylabel 'relative bias'");
  plot.set("set xrange [" + number(left / 3) + ':' + number(right * 5) + "]\n" + log_tics("x", left, right));
  double low = 1e300, high = 0;
  for (const std::size_t i : drawn(c)) {
    const ComparisonRow& row = c.rows[i];
    const bool found = found_biased(row);
    const double y = found ? row.relative_bias : row.minimum_detectable_bias, work = work_variance(row, c.truth);
    if (!positive(y) || is_deterministic(row)) continue;
    low = std::min(low, found ? y : y / 2), high = std::max(high, y);
    const double x = positive(work) ? work : left;
    const std::string ink = "lc rgb '" + colour(colours, row.estimator) + "'";
    if (!found) plot.add({{x, y, 0, -y / 2}}, "with vectors head filled size screen 0.012,25 lw 1.3 " + ink);
    plot.add({{x, y}}, std::string("with points ps 0.9 lw 1.5 pt ") + (found ? "7 " : "6 ") + ink);
  }
  if (plot.empty()) return false;
  plot.set("set yrange [" + number(low / 2) + ':' + number(high * 2) + "]\n" + log_tics("y", low, high));
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
  const double begin = std::floor(std::log10(10 * fastest)), end = std::max(begin + 5, std::ceil(std::log10(longest)) + 2);
  double low = 1e300, high = 0;
  std::string part;
  Plot plot(part, index);
  plot.set("set logscale xy\nset format '10^{%L}'\nset xlabel 'seconds of sampling'\nset ylabel 'relative error (RMS)'");
  plot.set("set xrange [1e" + number(begin) + ":1e" + number(end) + "]\n" + log_tics("x", std::pow(10, begin), std::pow(10, end)));
  for (const std::size_t i : drawn(c)) {
    const ComparisonRow& row = c.rows[i];
    std::vector<std::vector<double>> points;
    for (int k = 0; k <= 40; ++k) {
      const double seconds = std::pow(10, begin + (end - begin) * k / 40), error = error_after(row, c.truth, seconds);
      if (!positive(row.seconds_per_sample) || error <= 1e-9) continue;
      points.push_back({seconds, error});
      low = std::min(low, error), high = std::max(high, error);
    }
    const bool biased = !row.unbiased || found_biased(row);
    plot.add(points,
             std::string("with lines lw 1.8 ") + (biased ? "dt '-' " : "") + "lc rgb '" + colour(colours, row.estimator) + "'");
    const double meets = crossover(row, c);
    if (positive(meets) && meets > std::pow(10, begin) && meets < std::pow(10, end))
      plot.add({{meets, error_after(row, c.truth, meets)}},
               "with points pt 13 ps 1 lc rgb '" + colour(colours, row.estimator) + "'");
  }
  if (plot.empty()) return false;
  plot.set(log_tics("y", low, high));
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

  std::string part;
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
      if (!hit_enough(row, coordinates[k])) continue;
      const double g = row.gradient[coordinates[k]], error = row.gradient_error[coordinates[k]];
      const double bar = std::isfinite(error) ? quantile * error : 0, x = static_cast<double>(k) + shift;
      least = std::min(least, g - bar), most = std::max(most, g + bar);
      points.push_back(single ? std::vector{g, place} : std::vector{x, g});
      bars.push_back(single ? std::vector{g - bar, place, 2 * bar, 0.0} : std::vector{x, g - bar, 0.0, 2 * bar});
    }
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
    plot.set("set xrange " + range + "\nset yrange [-0.7:" + number(n - 0.3) + "]\nunset ytics");
    plot.set("set xtics " + number(round_step((most - least + 2 * margin) / 4)) + "\nset xlabel 'gradient'\nset arrow from " + at +
             ", graph 0 to " + at + ", graph 1 nohead lw 2 lc rgb 'black'");
  } else {
    std::string tics;
    for (std::size_t k = 0; k < coordinates.size(); ++k)
      tics += (k > 0 ? ",'" : "'") + std::to_string(coordinates[k]) + "' " + std::to_string(k);
    plot.set("set yrange " + range + "\nset xrange [-0.6:" + number(static_cast<double>(coordinates.size()) - 0.4) +
             "]\nset xtics " + (coordinates.size() > 10 ? "rotate by 90 right font ',12' (" : "(") + tics + ')');
    plot.set("set xlabel 'coordinate'\nset ylabel 'gradient'");
  }
  plot.finish();
  script += part;
  return true;
}

std::string verdict_class(const ComparisonRow& row) {
  if (!row.skipped.empty()) return "skip";
  if (found_biased(row) || row.verdict == "not finite") return "bad";
  return row.verdict.starts_with("unbiased") || is_deterministic(row) ? "good" : "weak";
}

std::string badge(const ComparisonRow& row) {
  return "<span class=\"badge " + verdict_class(row) + "\">" + escape_html(row.skipped.empty() ? row.verdict : "skipped") +
         "</span>";
}

std::string main_table(const Comparison& c, const Colours& colours) {
  std::string html = "<div class=\"scroll\"><table><thead><tr><th>estimator</th><th>verdict</th>";
  for (const Column& column : columns()) {
    html += "<th title=\"" + escape_html(column.meaning) + "\">" + escape_html(column.title) + "</th>";
  }
  html += "</tr></thead><tbody>\n";
  for (const std::size_t i : order(c)) {
    const ComparisonRow& row = c.rows[i];
    html += "<tr>" + name_cell(row.estimator, colours) + "<td class=\"text\">" + badge(row) + "</td>";
    if (row.skipped.empty()) {
      for (const std::string& cell : cells(c, i)) html += "<td>" + escape_html(cell) + "</td>";
    } else {
      html +=
          "<td class=\"text reason\" colspan=\"" + std::to_string(columns().size()) + "\">" + escape_html(row.skipped) + "</td>";
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
    return "<td>" + digits(x, 5) + (error > 1e-12 * std::abs(x) ? " ± " + digits(error, 2) : "") + "</td>";
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
  for (const std::size_t i : order(c)) {
    const ComparisonRow& row = c.rows[i];
    if (!row.skipped.empty()) continue;
    html += "<tr>" + name_cell(row.estimator, colours) + pair(row.value, row.value_error);
    for (const Eigen::Index j : coordinates) {
      if (hit_enough(row, j)) html += pair(row.gradient[j], row.gradient_error[j]);
      else html += "<td class=\"reason\">n/a (" + std::to_string(row.hits[static_cast<std::size_t>(j)]) + " hits)</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div></details>\n";
}

std::string further_table(const Comparison& c, const Colours& colours) {
  std::string html =
      "<details><summary>Directions, tails, memory, and the error after several times</summary><div "
      "class=\"scroll\"><table><thead><tr><th>estimator</th>";
  for (const Column& column : further_columns())
    html += "<th title=\"" + escape_html(column.meaning) + "\">" + escape_html(column.title) + "</th>";
  html += "</tr></thead><tbody>\n";
  for (const std::size_t i : order(c)) {
    if (!c.rows[i].skipped.empty()) continue;
    html += "<tr>" + name_cell(c.rows[i].estimator, colours);
    for (const std::string& cell : further_cells(c, i)) html += "<td>" + escape_html(cell) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></div></details>\n";
}

/// One list of draws, with a bar for the share of each.
template <class Share, class Text>
std::string sites_list(const std::string& title, const std::vector<SiteNoise>& list, const Share& share, const Text& text) {
  if (list.empty()) return "";
  std::string html = "<div><h4>" + title + "</h4><ol class=\"sites\">";
  double largest = 0;
  for (const SiteNoise& s : list) largest = std::max(largest, share(s));
  for (const SiteNoise& s : list)
    html += "<li><span>" + escape_html(s.law) + " <b>#" + std::to_string(s.site) + "</b></span><span>" + text(s) +
            "</span><u style=\"width:" + digits(100 * share(s) / largest) + "%\"></u></li>";
  return html + "</ol></div>";
}

std::string diagnostics_block(const Comparison& c) {
  if (!c.diagnostics) return "";
  const ReplayDiagnostics& d = *c.diagnostics;
  std::string html =
      "<details><summary>The program itself: what replays can and cannot do, and which draws are noisy</summary>\n<dl>";
  for (const Diagnostic& x : diagnostics_list(c))
    html += "<div><dt>" + escape_html(x.name) + "</dt><dd><b>" + escape_html(x.value) + "</b> " + escape_html(x.meaning) +
            "</dd></div>";
  html += "</dl>\n<div class=\"lists\">";
  html += sites_list(
      "Noise of the score function", d.by_score, [](const SiteNoise& s) { return s.score_share; },
      [](const SiteNoise& s) { return digits(100 * s.score_share, 2) + " %"; });
  html += sites_list(
      "Noise of one replay", d.by_replay, [](const SiteNoise& s) { return s.replay_share; },
      [](const SiteNoise& s) { return digits(100 * s.replay_share, 2) + " %"; });
  html += sites_list(
      "Bias of the surrogate", d.by_bias, [](const SiteNoise& s) { return std::abs(s.bias); },
      [](const SiteNoise& s) { return digits(s.bias, 2) + " ± " + digits(s.bias_error, 2); });
  return html + "</div><p class=\"soft\">Draws by their number in the order of execution.</p></details>\n";
}

}  // namespace

Section comparison_section(const Comparison& c, const Colours& colours, Figures& figures) {
  Section section;
  section.title = c.program;
  section.before = "<p class=\"soft\">" + escape_html(heading(c)) + "</p>\n" + main_table(c, colours);
  const auto show = [&](int place, const std::string& caption) {
    if (place >= 0) section.figures.emplace_back(place, caption);
  };
  show(figures.add([&](std::string& script, std::size_t i) { return bias_plane(c, colours, script, i); }),
       "Bias against work-normalised variance. Filled: a bias was found. Open, with an arrow: none was found; the bias is at most "
       "about this (3 standard errors). At the left edge: no variance.");
  show(figures.add([&](std::string& script, std::size_t i) { return error_lines(c, colours, script, i); }),
       "Error against time: bias and noise together. Dashed: biased, ends at its bias. Diamonds: from there on an unbiased "
       "estimator errs less than every one that was found biased.");
  show(figures.add([&](std::string& script, std::size_t i) { return estimates(c, colours, script, i); }),
       "Estimates with " + digits(100 * c.confidence) + " % intervals; the plain line: the truth. Triangles: biased by design." +
           (c.truth.gradient.size() > 20 ? " The 20 largest coordinates." : ""));
  std::vector<std::string> names;
  for (const std::size_t i : drawn(c)) names.push_back(c.rows[i].estimator);
  section.legend = legend(names, colours);
  section.after = diagnostics_block(c) + further_table(c, colours) + numbers_table(c, colours);
  return section;
}

}  // namespace stoat::detail
