// examples/influenza/main.cpp: fits a stochastic simulation to the influenza outbreak of 1978 by several gradient estimators.
//
// The model is in outbreak.hpp, the pictures and files are in report.hpp; README.md tells the story.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <cmath>
#include <exception>
#include <filesystem>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "outbreak.hpp"
#include "report.hpp"

namespace influenza {
namespace {

/// An estimator with what it takes to descend by it: about how many runs of the simulation one gradient draw costs, and Adam's
/// rate. Sites are chosen uniformly for replays: a boy infected early matters far more than d_c p of his site tells.
struct Method {
  AnyEstimator estimator;
  double runs_per_draw;
  double rate;
};

const std::vector<Method>& methods() {
  static const std::vector<Method> all{
      {LeaveOneOut{4}, 4, 0.03},
      {ScoreFunction{}, 1, 0.03},
      {StochasticDerivative{16, SiteChoice::uniform}, 10, 0.03},
      {DebiasedSurrogate{16, SiteChoice::uniform}, 10, 0.03},
      {SmoothedDerivative{0.5}, 1, 0.03},
      {StraightThrough{}, 1, 0.03},
  };
  return all;
}

/// "LeaveOneOut(4)" -> "leaveoneout"
std::string plain_name(std::string name) {
  name.resize(std::min(name.find('('), name.size()));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

std::vector<Method> chosen(const std::vector<std::string>& names) {
  std::vector<Method> list;
  for (const std::string& name : names) {
    const auto same = [&](const Method& m) { return plain_name(m.estimator.name()) == plain_name(name); };
    const auto found = std::find_if(methods().begin(), methods().end(), same);
    if (found == methods().end()) throw InvalidArgument("--estimators: there is no '" + name + "' here");
    list.push_back(*found);
  }
  return list;
}

struct Settings {
  int samples = 60;  ///< runs of the simulation per iteration
  int iterations = 1500;
  int bootstrap = 40;  ///< outbreaks refitted for the standard errors
  std::uint64_t seed = 1;
  int threads = 0;
  Scale scale = Scale::roots;
  std::vector<std::string> estimators{"LeaveOneOut",       "ScoreFunction",      "StochasticDerivative",
                                      "DebiasedSurrogate", "SmoothedDerivative", "StraightThrough"};
  std::filesystem::path out = "report/influenza";
};

/// Where every descent begins: an outbreak that is slower than the real one, with as many hidden boys as counted ones.
Eigen::VectorXd start() { return Eigen::Vector3d(std::log(1.0), std::log(0.3), std::log(3.0)); }

/// Mean loss of many plain runs. The keys are the same for every theta, so that differences are seen clearly.
class Referee {
 public:
  Referee(const Program<double>& program, std::uint64_t seed, int runs) : trace_(program, start()), seed_(seed), runs_(runs) {}
  struct Verdict {
    double loss, error;
  };
  Verdict operator()(const Eigen::VectorXd& theta) {
    trace_.set_parameters(theta);
    double sum = 0, squares = 0;
    for (int r = 0; r < runs_; ++r) {
      const double loss = trace_.run({seed_, static_cast<std::uint64_t>(r)});
      sum += loss, squares += loss * loss;
    }
    const double mean = sum / runs_;
    return {mean, std::sqrt((squares / runs_ - mean * mean) / (runs_ - 1))};
  }

 private:
  Trace<double> trace_;
  std::uint64_t seed_;
  int runs_;
};

/// f(0), ..., f(n - 1), each on one thread: a descent makes too few draws an iteration to share them out.
template <class F>
void in_parallel(std::size_t n, int threads, const F& f) {
  const std::size_t count = threads > 0 ? static_cast<std::size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  std::atomic<std::size_t> next{0};
  std::vector<std::future<void>> workers;
  for (std::size_t t = 0; t < std::min(count, n); ++t)
    workers.push_back(std::async(std::launch::async, [&] {
      for (std::size_t i = next++; i < n; i = next++) f(i);
    }));
  for (std::future<void>& w : workers) w.get();
}

Minimum descend(const Program<double>& program, const Eigen::VectorXd& from, const Method& method, const Settings& settings,
                int iterations, std::uint64_t seed) {
  MinimizeOptions options;
  options.iterations = iterations;
  options.samples = static_cast<std::uint64_t>(std::max(2.0, std::round(settings.samples / method.runs_per_draw)));
  options.seed = seed;
  options.threads = 1;
  options.display = Display::none;
  return minimize(program, from, method.estimator, Adam{method.rate}, options);
}

/// Fits by one estimator, and what the descent looked like to the referee.
Fit fit(const Method& method, const Settings& settings) {
  const Program<double> program = Distance{observed, settings.scale};
  Fit fit;
  fit.estimator = method.estimator.name();
  fit.unbiased = method.estimator.unbiased();
  const Minimum minimum = descend(program, start(), method, settings, settings.iterations, settings.seed);
  fit.theta = minimum.theta;
  fit.runs = minimum.work.runs;
  fit.seconds = minimum.seconds;

  Referee judge(program, settings.seed + 1, 1000);
  for (double next = 1; const MinimizeStep& step : minimum.trace) {
    if (step.iteration + 1 < next) continue;
    next = std::max(next + 1, next * 1.25);
    fit.curve.push_back({step.work, judge(step.theta).loss});
  }
  const Referee::Verdict verdict = Referee(program, settings.seed + 2, 4000)(fit.theta);
  fit.loss = verdict.loss;
  fit.loss_error = verdict.error;
  return fit;
}

/// The gradient that an estimator finds at a theta, from about 100 000 runs of the simulation.
void probe(Fit& fit, const Method& method, const Eigen::VectorXd& theta, const Settings& settings) {
  Options options;
  options.samples = static_cast<std::uint64_t>(100'000 / method.runs_per_draw);
  options.seed = settings.seed + 3;
  options.threads = 1;
  const Estimate e = estimate(Distance{observed, settings.scale}, theta, method.estimator, options);
  fit.gradient = e.gradient;
  fit.gradient_error = e.gradient_error;
  fit.work_variance = e.total_variance * e.work.runs / static_cast<double>(e.samples);
}

/// Parametric bootstrap: outbreaks simulated at the fit are fitted like the data; the spread of these fits is the standard
/// error. Simulated outbreaks that died out are drawn again: they would not have been reported.
std::vector<Eigen::VectorXd> bootstrap(const Eigen::VectorXd& theta, const Method& method, const Settings& settings) {
  std::vector<Counts> outbreaks;
  for (std::uint64_t r = 0; outbreaks.size() < static_cast<std::size_t>(settings.bootstrap); ++r) {
    if (r == 100000) throw Error("bootstrap: nearly all simulated outbreaks die out");
    const Counts counts = simulate(theta, {settings.seed + 4, r});
    if (!died_out(counts)) outbreaks.push_back(counts);
  }
  std::vector<Eigen::VectorXd> fits(outbreaks.size());
  in_parallel(fits.size(), settings.threads, [&](std::size_t i) {
    const Program<double> program = Distance{outbreaks[i], settings.scale};
    fits[i] = descend(program, theta, method, settings, std::max(2, settings.iterations / 2), settings.seed + 100 + i).theta;
  });
  return fits;
}

void print(const Result& result) {
  using report::digits;
  const auto cell = [](const std::string& text, int width) { std::cout << std::setw(width) << std::right << text; };
  const auto label = [](const std::string& text) { std::cout << std::setw(26) << std::left << text; };
  std::cout << "Influenza in a boarding school, 1978: " << boys << " boys, " << days << " days, simulated in steps of "
            << 24 / steps_per_day << " hours.\nloss = E |simulated - observed|^2 / |observed|^2"
            << (result.scale == Scale::roots ? ", counts taken as sqrt(count + 3/8)" : "")
            << "\n\nThe descents (* biased estimator)\n";
  label("");
  for (const char* head : {"infection/day", "recovery/day", "hidden", "R0", "loss", "+-", "runs", "seconds"}) cell(head, 14);
  std::cout << '\n';
  for (const Fit& f : result.fits) {
    label(f.estimator + (f.unbiased ? "" : " *"));
    for (Eigen::Index j = 0; j < parameters; ++j) cell(digits(std::exp(f.theta[j])), 14);
    for (const std::string& x :
         {digits(reproduction_number(f.theta)), digits(f.loss), digits(f.loss_error, 2), digits(f.runs, 4), digits(f.seconds)})
      cell(x, 14);
    std::cout << '\n';
  }

  std::cout << "\nTheir gradients at the fit by " << result.best().estimator << ", each from about 100 000 runs\n";
  label("");
  for (const char* head : {"d/d log infection", "d/d log recovery", "d/d log hidden"}) cell(head, 22);
  cell("variance * runs", 18);
  std::cout << '\n';
  for (const Fit& f : result.fits) {
    label(f.estimator + (f.unbiased ? "" : " *"));
    for (Eigen::Index j = 0; j < parameters; ++j) cell(digits(f.gradient[j], 2) + " +- " + digits(f.gradient_error[j], 2), 22);
    cell(digits(f.work_variance), 18);
    std::cout << '\n';
  }

  std::cout << "\nFit by " << result.best().estimator;
  if (result.summary.front().error > 0) {
    std::cout << ", with standard error, 90 % interval and bias from " << result.refits.size() << " refitted simulated outbreaks\n";
    for (const Quantity& q : result.summary) {
      std::cout << "  " << std::setw(18) << std::left << q.name << digits(q.value) << " +- " << digits(q.error, 2) << q.unit
                << "   [" << digits(q.lower) << ", " << digits(q.upper) << "]   bias " << digits(q.bias, 2) << '\n';
    }
  } else {
    std::cout << " (no standard errors: --bootstrap is below 2)\n";
    for (const Quantity& q : result.summary)
      std::cout << "  " << std::setw(18) << std::left << q.name << digits(q.value) << q.unit << '\n';
  }
  std::cout << "\nOf " << result.band.runs << " outbreaks simulated at the fit " << result.band.died_out << " died out early.\nOf "
            << days << " observations " << result.band.inside << " lie within the band of 90 % of the simulated outbreaks.\n\n";
}

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{"Fits a chain-binomial simulation to the influenza outbreak in an English boarding school, 1978."};
  std::string known;
  for (const Method& m : methods())
    known += (known.empty() ? "" : ", ") + m.estimator.name().substr(0, m.estimator.name().find('('));
  app.add_option("--samples", settings.samples, "runs of the simulation per iteration")
      ->check(CLI::Range(2, 100000))
      ->capture_default_str();
  app.add_option("--iterations", settings.iterations, "steps of Adam")->check(CLI::Range(2, 1000000))->capture_default_str();
  app.add_option("--scale", settings.scale, "compare counts as they are (counts) or as sqrt(count + 3/8) (roots, the default)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Scale>{{"counts", Scale::counts}, {"roots", Scale::roots}})
                      .description(""));
  app.add_option("--bootstrap", settings.bootstrap, "simulated outbreaks that are refitted for the standard errors; 0: none")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "seed of all random numbers")->capture_default_str();
  app.add_option("--threads", settings.threads, "threads; 0: all")->check(CLI::Range(0, 1024))->capture_default_str();
  app.add_option("--estimators", settings.estimators, "any of " + known + "; the first one makes the headline fit")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--out", settings.out, "folder of the report")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const std::vector<Method> list = chosen(settings.estimators);
  Result result;
  result.scale = settings.scale;
  result.fits.resize(list.size());
  std::cerr << "influenza: fitting by " << list.size() << " estimators ...\n";
  in_parallel(list.size(), settings.threads, [&](std::size_t i) {
    Fit& f = result.fits[i];
    f = fit(list[i], settings);
    std::cerr << "influenza:   " + f.estimator + ": " + report::digits(f.seconds) +
                     " s, R0 = " + report::digits(reproduction_number(f.theta)) + '\n';
  });
  const Eigen::VectorXd& theta = result.best().theta;
  if (settings.bootstrap >= 2) {
    std::cerr << "influenza: refitting " << settings.bootstrap << " simulated outbreaks for the standard errors ...\n";
    result.refits = bootstrap(theta, list.front(), settings);
  }
  std::cerr << "influenza: comparing the gradients at the fit ...\n";
  in_parallel(list.size(), settings.threads, [&](std::size_t i) { probe(result.fits[i], list[i], theta, settings); });
  result.summary = summarise(theta, result.refits);
  result.band = simulated_band(theta, settings.seed + 6, 2000);
  print(result);
  std::cout << write_report(result, settings.out).string() << '\n';
  return 0;
}

}  // namespace
}  // namespace influenza

int main(int argc, char** argv) try { return influenza::main(argc, argv); } catch (const std::exception& error) {
  std::cerr << "influenza: " << error.what() << '\n';
  return 1;
}
