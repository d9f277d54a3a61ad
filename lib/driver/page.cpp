#include <stoat/driver/page.hpp>

#include <algorithm>
#include <cmath>

#include "figures.hpp"
#include "optimisation_table.hpp"

namespace stoat {
namespace detail {

using report::digits;
using report::escape_html;

namespace {

/// A line through the points, and bars of one standard error.
void add_curve(Plot& plot, const std::vector<double>& x, const std::vector<double>& y, const std::vector<double>& error,
               const std::string& ink, const std::string& style) {
  std::vector<std::vector<double>> line, bars;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(y[i])) continue;
    line.push_back({x[i], y[i]});
    if (i < error.size() && positive(error[i])) bars.push_back({x[i], y[i] - error[i], 0, 2 * error[i]});
  }
  plot.add(bars, "with vectors nohead lw 1 " + ink);
  plot.add(line, style + ink);
}

bool loss_lines(const Optimisation& o, const Colours& colours, std::string& script, std::size_t index) {
  Plot plot(script, index);
  plot.set("set xlabel 'runs of the program'\nset ylabel 'loss'\nset format x '%.0s%c'\nset xtics " + number(o.work.back() / 4));
  for (const std::size_t i : order(o)) {
    const OptimisationRow& row = o.rows[i];
    if (row.skipped.empty())
      add_curve(plot, o.work, row.loss, row.loss_error, "lc rgb '" + colour(colours, row.estimator) + "'",
                std::string("with lines lw 1.8 ") + (row.unbiased ? "" : "dt '-' "));
  }
  if (plot.empty()) return false;
  plot.finish();
  return true;
}

/// The estimators of a series, in the order of their first appearance.
std::vector<std::string> estimators_of(const ScalingSeries& series) {
  std::vector<std::string> names;
  for (const Comparison& c : series.comparisons)
    for (const ComparisonRow& row : c.rows)
      if (row.skipped.empty() && std::find(names.begin(), names.end(), row.estimator) == names.end())
        names.push_back(row.estimator);
  return names;
}

const ComparisonRow* find(const Comparison& c, const std::string& estimator) {
  for (const ComparisonRow& row : c.rows)
    if (row.skipped.empty() && row.estimator == estimator) return &row;
  return nullptr;
}

/// One curve per estimator: `value` of its row against the size.
template <class Value>
bool scaling_lines(const ScalingSeries& series, const Colours& colours, std::string& script, std::size_t index,
                   const std::string& label, const Value& value) {
  Plot plot(script, index);
  plot.set("set logscale xy\nset format y '10^{%L}'\nset xlabel 'size'\nset ylabel '" + label + "'");
  std::string tics;
  for (const double size : series.sizes) tics += (tics.empty() ? "" : ",") + number(size);
  plot.set("set xtics (" + tics + ")\nset xrange [" + number(series.sizes.front() / 1.3) + ':' + number(series.sizes.back() * 1.3) +
           ']');
  for (const std::string& name : estimators_of(series)) {
    std::vector<std::vector<double>> points;
    bool unbiased = true;
    for (std::size_t k = 0; k < series.sizes.size(); ++k) {
      const ComparisonRow* row = find(series.comparisons[k], name);
      if (!row) continue;
      unbiased = row->unbiased;
      const double y = value(*row, series.comparisons[k].truth);
      if (positive(y)) points.push_back({series.sizes[k], y});
    }
    const std::string ink = "lc rgb '" + colour(colours, name) + "'";
    plot.add(points, std::string("with linespoints lw 1.8 ps 0.6 pt 7 ") + (unbiased ? "" : "dt '-' ") + ink);
  }
  if (plot.empty()) return false;
  plot.finish();
  return true;
}

constexpr const char* style = R"(<style>
:root{color-scheme:light dark;--bg:#fcfcfa;--card:#fff;--text:#1d2327;--soft:#66707a;--line:#e1e4e6;--good:#1c7f4b;--bad:#c0314a;--weak:#946200}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1b1f23;--text:#e4e7ea;--soft:#98a2ac;--line:#31373d;--good:#58c98d;--bad:#ff8095;--weak:#e0b050}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.2rem;max-width:82rem;background:var(--bg);color:var(--text);font:1rem/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.6rem;margin:.2rem 0;line-height:1.25}h2{font-size:1.2rem;margin:0}h4{margin:.6rem 0 .2rem;font-size:.92rem}
p{margin:.2rem 0 .8rem}.soft,figcaption,.notes,.reason{color:var(--soft);font-size:.9rem}
a{color:inherit}nav{display:flex;flex-wrap:wrap;gap:.3rem .9rem;margin:.6rem 0 1rem;font-size:.9rem}
section{min-width:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem;margin:0 0 1.2rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;white-space:nowrap;width:100%}
th,td{padding:.28rem .3rem;text-align:right;border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--soft);font-size:.88rem}th[title]{cursor:help}
th:first-child,td.text,thead th:nth-child(2){text-align:left}
tbody th div{display:flex;align-items:baseline}tbody th{font-weight:600;position:sticky;left:0;background:var(--card)}tr.truth td{font-weight:600}
details thead th:nth-child(2),.plain thead th:nth-child(2){text-align:right}.reason{white-space:normal}
wbr{display:none}i{display:inline-block;flex:none;width:.7em;height:.7em;border-radius:2px;margin-right:.45em;background:currentColor}
.badge{padding:.08rem .45rem;border-radius:1rem;border:1px solid currentColor;font-size:.88rem;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}.weak{color:var(--weak)}.skip{color:var(--soft);font-weight:400}
.legend{display:flex;flex-wrap:wrap;gap:.15rem .9rem;font-size:.9rem;margin:.9rem 0 .2rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:.8rem}
figure{margin:0;min-width:0}svg{width:100%;height:auto;display:block;color:var(--text)}
details{margin-top:.8rem}dl{margin:.6rem 0;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr));gap:.3rem 1.2rem;font-size:.9rem}
dt{font-weight:600}dd{margin:0;color:var(--soft)}dd b{color:var(--text)}dl div{border-top:1px solid var(--line);padding-top:.2rem}
.lists{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(15rem,100%),1fr));gap:0 1.6rem;font-size:.9rem}
.sites{list-style:none;margin:0;padding:0}.sites li{display:grid;grid-template-columns:1fr auto;padding:.15rem 0}.sites u{grid-column:1/3;height:3px;border-radius:2px;background:#3b82d6;text-decoration:none}
summary{cursor:pointer;font-size:.9rem}
@media(max-width:40rem){body{padding:.6rem}section{padding:.7rem}th,td{padding:.28rem .4rem}thead th:first-child,tbody th{min-width:8rem;max-width:9.6rem}tbody th{white-space:normal}wbr{display:inline}}
@page{size:landscape;margin:.8cm}
@media print{:root{--bg:#fff;--card:#fff;--text:#000;--soft:#444;--line:#ccc;--good:#1c7f4b;--bad:#c0314a;--weak:#946200;font-size:11.5px}body{padding:0}
 section{border:0;padding:0}figure,tr,.pictures{break-inside:avoid}h2,.soft{break-after:avoid}.scroll{overflow:visible}nav,details:not([open]){display:none}tbody th{position:static}th,td{padding:.12rem .3rem}.plots{grid-template-columns:repeat(3,1fr)}svg{max-height:18rem}}
</style>)";

std::string html_of(const Section& section, std::size_t index, const report::Plots& pictures) {
  std::string html =
      "<section id=\"p" + std::to_string(index) + "\">\n<h2>" + escape_html(section.title) + "</h2>\n" + section.before;
  std::string shown;
  for (const auto& [place, caption] : section.figures) {
    const std::string& svg = pictures.svg[static_cast<std::size_t>(place)];
    if (!svg.empty()) shown += "<figure>" + svg + "<figcaption>" + escape_html(caption) + "</figcaption></figure>\n";
  }
  if (!shown.empty())
    html += "<div class=\"pictures\"><div class=\"legend\">" + section.legend + "</div>\n<div class=\"plots\">\n" + shown +
            "</div></div>\n";
  return html + section.after + "</section>\n";
}

}  // namespace

Section optimisation_section(const Optimisation& o, const Colours& colours, Figures& figures) {
  Section section;
  section.title = "Minimising " + o.program;
  section.before = "<p class=\"soft\">" + escape_html(heading(o)) +
                   "</p>\n<div class=\"scroll\"><table class=\"plain\"><thead><tr><th>estimator</th>";
  for (const Column& column : optimisation_columns())
    section.before += "<th title=\"" + escape_html(column.meaning) + "\">" + escape_html(column.title) + "</th>";
  section.before += "</tr></thead><tbody>\n";
  std::vector<std::string> names;
  std::string notes;
  for (const std::size_t i : order(o)) {
    const OptimisationRow& row = o.rows[i];
    section.before += "<tr>" + name_cell(row.estimator, colours);
    if (row.skipped.empty()) {
      names.push_back(row.estimator);
      for (const std::string& cell : optimisation_cells(o, i)) section.before += "<td>" + escape_html(cell) + "</td>";
    } else {
      section.before += "<td class=\"text reason\" colspan=\"" + std::to_string(optimisation_columns().size()) + "\">" +
                        escape_html(row.skipped) + "</td>";
    }
    section.before += "</tr>\n";
    for (const std::string& note : row.notes)
      notes += "<li><b>" + escape_html(row.estimator) + "</b>: " + escape_html(note) + "</li>";
  }
  section.before += "</tbody></table></div>\n";
  if (!notes.empty()) section.before += "<ul class=\"notes\">" + notes + "</ul>\n";
  section.legend = legend(names, colours);
  const int place = figures.add([&](std::string& script, std::size_t i) { return loss_lines(o, colours, script, i); });
  if (place >= 0)
    section.figures.emplace_back(place,
                                 "Loss against work, mean over the seeds that did not diverge; bars: one standard error between "
                                 "seeds. Dashed: biased by design.");
  return section;
}

Section scaling_section(const ScalingSeries& series, const Colours& colours, Figures& figures) {
  if (series.sizes.size() != series.comparisons.size() || series.sizes.empty())
    throw InvalidArgument("Page: the series '" + series.name + "' has " + std::to_string(series.sizes.size()) + " sizes and " +
                          std::to_string(series.comparisons.size()) + " comparisons");
  Section section;
  section.title = "Growing problems: " + series.name;
  section.before = "<div class=\"scroll\"><table class=\"plain\"><thead><tr><th>variance × runs / |g|²</th>";
  for (const double size : series.sizes) section.before += "<th>n = " + digits(size, 6) + "</th>";
  section.before += "</tr></thead><tbody>\n";
  const std::vector<std::string> names = estimators_of(series);
  for (const std::string& name : names) {
    section.before += "<tr>" + name_cell(name, colours);
    for (const Comparison& c : series.comparisons) {
      const ComparisonRow* row = find(c, name);
      section.before += "<td>" + (row ? digits(work_variance(*row, c.truth)) : std::string("-")) + "</td>";
    }
    section.before += "</tr>\n";
  }
  section.before += "</tbody></table></div>\n";
  section.legend = legend(names, colours);
  const auto show = [&](int place, const std::string& caption) {
    if (place >= 0) section.figures.emplace_back(place, caption);
  };
  show(figures.add([&](std::string& script, std::size_t i) {
    return scaling_lines(series, colours, script, i, "variance × runs / |g|²", work_variance);
  }),
       "Work-normalised variance against size. Dashed: biased by design.");
  show(figures.add([&](std::string& script, std::size_t i) {
    return scaling_lines(series, colours, script, i, "relative bias", [](const ComparisonRow& row, const Exact&) {
      return found_biased(row) ? row.relative_bias : std::nan("");
    });
  }),
       "Relative bias against size, where one was found.");
  return section;
}

}  // namespace detail

void Page::write_html(const std::filesystem::path& path) const {
  using namespace detail;
  Colours colours;
  for (const Comparison& c : comparisons)
    for (const ComparisonRow& row : c.rows) colours.emplace(row.estimator, colours.size());
  for (const Optimisation& o : optimisations)
    for (const OptimisationRow& row : o.rows) colours.emplace(row.estimator, colours.size());
  for (const ScalingSeries& s : scalings)
    for (const Comparison& c : s.comparisons)
      for (const ComparisonRow& row : c.rows) colours.emplace(row.estimator, colours.size());

  Figures figures;
  std::vector<Section> sections;
  for (const Comparison& c : comparisons) sections.push_back(comparison_section(c, colours, figures));
  for (const ScalingSeries& s : scalings) sections.push_back(scaling_section(s, colours, figures));
  for (const Optimisation& o : optimisations) sections.push_back(optimisation_section(o, colours, figures));
  const report::Plots pictures = figures.made();

  const std::string title =
      comparisons.size() == 1 ? "Gradient estimators on " + escape_html(comparisons[0].program) : "Gradient estimators compared";
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>" +
      title + "</title>\n" + style + "\n</head><body>\n<h1>" + title +
      "</h1>\n<p class=\"soft\">Best work-normalised variance first. “Unbiased within x %” means that a bias of x % would have "
      "shown.</p>\n";
  if (!pictures.problem.empty()) html += "<p class=\"weak\">Plots are missing: " + escape_html(pictures.problem) + "</p>\n";
  if (sections.size() > 1) {
    html += "<nav>";
    for (std::size_t k = 0; k < sections.size(); ++k)
      html += "<a href=\"#p" + std::to_string(k) + "\">" + escape_html(sections[k].title) + "</a>";
    html += "</nav>\n";
  }
  for (std::size_t k = 0; k < sections.size(); ++k) html += html_of(sections[k], k, pictures);
  report::write_file(path, html + "</body></html>\n");
}

}  // namespace stoat
