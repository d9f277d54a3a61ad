#include "page.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>

#include <stoat/driver/report.hpp>

namespace showcase {
namespace {

using stoat::report::escape_html;
using stoat::report::exact;

/// A gnuplot string.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

void add_data(std::string& script, const std::string& block, const Curve& curve) {
  script += block + " << EOD\n";
  for (const std::vector<double>& point : curve.points) {
    const bool finite = std::all_of(point.begin(), point.end(), [](double x) { return std::isfinite(x); });
    for (const double x : point) script += finite ? exact(x) + ' ' : "";
    script += '\n';
  }
  script += "EOD\n";
}

/// The commands of a figure; the data travel inside.
std::string commands(const Figure& figure) {
  std::string script;
  const auto block = [](std::size_t panel, std::size_t curve) {
    return "$p" + std::to_string(panel) + "_" + std::to_string(curve);
  };
  for (std::size_t p = 0; p < figure.panels.size(); ++p)
    for (std::size_t c = 0; c < figure.panels[p].curves.size(); ++c) add_data(script, block(p, c), figure.panels[p].curves[c]);
  const int panels = static_cast<int>(figure.panels.size()), rows = (panels + figure.columns - 1) / figure.columns;
  script += "set multiplot layout " + std::to_string(rows) + "," + std::to_string(figure.columns) + "\n";
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    const Panel& panel = figure.panels[p];
    script +=
        "reset\nset encoding utf8\nset tics nomirror\nset border 3 lw 0.8\nset grid lw 0.5 lc rgb '#999999' dt '.'\n"
        "set key top left reverse Left samplen 2 spacing 1.1\n";
    if (!panel.title.empty()) script += "set title " + quoted(panel.title) + "\n";
    script += "set xlabel " + quoted(panel.x) + "\nset ylabel " + quoted(panel.y) + "\n" + panel.commands + "\nplot ";
    for (std::size_t c = 0; c < panel.curves.size(); ++c) {
      const Curve& curve = panel.curves[c];
      script += (c ? ", " : "") + block(p, c) + " " + curve.style +
                (curve.title.empty() ? std::string(" notitle") : " title " + quoted(curve.title));
    }
    script += '\n';
  }
  return script + "unset multiplot\n";
}

std::string terminal(const Figure& figure) {
  return "set terminal svg size " + std::to_string(figure.width) + "," + std::to_string(figure.height) +
         " dynamic font 'sans-serif,13'\n";
}

/// Every point of every curve in a row: panel, curve, coordinates.
std::string table_of(const Figure& figure) {
  std::string csv = "panel,curve,coordinates\n";
  for (const Panel& panel : figure.panels)
    for (const Curve& curve : panel.curves)
      for (const std::vector<double>& point : curve.points) {
        csv += stoat::report::csv_field(panel.title) + ',' + stoat::report::csv_field(curve.title);
        for (const double x : point) csv += ',' + exact(x);
        csv += '\n';
      }
  return csv;
}

constexpr const char* style = R"(<style>
:root{color-scheme:light dark;--bg:#fcfcfa;--text:#1d2327;--soft:#66707a;--line:#e1e4e6}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--text:#e4e7ea;--soft:#98a2ac;--line:#31373d}}
body{font:15px/1.55 system-ui,sans-serif;max-width:66rem;margin:2.5rem auto;padding:0 1.2rem;background:var(--bg);color:var(--text)}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.15rem;margin-top:2.6rem}p,figcaption,caption{max-width:48rem}
figcaption,caption,nav{color:var(--soft)}caption{text-align:left;padding-bottom:.3rem}nav a{color:inherit;margin-right:1rem}
figure{margin:1.2rem 0}svg{width:100%;height:auto}.scroll{overflow-x:auto;margin:1.2rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.2rem .9rem .2rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}th:first-child,td:first-child{text-align:left}
@media print{figure,table{break-inside:avoid}h2{break-after:avoid}}
</style>)";

void add_table(std::ostream& html, const Table& table) {
  html << "<div class=\"scroll\"><table><caption>" << escape_html(table.caption) << "</caption>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const char* tag = r == 0 ? "th" : "td";
    html << "<tr>";
    for (const std::string& cell : table.rows[r]) html << '<' << tag << '>' << escape_html(cell) << "</" << tag << '>';
    html << "</tr>\n";
  }
  html << "</table></div>\n";
}

}  // namespace

void print(std::ostream& out, const Chapter& chapter) {
  out << "\n== " << chapter.title << "\n";
  for (const Table& table : chapter.tables) out << "\n" << table.caption << "\n" << stoat::report::aligned(table.rows);
}

std::filesystem::path write_page(const std::string& title, const std::vector<Chapter>& chapters,
                                 const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::string script;
  std::vector<const Figure*> figures;
  for (const Chapter& chapter : chapters)
    for (const Figure& figure : chapter.figures) {
      script += terminal(figure) + "set output '" + std::to_string(figures.size()) + ".svg'\n" + commands(figure);
      figures.push_back(&figure);
    }
  const stoat::report::Plots plots = stoat::report::gnuplot(script, figures.size());
  if (!plots.problem.empty()) std::cerr << "no pictures: " << plots.problem << '\n';
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const std::string& name = figures[i]->name;
    stoat::report::write_file(folder / (name + ".csv"), table_of(*figures[i]));
    stoat::report::write_file(folder / (name + ".gp"),
                              terminal(*figures[i]) + "set output " + quoted(name + ".svg") + "\n" + commands(*figures[i]));
    if (!plots.svg[i].empty()) stoat::report::write_file(folder / (name + ".svg"), plots.svg[i]);
  }

  std::ostringstream html;
  html << "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width\">\n<title>"
       << escape_html(title) << "</title>\n"
       << style << "</head><body>\n<h1>" << escape_html(title) << "</h1>\n<nav>";
  for (std::size_t c = 0; c < chapters.size(); ++c)
    html << "<a href=\"#chapter" << c << "\">" << escape_html(chapters[c].title) << "</a> ";
  html << "</nav>\n";
  std::size_t at = 0;
  for (std::size_t c = 0; c < chapters.size(); ++c) {
    html << "<h2 id=\"chapter" << c << "\">" << escape_html(chapters[c].title) << "</h2>\n" << chapters[c].text << '\n';
    for (const Figure& figure : chapters[c].figures) {
      html << "<figure>" << (plots.svg[at].empty() ? "<p>No picture: " + escape_html(plots.problem) + ".</p>" : plots.svg[at])
           << "<figcaption>" << figure.caption << "</figcaption></figure>\n";
      ++at;
    }
    for (const Table& table : chapters[c].tables) add_table(html, table);
  }
  html << "</body></html>\n";
  const std::filesystem::path index = std::filesystem::absolute(folder / "index.html").lexically_normal();
  stoat::report::write_file(index, html.str());
  return index;
}

}  // namespace showcase
