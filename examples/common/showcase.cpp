#include "showcase.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <iostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/estimators/finite_difference.hpp>
#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "page.hpp"

namespace showcase {

using namespace stoat;
using report::digits, report::exact;

namespace {

/// Beyond so many parameters tables show sums along a few directions instead, and pages no names.
constexpr Eigen::Index shown = 12;

struct Settings {
  bool quick = false;
  std::uint64_t samples = 0, seed = 1;  // samples = 0: the showcase's own
  int threads = 0;
  std::filesystem::path out;

  /// The amount of work: a tenth if it is to be quick, but not less than 20.
  template <class N>
  N work(N full) const {
    return quick ? std::max<N>(full / 10, std::min<N>(full, 20)) : full;
  }
};

struct Mean {
  double value, error;
};

/// Mean and standard error of cost(0), ..., cost(runs - 1).
template <class Cost>
Mean mean_of(std::uint64_t runs, const Cost& cost) {
  double mean = 0, squares = 0;
  for (std::uint64_t r = 0; r < runs; ++r) {
    const double x = cost(r), off = x - mean, n = static_cast<double>(r + 1);
    mean += off / n;
    squares += off * (x - mean);
  }
  const double n = static_cast<double>(runs);
  return {mean, std::sqrt(squares / (n * (n - 1)))};
}

Mean plain_mean(const Showcase& s, std::uint64_t runs, std::uint64_t seed) {
  boost::random::mt19937 generator(static_cast<std::uint32_t>(seed));
  return mean_of(runs, [&](std::uint64_t) { return s.plain(s.theta, generator); });
}

Mean mean_cost(const Program<double>& program, const Eigen::VectorXd& theta, std::uint64_t runs, std::uint64_t seed) {
  Trace<double> trace(program, theta);
  return mean_of(runs, [&](std::uint64_t r) { return trace.run({seed, r}); });
}

std::string name_of(const std::vector<std::string>& names, Eigen::Index j) {
  return names.empty() ? "theta[" + std::to_string(j) + "]" : names[static_cast<std::size_t>(j)];
}

std::string z_score(double difference, double error, double other_error) {
  const double total = std::hypot(error, other_error);
  return total > 0 ? digits(difference / total, 2) : "-";
}

/// All parameters together, and three patterns of signs: fixed, dense directions of length 1.
Eigen::MatrixXd sign_patterns(Eigen::Index parameters) {
  Eigen::MatrixXd directions = Eigen::MatrixXd::Ones(parameters, 4);
  boost::random::mt19937 generator(7);
  for (Eigen::Index k = 1; k < directions.cols(); ++k)
    for (Eigen::Index j = 0; j < parameters; ++j)
      if (generator() & 1) directions(j, k) = -1;
  return directions / std::sqrt(static_cast<double>(parameters));
}

/// What is known of the gradient from elsewhere.
Exact reference(const Showcase& s, std::uint64_t samples, const Settings& settings, const Eigen::MatrixXd& directions) {
  if (s.truth) {
    Exact truth = s.truth();
    if (truth.gradient_error.size() == 0) truth.gradient_error.setZero(truth.gradient.size());
    truth.gradient_error = (directions.transpose() * truth.gradient_error.asDiagonal()).rowwise().norm().eval();
    truth.gradient = (directions.transpose() * truth.gradient).eval();
    return truth;
  }
  // In t = 0 the step is relative to 1; a parameter's is relative to its size, as FiniteDifference's is.
  const Eigen::VectorXd scale = s.theta.cwiseAbs().cwiseMax(1);
  const bool single = directions.cols() == s.theta.size();
  const Eigen::MatrixXd steps = single ? Eigen::MatrixXd(scale.asDiagonal()) : directions;
  const Options options{.samples = samples, .seed = settings.seed + 1, .threads = settings.threads};
  const Estimate e =
      estimate(along(s.program, s.theta, steps), Eigen::VectorXd::Zero(steps.cols()), FiniteDifference{s.difference_step}, options);
  Exact truth;
  truth.source = "finite differences on common random numbers";
  truth.gradient = e.gradient;
  truth.gradient_error = e.gradient_error;
  if (single) truth.gradient.array() /= scale.array(), truth.gradient_error.array() /= scale.array();
  return truth;
}

std::string gradient_csv(const Showcase& s, const Estimate& e) {
  std::string csv = "parameter,theta,gradient,standard_error\n";
  for (Eigen::Index j = 0; j < s.theta.size(); ++j)
    csv += report::csv_field(name_of(s.parameters, j)) + ',' + exact(s.theta[j]) + ',' + exact(e.gradient[j]) + ',' +
           exact(e.gradient_error[j]) + '\n';
  return csv;
}

Chapter value_and_gradient(const Showcase& s, const Settings& settings, std::uint64_t samples, Findings& findings) {
  Options options{.samples = samples, .seed = settings.seed, .threads = settings.threads};
  options.covariance = true;
  findings.estimate = estimate(s.program, s.theta, s.estimator, options);
  const Estimate& e = findings.estimate;
  report::write_file(settings.out / "gradient.csv", gradient_csv(s, e));

  const bool few = s.theta.size() <= shown;
  const Eigen::MatrixXd directions =
      few ? Eigen::MatrixXd(Eigen::MatrixXd::Identity(s.theta.size(), s.theta.size())) : sign_patterns(s.theta.size());
  const Exact truth = reference(s, samples, settings, directions);
  const Mean plain = plain_mean(s, samples, settings.seed);

  Table table{"Value and gradient at theta. Plain twin: " + std::to_string(samples) + " runs. Reference: " + truth.source + ".",
              {{"", "at", "estimate", "error", "reference", "error", "z"}}};
  const auto row = [&](const std::string& what, const std::string& at, Mean found, Mean known) {
    table.rows.push_back({what, at, digits(found.value, 5), digits(found.error, 2), digits(known.value, 5),
                          known.error > 0 ? digits(known.error, 2) : "exact",
                          z_score(found.value - known.value, found.error, known.error)});
  };
  row("value, plain twin", "", {e.value, e.value_error}, plain);
  if (s.truth) row("value", "", {e.value, e.value_error}, {truth.value, truth.value_error});
  for (Eigen::Index k = 0; k < directions.cols(); ++k) {
    const Eigen::VectorXd u = directions.col(k);
    const Mean known{truth.gradient[k], truth.gradient_error[k]};
    if (few) row("d / d " + name_of(s.parameters, k), digits(s.theta[k], 4), {e.gradient[k], e.gradient_error[k]}, known);
    else
      row(k == 0 ? "along all parameters" : "along signs " + std::to_string(k), "",
          {u.dot(e.gradient), std::sqrt(u.dot(e.covariance * u))}, known);
  }
  const std::string text = s.text + "<p>" + report::escape_html(s.estimator.name()) + ", " + std::to_string(e.samples) +
                           " gradient draws of " + digits(e.work.runs / static_cast<double>(e.samples)) + " runs each: all " +
                           std::to_string(s.theta.size()) +
                           " derivatives (<a href=\"gradient.csv\">gradient.csv</a>) come from the same runs. A run has about " +
                           digits(e.sites) + " draws.</p>";
  return {"Value and gradient", text, {table}, {}};
}

Chapter comparison(const Showcase& s, const Settings& settings, std::uint64_t samples) {
  CompareOptions options;
  options.samples = samples;
  options.seed = settings.seed;
  options.threads = settings.threads;
  options.name = s.name;
  if (s.truth) options.truth = s.truth();
  std::vector<AnyEstimator> estimators = s.estimators;
  if (s.theta.size() <= shown) estimators.push_back(FiniteDifference{s.difference_step});
  const Comparison c = compare(s.program, s.theta, estimators, options);
  c.write_html(settings.out / "comparison.html");
  c.write_csv(settings.out / "comparison.csv");
  c.write_json(settings.out / "comparison.json");

  const std::vector<double> efficiency = efficiencies(c);
  Table table{"One gradient draw of each estimator, at the same theta, " + std::to_string(samples) +
                  " draws. eff.: 1 / (variance x runs), relative to LeaveOneOut(2) or the first unbiased one.",
              {{"estimator", "runs", "var/|g|^2", "eff.", "bias", "z", "verdict"}}};
  for (std::size_t i = 0; i < c.rows.size(); ++i) {
    const ComparisonRow& r = c.rows[i];
    if (!r.skipped.empty()) {
      table.rows.push_back({r.estimator, "-", "-", "-", "-", "-", "skipped: " + r.skipped});
      continue;
    }
    const double scale = gradient_scale(c.truth);
    table.rows.push_back({r.estimator, digits(r.runs_per_sample), digits(r.total_variance / (scale * scale)), digits(efficiency[i]),
                          digits(100 * r.relative_bias, 2) + " %", report::z_text(r.projection_z), r.verdict});
  }
  const std::string text = "<p>More columns and pictures: <a href=\"comparison.html\">comparison.html</a>.</p>";
  return {"Estimators compared", text, {table}, {}};
}

/// The costs on the way and their mean over the last steps; runs in thousands.
std::vector<Curve> loss_curves(const Minimum& minimum) {
  Curve single{"estimate of one step", "with points pt 7 ps 0.25 lc rgb '#7f8792'", {}};
  Curve smooth{"mean of neighbouring steps", line(colour::blue, 2.5), {}};
  const std::size_t steps = minimum.trace.size(), half = std::max<std::size_t>(1, steps / 50);
  for (std::size_t i = 0; i < steps; ++i) {
    single.points.push_back({minimum.trace[i].work / 1000, minimum.trace[i].value});
    // A window that shrinks at both ends, so that it stays centred.
    const std::size_t reach = std::min({half, i, steps - 1 - i});
    double sum = 0;
    for (std::size_t k = i - reach; k <= i + reach; ++k) sum += minimum.trace[k].value;
    smooth.points.push_back({minimum.trace[i].work / 1000, sum / static_cast<double>(2 * reach + 1)});
  }
  return {single, smooth};
}

Chapter descent(const Showcase& s, const Settings& settings, std::uint64_t runs, Findings& findings) {
  const Descent& d = s.descent;
  MinimizeOptions options;
  options.iterations = settings.work(d.iterations);
  options.samples = d.samples;
  options.seed = settings.seed;
  options.threads = settings.threads;
  findings.minimum = minimize(d.program, d.start, d.estimator, d.optimizer, options);
  const Minimum& m = findings.minimum;

  Table table{"From start to end in " + std::to_string(options.iterations) + " steps, " + digits(m.work.runs, 4) +
                  " runs of the program. Costs are measured by fresh plain runs, the same for both.",
              {{"", "start", "end"}}};
  const Mean start = mean_cost(d.program, d.start, runs, settings.seed + 2);
  const Mean end = mean_cost(d.program, m.theta, runs, settings.seed + 2);
  table.rows.push_back({d.cost, digits(start.value, 5), digits(end.value, 5)});
  table.rows.push_back({"standard error", digits(start.error, 2), digits(end.error, 2)});
  const double known = d.known ? d.known() : 0;
  if (d.known) table.rows.push_back({d.known_source, "", digits(known, 5)});
  for (Eigen::Index j = 0; j < d.start.size() && d.start.size() <= shown; ++j)
    table.rows.push_back({name_of(d.parameters, j), digits(d.start[j], 4), digits(m.theta[j], 4)});

  Panel panel{"", "runs of the program, thousands", d.cost, "set key top right Right noreverse", loss_curves(m)};
  if (d.known) panel.curves.push_back({d.known_source, line(colour::green, 1.5, "'-'"), {{0, known}, {m.work.runs / 1000, known}}});
  const Figure figure{"descent", "The cost on the way, by " + report::escape_html(d.estimator.name()) + ".", 760, 340, 1, {panel}};
  return {"From a poor start to a good end", "", {table}, {figure}};
}

int report_on(const Showcase& s, const Settings& settings) {
  std::filesystem::create_directories(settings.out);  // before the work, so that a folder that cannot be made is reported at once
  const std::uint64_t samples = settings.samples > 0 ? settings.samples : settings.work(s.samples);
  Findings findings;
  findings.quick = settings.quick;
  findings.seed = settings.seed;
  std::vector<Chapter> chapters;
  const auto add = [&](Chapter chapter) {
    print(std::cout, chapter);
    std::cout.flush();
    chapters.push_back(std::move(chapter));
  };
  add(value_and_gradient(s, settings, samples, findings));
  add(comparison(s, settings, std::max<std::uint64_t>(samples / 4, 20)));
  add(descent(s, settings, samples, findings));
  if (s.figures) chapters.push_back({"Pictures", "", {}, s.figures(findings)});
  std::cout << '\n' << write_page(s.title, chapters, settings.out).string() << '\n';
  return 0;
}

}  // namespace

std::vector<AnyEstimator> usual_estimators() {
  return {ScoreFunction{},      LeaveOneOut{4},       StochasticDerivative{1}, StochasticDerivative{8},
          DebiasedSurrogate{1}, DebiasedSurrogate{8}, SmoothedDerivative{0.5}, StraightThrough{}};
}

Program<double> along(const Program<double>& program, const Eigen::VectorXd& theta, const Eigen::MatrixXd& directions) {
  return [=]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return program(draw, Vector<S>(Vector<S>(theta) + Matrix<S>(directions) * t));
  };
}

Exact differentiated(const std::function<double(const Eigen::VectorXd&)>& value, const Eigen::VectorXd& theta,
                     const std::string& source, double step) {
  Exact x;
  x.value = value(theta);
  x.gradient.resize(theta.size());
  x.source = source;
  for (Eigen::Index j = 0; j < theta.size(); ++j) {
    const Eigen::VectorXd h = step * Eigen::VectorXd::Unit(theta.size(), j);
    x.gradient[j] = (8 * (value(theta + h) - value(theta - h)) - (value(theta + 2 * h) - value(theta - 2 * h))) / (12 * step);
  }
  return x;
}

int run(const Showcase& showcase, int argc, const char* const* argv) {
  Settings settings;
  settings.out = "report/" + showcase.name;
  CLI::App app{showcase.title, showcase.name};
  app.add_flag("--quick", settings.quick, "A tenth of the samples and steps");
  app.add_option("--samples", settings.samples, "Gradient draws of the estimate; a quarter for each estimator of the comparison")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1'000'000'000'000}));
  app.add_option("--seed", settings.seed, "Seed of all randomness")->capture_default_str();
  app.add_option("--threads", settings.threads, "Threads; 0: all. The numbers do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--out", settings.out, "Folder of the page and its files")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
  try {
    return report_on(showcase, settings);
  } catch (const std::exception& e) {
    std::cerr << showcase.name << ": " << e.what() << '\n';
    return 1;
  }
}

}  // namespace showcase
