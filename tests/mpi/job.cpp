// mpi_job COMMAND FILE...: what mpi_test starts on several processes.
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/mpi/mpi.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

struct Walk {
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S x = 0;
    for (int t = 0; t < 10; ++t) {
      if (draw(BernoulliLogit(theta[0] - 0.1 * x))) x += theta[1];
      else x -= 1;
    }
    return square(x);
  }
};

/// Everything about numbers, nothing about time.
void add(std::string& text, const Eigen::VectorXd& x) {
  for (const double y : x) text += report::exact(y) + ' ';
  text += '\n';
}
void add(std::string& text, const Minimum& m) {
  add(text, m.theta);
  for (const MinimizeStep& step : m.trace) add(text, step.gradient);
}

std::string everything(const Program<double>& program, const Eigen::VectorXd& theta, const std::shared_ptr<Ranks>& ranks) {
  std::string text;
  const std::vector<AnyEstimator> estimators = {ScoreFunction{}, StochasticDerivative{}, ScoreFunctionMartingale{.pilot = 8}};
  for (const AnyEstimator& estimator : estimators) {
    const Estimate e = estimate(program, theta, estimator, {.samples = 3000, .threads = 2, .ranks = ranks});
    add(text, e.gradient);
    add(text, e.gradient_error);
  }
  add(text, estimate(program, theta, ScoreFunction{}, {.samples = 1'000'000, .ranks = ranks, .target_error = 0.5}).gradient);
  const Comparison c = compare(program, theta, estimators, {.samples = 500, .threads = 1, .ranks = ranks});
  for (const ComparisonRow& row : c.rows) add(text, row.gradient);
  add(text, minimize(program, theta, ScoreFunction{}, Adam{0.01}, {.iterations = 20, .threads = 1, .ranks = ranks}));
  const Optimisation o = compare_optimisation(program, theta, estimators, Adam{0.01},
                                              {.work = 500, .seeds = 3, .threads = 1, .ranks = ranks, .loss_samples = 50});
  for (const OptimisationRow& row : o.rows) add(text, Eigen::Map<const Eigen::VectorXd>(row.loss.data(), std::ssize(row.loss)));
  const Diagnosis d = diagnose(program, theta, {.candidates = estimators, .pilot = 64, .threads = 1, .ranks = ranks});
  for (const Candidate& c : d.candidates) add(text, Eigen::Vector2d(c.variance, c.work));
  return text;
}

void run(const std::vector<std::string>& arguments, const std::shared_ptr<Ranks>& ranks) {
  const std::string& command = arguments.at(0);
  const Program<double> program = Walk();
  const Eigen::VectorXd theta = Eigen::Vector2d(0.2, 1.1);
  MinimizeOptions options{.iterations = 60, .samples = 20, .threads = 1, .ranks = ranks, .checkpoint_every = 1};
  const auto write = [&](const std::string& text) {
    if (ranks->rank() == 0) report::write_file(arguments.at(1), text);
  };
  const auto descend = [&](const Program<double>& p) {
    options.checkpoint = arguments.at(2);
    const Minimum m = minimize(p, theta, ScoreFunction{}, Adam{0.01}, options);
    std::string text;
    add(text, m);
    write(text);
    if (ranks->rank() == 0) std::cout << "resumed " << m.resumed << ", " << m.stopped << std::endl;
  };
  if (command == "everything") {
    write(everything(program, theta, ranks));
  } else if (command == "descend" || command == "die") {
    // The last rank dies when the checkpoint has 30 iterations.
    const bool dies = command == "die" && ranks->rank() == ranks->size() - 1;
    options.schedule = [dies](int done) {
      if (dies && done == 30) std::raise(SIGKILL);
      return 1.0;
    };
    descend(program);
  } else if (command == "signal") {
    Interruption guard;
    options.iterations = 1'000'000'000, options.points = false, options.average = 0;
    options.progress = [&](int iteration, double) {
      if (iteration == 5) std::cout << "started" << std::endl;
    };
    descend(program);
  } else if (command == "wrong") {  // in a block that is not the first rank's
    const auto wrong = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      if (draw(Bernoulli(0.01 * t[1]))) return draw(Bernoulli(1.5 * t[1]));
      return t[0];
    };
    estimate(wrong, theta, ScoreFunction{}, {.samples = 2000, .threads = 1, .ranks = ranks});
  } else if (command == "leave") {  // the others wait
    if (ranks->rank() == 1) throw Error("no more");
    estimate(program, theta, ScoreFunction{}, {.ranks = ranks});
  } else {
    throw InvalidArgument("unknown command " + command);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return mpi::run(argc, argv, [&](const std::shared_ptr<Ranks>& ranks) { run({argv + 1, argv + argc}, ranks); });
}
