#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <sstream>

namespace influenza {
namespace {

using report::digits;
using report::exact;

constexpr std::array<const char*, 6> palette{"#3b82d6", "#e07b28", "#2f9e5b", "#d6455d", "#8b6fd1", "#a0714f"};
const char* colour(std::size_t i) { return palette[i % palette.size()]; }

/// The q-quantile of sorted numbers, interpolated.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto i = static_cast<std::size_t>(at);
  if (i + 1 >= sorted.size()) return sorted.back();
  return sorted[i] + (at - static_cast<double>(i)) * (sorted[i + 1] - sorted[i]);
}

std::string fit_table(const Result& result) {
  std::ostringstream csv;
  csv << "estimator,unbiased,infection_rate,recovery_rate,hidden,R0,loss,loss_error,runs,seconds,variance_times_runs";
  for (const char* name : {"log_infection_rate", "log_recovery_rate", "log_hidden"})
    csv << ",gradient_" << name << ",gradient_error_" << name;
  csv << '\n';
  for (const Fit& f : result.fits) {
    csv << report::csv_field(f.estimator) << ',' << (f.unbiased ? "true" : "false");
    for (Eigen::Index j = 0; j < parameters; ++j) csv << ',' << exact(std::exp(f.theta[j]));
    for (const double x : {reproduction_number(f.theta), f.loss, f.loss_error, f.runs, f.seconds, f.work_variance})
      csv << ',' << exact(x);
    for (Eigen::Index j = 0; j < parameters; ++j) csv << ',' << exact(f.gradient[j]) << ',' << exact(f.gradient_error[j]);
    csv << '\n';
  }
  // The standard errors belong to the data, not to the estimator: rows of their own.
  const auto row = [&](const char* name, double Quantity::*field) {
    csv << name << ',';
    for (std::size_t j = 0; j < 4; ++j) csv << ',' << (result.refits.empty() ? "" : exact(result.summary[j].*field));
    csv << std::string(5 + 2 * parameters, ',') << '\n';
  };
  row("bootstrap standard error", &Quantity::error);
  row("bootstrap 5 % quantile", &Quantity::lower);
  row("bootstrap 95 % quantile", &Quantity::upper);
  row("bootstrap bias", &Quantity::bias);
  return csv.str();
}

std::string trajectory_table(const Band& band) {
  std::ostringstream csv;
  csv << "day,observed,mean,q05,q50,q95";
  for (std::size_t i = 0; i < band.examples.size(); ++i) csv << ",run_" << i + 1;
  csv << '\n';
  for (std::size_t d = 0; d < days; ++d) {
    csv << d + 1;
    for (const Counts* c : {&observed, &band.mean, &band.lower, &band.median, &band.upper}) csv << ',' << exact((*c)[d]);
    for (const Counts& c : band.examples) csv << ',' << exact(c[d]);
    csv << '\n';
  }
  return csv.str();
}

std::string loss_table(const std::vector<Fit>& fits) {
  std::string csv = "estimator,runs,loss\n";
  for (const Fit& f : fits)
    for (const Fit::Point& p : f.curve) csv += report::csv_field(f.estimator) + ',' + exact(p.runs) + ',' + exact(p.loss) + '\n';
  return csv;
}

/// One gnuplot script for both pictures; the data travel inside it.
std::string pictures(const Result& result) {
  std::ostringstream gp;
  gp << "set terminal svg size 760,430 dynamic font 'sans-serif,13'\nset encoding utf8\nset tics nomirror\nset border 3 lw 0.8\n"
        "set grid lw 0.5 lc rgb '#999999' dt '.'\n";

  std::string table = trajectory_table(result.band);
  std::replace(table.begin(), table.end(), ',', ' ');
  gp << "$days << EOD\n" << table << "EOD\n";
  gp << "set output '0.svg'\nset xlabel 'day'\nset ylabel 'boys in bed'\nset xrange [0.7:14.3]\nset yrange [0:*]\nset xtics 1\n"
        "set key top right reverse Left samplen 2\nplot $days skip 1 using 1:4:6 with filledcurves fs solid 0.25 noborder lc rgb '"
     << colour(0) << "' title '90 % of simulated outbreaks'";
  for (std::size_t i = 0; i < result.band.examples.size(); ++i)
    gp << ", '' skip 1 using 1:" << 7 + i << " with lines lw 0.8 lc rgb '#903b82d6' "
       << (i == 0 ? "title 'single simulated outbreaks'" : "notitle");
  gp << ", '' skip 1 using 1:3 with lines lw 2.5 lc rgb '" << colour(0)
     << "' title 'their mean', '' skip 1 using 1:2 with points pt 7 ps 0.8 lc rgb '" << colour(3) << "' title 'observed, 1978'\n";

  std::string plot;
  double best = std::numeric_limits<double>::infinity(), worst = 0;
  for (std::size_t i = 0; i < result.fits.size(); ++i) {
    gp << "$fit" << i << " << EOD\n";
    for (const Fit::Point& p : result.fits[i].curve) {
      gp << exact(p.runs) << ' ' << exact(p.loss, "NaN") << '\n';
      best = std::min(best, p.loss), worst = std::max(worst, p.loss);
    }
    gp << "EOD\n";
    plot += (plot.empty() ? "plot $fit" : ", $fit") + std::to_string(i) + " with linespoints pt 7 ps 0.35 lw 1.8 lc rgb '" +
            colour(i) + "' title '" + result.fits[i].estimator + "'";
  }
  gp << "set output '1.svg'\nset xlabel 'work: runs of the simulation'\nset ylabel 'loss'\nset logscale xy\nset xrange [*:*]\nset "
        "yrange ["
     << exact(best * 0.9) << ':' << exact(worst * 1.15)
     << "]\nset xtics auto\nset format x '10^{%T}'\nset ytics (0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, "
        "1.5, 2, 3, 5)\n"
        "set key top right reverse Left samplen 2\n"
     << plot << '\n';
  return gp.str();
}

constexpr const char* style = R"(<style>
:root{color-scheme:light dark;--bg:#fcfcfa;--text:#1d2327;--soft:#66707a;--line:#e1e4e6}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--text:#e4e7ea;--soft:#98a2ac;--line:#31373d}}
body{font:15px/1.55 system-ui,sans-serif;max-width:66rem;margin:2.5rem auto;padding:0 1.2rem;background:var(--bg);color:var(--text)}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.1rem;margin-top:2.2rem}p,figcaption{max-width:46rem}figcaption,.soft{color:var(--soft)}
figure{margin:1.2rem 0}svg{width:100%;height:auto}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.25rem .7rem .25rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}th:first-child,td:first-child{text-align:left}
</style>)";

std::string page(const Result& result, const report::Plots& plots) {
  std::ostringstream html;
  const auto row = [&](const char* tag, const std::vector<std::string>& cells) {
    html << "<tr>";
    for (const std::string& c : cells) html << '<' << tag << '>' << c << "</" << tag << '>';
    html << "</tr>\n";
  };
  const auto figure = [&](std::size_t i, const std::string& caption) {
    html << "<figure>" << (plots.svg[i].empty() ? "<p>No picture: " + report::escape_html(plots.problem) + ".</p>" : plots.svg[i])
         << "<figcaption>" << caption << "</figcaption></figure>\n";
  };
  html << "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width\">\n"
       << "<title>Influenza in a boarding school, 1978</title>\n"
       << style << "</head><body>\n<h1>Influenza in a boarding school, 1978</h1>\n<p>A chain-binomial simulation of " << boys
       << " boys in steps of " << 24 / steps_per_day
       << " hours, fitted to the number of boys in bed on 14 days by stochastic gradient descent on the expected squared "
          "distance"
       << (result.scale == Scale::roots ? " of sqrt(count + 3/8)" : "") << ".</p>\n";

  html << "<h2>The fit</h2>\n<div class=\"scroll\"><table>\n";
  row("th", {"", "value", "standard error", "90 % interval", "bias"});
  for (const Quantity& q : result.summary) {
    const bool known = q.error > 0;
    row("td", {q.name, digits(q.value) + q.unit, known ? digits(q.error, 2) : "-",
               known ? digits(q.lower) + " to " + digits(q.upper) : "-", known ? digits(q.bias, 2) : "-"});
  }
  html << "</table></div>\n";
  if (!result.refits.empty())
    html << "<p class=\"soft\">By " << report::escape_html(result.best().estimator)
         << ". Errors and intervals: parametric bootstrap, " << result.refits.size()
         << " simulated outbreaks fitted like the data. Bias: their mean less the value.</p>\n";
  figure(0, "Boys in bed. The band holds 90 % of " + std::to_string(result.band.runs) +
                " outbreaks simulated at the fit on each day; " + std::to_string(result.band.inside) + " of the " +
                std::to_string(days) + " observations lie in it, " + std::to_string(result.band.died_out) +
                " of the simulated outbreaks died out early.");

  html << "<h2>The estimators</h2>\n";
  figure(1,
         "Loss, measured by 1000 plain runs with common random numbers, against the runs of the simulation that the descent has "
         "spent. Both "
         "axes are logarithmic. Every estimator spends about the same number of runs on an iteration.");
  html << "<div class=\"scroll\"><table>\n";
  row("th",
      {"estimator", "infection/day", "recovery/day", "hidden", "R<sub>0</sub>", "loss", "runs", "seconds", "variance × runs"});
  for (const Fit& f : result.fits) {
    std::vector<std::string> cells{report::escape_html(f.estimator) + (f.unbiased ? "" : " (biased)")};
    for (Eigen::Index j = 0; j < parameters; ++j) cells.push_back(digits(std::exp(f.theta[j])));
    cells.insert(cells.end(), {digits(reproduction_number(f.theta)), digits(f.loss) + " ± " + digits(f.loss_error, 2),
                               digits(f.runs, 4), digits(f.seconds), digits(f.work_variance)});
    row("td", cells);
  }
  html << "</table></div>\n<p class=\"soft\">variance × runs: of one gradient draw at the fit, times the runs of the simulation "
          "that it costs.</p>\n"
          "<p class=\"soft\">Data: <a href=\"fit.csv\">fit.csv</a>, <a href=\"trajectories.csv\">trajectories.csv</a>, "
          "<a href=\"loss.csv\">loss.csv</a>.</p>\n</body></html>\n";
  return html.str();
}

}  // namespace

bool died_out(const Counts& counts) { return *std::max_element(counts.begin(), counts.end()) < 60; }

Band simulated_band(const Eigen::VectorXd& theta, std::uint64_t seed, int runs) {
  Band band;
  band.runs = runs;
  std::array<std::vector<double>, days> by_day;
  for (int r = 0; r < runs; ++r) {
    const Counts counts = simulate(theta, {seed, static_cast<std::uint64_t>(r)});
    band.died_out += died_out(counts);
    if (r < 12) band.examples.push_back(counts);
    for (std::size_t d = 0; d < days; ++d) by_day[d].push_back(counts[d]), band.mean[d] += counts[d] / runs;
  }
  for (std::size_t d = 0; d < days; ++d) {
    std::sort(by_day[d].begin(), by_day[d].end());
    band.lower[d] = quantile(by_day[d], 0.05);
    band.median[d] = quantile(by_day[d], 0.5);
    band.upper[d] = quantile(by_day[d], 0.95);
    band.inside += band.lower[d] <= observed[d] && observed[d] <= band.upper[d];
  }
  return band;
}

std::vector<Quantity> summarise(const Eigen::VectorXd& theta, const std::vector<Eigen::VectorXd>& refits) {
  const auto quantity = [&](const char* name, const char* unit, const std::function<double(const Eigen::VectorXd&)>& f) {
    Quantity q{name, unit, f(theta)};
    if (refits.size() < 2) return q;
    std::vector<double> values;
    for (const Eigen::VectorXd& t : refits) values.push_back(f(t));
    const auto n = static_cast<double>(values.size());
    double mean = 0, squares = 0;
    for (const double v : values) mean += v / n;
    for (const double v : values) squares += (v - mean) * (v - mean);
    std::sort(values.begin(), values.end());
    q.bias = mean - q.value;
    q.error = std::sqrt(squares / (n - 1));
    q.lower = quantile(values, 0.05);
    q.upper = quantile(values, 0.95);
    return q;
  };
  return {
      quantity(parameter_names[0], " per day", [](const auto& t) { return std::exp(t[0]); }),
      quantity(parameter_names[1], " per day", [](const auto& t) { return std::exp(t[1]); }),
      quantity(parameter_names[2], " boys", [](const auto& t) { return std::exp(t[2]); }),
      quantity("R0", "", reproduction_number),
      quantity("time in bed", " days", [](const auto& t) { return step / probability(std::exp(t[1]), step); }),
  };
}

std::filesystem::path write_report(const Result& result, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  report::write_file(folder / "fit.csv", fit_table(result));
  report::write_file(folder / "trajectories.csv", trajectory_table(result.band));
  report::write_file(folder / "loss.csv", loss_table(result.fits));
  const report::Plots plots = report::gnuplot(pictures(result), 2);
  if (!plots.problem.empty()) std::cerr << "influenza: no pictures: " << plots.problem << '\n';
  for (std::size_t i = 0; i < 2; ++i)
    if (!plots.svg[i].empty()) report::write_file(folder / (i == 0 ? "influenza.svg" : "loss.svg"), plots.svg[i]);
  const std::filesystem::path index = std::filesystem::absolute(folder / "index.html").lexically_normal();
  report::write_file(index, page(result, plots));
  return index;
}

}  // namespace influenza
