// examples/scaling/main.cpp: what a gradient costs as programs grow: in draws, and in parameters.
#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <common/page.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>

#include "measure.hpp"

namespace scaling {
namespace {

using namespace showcase;
using stoat::AnyEstimator, stoat::ScoreFunction, stoat::StochasticDerivative;
using stoat::report::digits;

struct Options {
  bool quick = false;
  std::uint64_t seed = 1;
  double seconds() const { return quick ? 0.02 : 0.4; }  // for one point
};

const std::vector<AnyEstimator>& estimators() {
  static const std::vector<AnyEstimator> all{ScoreFunction{}, StochasticDerivative{4}};
  return all;
}

/// A program in some sizes, by each estimator.
struct Series {
  std::string name;
  std::vector<std::vector<Point>> points;  // of an estimator, in each size
};

Series measured(const std::vector<Sized>& sizes, const Options& options) {
  Series series{sizes.front().name, {}};
  for (const AnyEstimator& e : estimators()) {
    std::cerr << "scaling: " << series.name << ", " << e.name() << " ...\n";
    series.points.emplace_back();
    for (const Sized& s : sizes) series.points.back().push_back(measure(s, e, options.seconds(), options.seed));
  }
  return series;
}

std::vector<double> column(const std::vector<Point>& points, double Point::*x, std::size_t from = 0) {
  std::vector<double> out;
  for (std::size_t i = from; i < points.size(); ++i) out.push_back(points[i].*x);
  return out;
}

std::string whole(double x) { return std::to_string(std::llround(x)); }
std::string mega(double bytes) { return digits(bytes / 1e6); }

void add_rows(Table& table, const std::string& name, const std::vector<const Point*>& by_estimator) {
  const Point& first = *by_estimator.front();
  std::vector<std::string> row{name, whole(first.sites), whole(first.parameters), digits(1e3 * first.run), mega(first.run_memory)};
  for (const Point* p : by_estimator) {
    row.push_back(digits(1e3 * p->draw));
    row.push_back(digits(p->draw / p->run));
    row.push_back(mega(p->draw_memory));
  }
  table.rows.push_back(row);
}

Table table_of(const std::vector<Series>& all, const std::string& caption) {
  Table table{caption, {{"program", "sites", "parameters", "run ms", "MB"}}};
  for (const AnyEstimator& e : estimators())
    for (const std::string& what : {e.name() + " ms", std::string("/ run"), std::string("MB")}) table.rows[0].push_back(what);
  for (const Series& s : all)
    for (std::size_t i = 0; i < s.points[0].size(); ++i) {
      std::vector<const Point*> row;
      for (const auto& points : s.points) row.push_back(&points[i]);
      add_rows(table, s.name, row);
    }
  return table;
}

/// Exponents in x; points with fewer than 1000 sites do not count.
Table slopes(const std::vector<Series>& all, double Point::*x, const std::string& caption) {
  Table table{caption, {{"program", "run"}}};
  for (const AnyEstimator& e : estimators()) table.rows[0].push_back(e.name());
  for (const Series& s : all) {
    const auto& first = s.points.front();
    const auto from = static_cast<std::size_t>(
        std::find_if(first.begin(), first.end(), [](const Point& p) { return p.sites > 900; }) - first.begin());
    table.rows.push_back({s.name, digits(slope(column(first, x, from), column(first, &Point::run, from)), 2)});
    for (const auto& points : s.points)
      table.rows.back().push_back(digits(slope(column(points, x, from), column(points, &Point::draw, from)), 2));
  }
  return table;
}

/// Bytes a site from one size to the next larger one, so that what does not grow does not count: in the two largest sizes.
Table memory(const std::vector<Series>& all) {
  Table table{"Memory, bytes a site: what the two largest sizes differ by.", {{"program", "runs"}}};
  for (const AnyEstimator& e : estimators()) table.rows[0].push_back(e.name());
  for (const Series& s : all) {
    const auto growth = [](const std::vector<Point>& points, double Point::*bytes) {
      const Point &a = points[points.size() - 2], &b = points.back();
      return digits((b.*bytes - a.*bytes) / (b.sites - a.sites));
    };
    table.rows.push_back({s.name, growth(s.points.front(), &Point::run_memory)});
    for (const auto& points : s.points) table.rows.back().push_back(growth(points, &Point::draw_memory));
  }
  return table;
}

/// Times against x, and `other`: what they are to be compared with.
template <class Other>
Figure figure_of(const std::vector<Series>& all, const std::string& name, const std::string& x_label, double Point::*x,
                 const std::string& other_name, const Other& other) {
  static const std::vector<const char*> colours{colour::orange, colour::blue};
  Figure figure{name, "Time of the processor, both axes logarithmic.", 1000, 380, static_cast<int>(all.size()), {}};
  for (const Series& s : all) {
    Panel panel{
        s.name, x_label, "ms", "set logscale xy; set format '10^{%L}'; set title noenhanced; set key bmargin center vertical", {}};
    const auto add = [&](const std::string& title, const std::string& style, const auto& y, const std::vector<Point>& points) {
      Curve curve{title, style, {}};
      for (const Point& p : points) curve.points.push_back({p.*x, 1e3 * y(p)});
      panel.curves.push_back(curve);
    };
    const auto dots = [](const char* c) { return std::string("with linespoints pt 7 ps 0.5 lw 2 lc rgb '") + c + "'"; };
    const auto run = [](const Point& p) { return p.run; };
    const auto draw = [](const Point& p) { return p.draw; };
    add("plain run", dots(colour::green), run, s.points[0]);
    for (std::size_t e = 0; e < estimators().size(); ++e) add(estimators()[e].name(), dots(colours[e]), draw, s.points[e]);
    const Point& last = s.points[0].back();
    add(
        other_name, line(colour::grey, 1, "'-'"), [&](const Point& p) { return other(p, last); }, s.points[0]);
    figure.panels.push_back(panel);
  }
  return figure;
}

Chapter sites(const Options& options) {
  std::vector<Sized> towns, people, boards;
  const std::size_t sizes = options.quick ? 4 : 5;
  constexpr int sides[] = {2, 5, 16, 50, 158}, persons[] = {2, 20, 196, 1960, 19600}, halves[] = {1, 4, 15, 47, 150};
  for (std::size_t i = 0; i < sizes; ++i) {
    people.push_back(epidemic(persons[i], std::max(10, persons[i] / 2), 10));
    towns.push_back(traffic_lights(sides[i], 40, 10));
    boards.push_back(game_of_life(halves[i]));
  }
  const std::vector<Series> all{measured(people, options), measured(towns, options), measured(boards, options)};
  return {
      "Draws",
      "<p>The same programs with more people, more crossings, more cells. The number of parameters stays.</p>",
      {table_of(all, "A plain run and a gradient draw."),
       slopes(all, &Point::sites, "Exponent of the time in the number of draws, from 900 draws on. 1: proportional."), memory(all)},
      {figure_of(all, "sites", "draws a run", &Point::sites, "in proportion",
                 [](const Point& p, const Point& last) { return last.run * p.sites / last.sites; })}};
}

Chapter parameters(const Options& options) {
  std::vector<Sized> towns, people;
  for (const Eigen::Index d : {1, 10, 100, 1000, 10'000, 100'000}) {
    const Sized epidemic = scaling::epidemic(options.quick ? 196 : 1960, options.quick ? 196 : 1960, d);
    const Sized town = traffic_lights(options.quick ? 50 : 158, 4, d);
    if (people.empty() || people.back().theta.size() < epidemic.theta.size()) people.push_back(epidemic);
    if (towns.empty() || towns.back().theta.size() < town.theta.size()) towns.push_back(town);
  }
  const std::vector<Series> all{measured(people, options), measured(towns, options)};
  return {"Parameters",
          "<p>The same programs in one size, with 1 parameter for all places or crossings up to one for each. One draw gives the "
          "derivatives in all parameters; finite differences take two runs for each.</p>",
          {table_of(all, "A plain run and a gradient draw."),
           slopes(all, &Point::parameters,
                  "Exponent of the time in the number of parameters. 0: no dependence; finite differences: 1.")},
          {figure_of(all, "parameters", "parameters", &Point::parameters, "finite differences",
                     [](const Point& p, const Point&) { return 2 * p.parameters * p.run; })}};
}

Chapter large(const Options& options) {
  const Series s = measured({traffic_lights(options.quick ? 50 : 158, 40, 100'000)}, options);
  const Point& p = s.points.front().front();
  return {"A large program",
          "<p>A town of " + whole(std::sqrt(p.parameters / 4)) + " x " + whole(std::sqrt(p.parameters / 4)) +
              " crossings for 40 steps: " + whole(p.sites) + " draws, " + whole(p.parameters) +
              " parameters. Finite differences would take " + digits(2 * p.parameters * p.run / 3600) +
              " hours of plain runs for one gradient.</p>",
          {table_of({s}, "A plain run and a gradient draw.")},
          {}};
}

Chapter segments(const Options& options) {
  const stoat::LoopOptions pieces{.recording = std::size_t{4} << 20};
  Table table{"Recordings as a whole and in segments.",
              {{"estimator", "draws", "parameters", "run ms", "MB", "whole ms", "/ run", "MB", "segments ms", "/ run", "MB"}}};
  Figure figure{"segments", "Memory that a process needs at most, both axes logarithmic.", 900, 380, 2, {}};
  for (const AnyEstimator& e : estimators()) {
    const auto curve = [](const std::string& title, const char* c) {
      return Curve{title, "with linespoints pt 7 ps 0.5 lw 2 lc rgb '" + std::string(c) + "'", {}};
    };
    Curve at_once = curve("as a whole", colour::orange), parts = curve("in segments", colour::blue),
          runs = curve("plain run", colour::green);
    for (const int steps : options.quick ? std::vector{4, 40, 100} : std::vector{4, 40, 400}) {
      const Sized town = traffic_lights(options.quick ? 50 : 158, steps, 100'000);
      std::cerr << "scaling: segments, " << e.name() << ", " << town.sites << " draws ...\n";
      const Point a = measure(town, e, options.seconds(), options.seed);
      const Point b = measure(town, e, options.seconds(), options.seed, pieces);
      table.rows.push_back({e.name(), whole(a.sites), whole(a.parameters), digits(1e3 * a.run), mega(b.run_memory),
                            digits(1e3 * a.draw), digits(a.draw / a.run), mega(a.draw_memory), digits(1e3 * b.draw),
                            digits(b.draw / b.run), mega(b.draw_memory)});
      at_once.points.push_back({a.sites, a.draw_memory / 1e6});
      parts.points.push_back({b.sites, b.draw_memory / 1e6});
      runs.points.push_back({b.sites, b.run_memory / 1e6});
    }
    figure.panels.push_back({e.name() + ", " + table.rows.back()[2] + " parameters",
                             "draws a run",
                             "MB",
                             "set logscale xy; set format x '10^{%L}'; set key top left",
                             {}});
    figure.panels.back().curves = {at_once, parts, runs};
  }
  return {"Memory",
          "<p>The town for more and more steps. Its loop is one of draw.iterate, so that it can be recorded in segments "
          "(LoopOptions::recording = 4 MiB): a sweep runs it once more, and memory holds one segment and the states between them. "
          "Replays need the outcomes of the run beside these, 8 bytes each, and states of its loop, up to 64 MiB.</p>",
          {table},
          {figure}};
}

int main(int argc, char** argv) {
  Options options;
  std::filesystem::path out = "report/scaling";
  CLI::App app{"What a gradient costs as programs grow."};
  app.add_flag("--quick", options.quick, "a tenth of the largest sizes, less time for each point");
  app.add_option("--seed", options.seed, "seed of all random numbers")->capture_default_str();
  app.add_option("--out", out, "folder of the page and its files")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
  std::filesystem::create_directories(out);
  std::vector<Chapter> done;
  for (Chapter (*chapter)(const Options&) : {sites, parameters, large, segments}) {
    done.push_back(chapter(options));
    print(std::cout, done.back());
    std::cout.flush();
  }
  std::cout << '\n' << write_page("What a gradient costs as programs grow", done, out).string() << '\n';
  return 0;
}

}  // namespace
}  // namespace scaling

int main(int argc, char** argv) try { return scaling::main(argc, argv); } catch (const std::exception& error) {
  std::cerr << "scaling: " << error.what() << '\n';
  return 1;
}
