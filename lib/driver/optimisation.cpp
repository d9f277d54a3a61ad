#include <stoat/driver/optimisation.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include <nlohmann/json.hpp>

#include <stoat/driver/reduce.hpp>
#include <stoat/driver/report.hpp>

#include "optimisation_table.hpp"

namespace stoat {

using report::digits;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Mean {
  double value = nan, error = nan;
};
Mean mean_of(const std::vector<double>& x) {
  if (x.empty()) return {};
  const double n = static_cast<double>(x.size());
  Mean m{0, 0};
  for (const double y : x) m.value += y / n;
  for (const double y : x) m.error += (y - m.value) * (y - m.value);
  m.error = x.size() > 1 ? std::sqrt(m.error / (n - 1) / n) : nan;
  return m;
}

/// The expected cost at theta: exact, or by plain runs on fixed keys. NaN where the program fails.
double loss_at(const Program<double>& program, const Eigen::VectorXd& theta, const OptimisationOptions& options) {
  if (!theta.allFinite()) return nan;
  if (options.loss) return options.loss(theta);
  try {
    double sum = 0;
    for (std::uint64_t i = 0; i < options.loss_samples; ++i) sum += run(program, theta, {options.seed, i, Purpose::pilot});
    return sum / static_cast<double>(options.loss_samples);
  } catch (const std::exception&) { return nan; }
}

/// One optimisation: the loss at the checkpoints. Without losses, but with the reason, if it failed.
struct Curve {
  std::vector<double> loss;
  double seconds = 0;
  std::string failure;
  bool interrupted = false;
  template <class A>
  void fields(A& archive) {
    archive(loss, seconds, failure, interrupted);
  }
};

/// Those of some seeds in a row.
struct Curves {
  std::vector<Curve> list;
  void merge(Curves&& right) {
    for (Curve& curve : right.list) list.push_back(std::move(curve));
  }
  template <class A>
  void fields(A& archive) {
    archive(list);
  }
};

Curve minimised(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                const Optimizer& optimizer, const OptimisationOptions& options, std::uint64_t seed, const OptimisationRow& row,
                const std::vector<double>& work, double first_loss) {
  MinimizeOptions minimizing;
  minimizing.iterations = row.iterations;
  minimizing.samples = options.samples;
  minimizing.seed = seed;
  minimizing.threads = 1;
  minimizing.average = 0;
  minimizing.display = Display::none;
  minimizing.max_draws = options.max_draws;
  Curve curve;
  try {
    const Minimum minimum = minimize(program, theta, estimator, optimizer, minimizing);
    curve.interrupted = minimum.stopped == Stopped::interrupted;
    curve.seconds = minimum.seconds;
    if (curve.interrupted) return curve;
    curve.loss.push_back(first_loss);
    int last = 0;
    for (std::size_t c = 1; c < work.size(); ++c) {
      const int done = std::min(row.iterations, static_cast<int>(std::lround(work[c] / row.runs_per_iteration)));
      // trace[i].theta is the point before step i.
      const Eigen::VectorXd& at = done == row.iterations ? minimum.theta : minimum.trace[static_cast<std::size_t>(done)].theta;
      curve.loss.push_back(done == last ? curve.loss.back() : loss_at(program, at, options));
      last = done;
    }
  } catch (const std::exception& error) {
    curve.loss.clear();
    curve.failure = "seed " + std::to_string(seed) + ": " + error.what();
  }
  return curve;
}

}  // namespace

Optimisation compare_optimisation(const Program<double>& program, const Eigen::VectorXd& theta,
                                  const std::vector<AnyEstimator>& estimators, const Optimizer& optimizer,
                                  const OptimisationOptions& options) {
  const auto check = [](const char* name, double x, double least) {
    if (!(x >= least && x < std::numeric_limits<double>::infinity()))
      throw InvalidArgument("compare_optimisation: " + outside(name, x, "[" + digits(least) + ", infinity)"));
  };
  check("work", options.work, 1);
  check("samples", static_cast<double>(options.samples), 1);
  check("seeds", options.seeds, 1);
  check("max_iterations", options.max_iterations, 1);
  check("checkpoints", options.checkpoints, 1);
  check("loss_samples", static_cast<double>(options.loss_samples), 1);

  Optimisation result;
  result.program = options.name;
  result.optimizer = optimizer.name();
  result.theta = theta;
  result.samples = options.samples;
  result.seed = options.seed;
  result.seeds = options.seeds;
  result.exact_loss = static_cast<bool>(options.loss);
  for (int c = 0; c <= options.checkpoints; ++c) result.work.push_back(options.work * c / options.checkpoints);
  const double first_loss = loss_at(program, theta, options);

  for (const AnyEstimator& estimator : estimators) {
    if (!result.missing.empty()) {
      result.missing.push_back(estimator.name());
      continue;
    }
    OptimisationRow row;
    row.estimator = estimator.name();
    row.unbiased = estimator.unbiased();
    try {  // what does one iteration cost?
      Options sampling;
      sampling.samples = options.samples;
      sampling.seed = options.seed;
      sampling.threads = options.threads;
      sampling.ranks = options.ranks;
      sampling.max_draws = options.max_draws;
      sampling.display = Display::none;
      const Estimate cost = estimate(program, theta, estimator, sampling);
      if (cost.interrupted) {
        result.missing.push_back(row.estimator);
        continue;
      }
      row.runs_per_iteration = std::max(1.0, cost.work.runs);
    } catch (const Refusal& refusal) {
      row.skipped = refusal.what();
      result.rows.push_back(std::move(row));
      continue;
    }
    row.iterations =
        static_cast<int>(std::clamp(options.work / row.runs_per_iteration, 1.0, static_cast<double>(options.max_iterations)));
    // Seeds, not the few draws of an iteration, are spread over threads and ranks.
    const auto one = [&](std::int64_t s, int) {
      const std::uint64_t seed = options.seed + static_cast<std::uint64_t>(s);
      return Curves{{minimised(program, theta, estimator, optimizer, options, seed, row, result.work, first_loss)}};
    };
    auto reduced = detail::reduce<Curves>(options.ranks.get(), detail::thread_count(options.threads), options.seeds, true, one,
                                          detail::Heed::yes);
    std::vector<Curve> all;
    for (auto& piece : reduced.pieces)
      for (Curve& curve : piece.node.list) all.push_back(std::move(curve));
    if (static_cast<int>(all.size()) < options.seeds ||
        std::any_of(all.begin(), all.end(), [](const Curve& curve) { return curve.interrupted; })) {
      result.missing.push_back(row.estimator);
      continue;
    }
    std::vector<std::vector<double>> curves;
    for (Curve& curve : all) {
      row.seconds += curve.seconds;
      if (!curve.failure.empty()) row.notes.push_back(curve.failure);
      const bool finite = std::all_of(curve.loss.begin(), curve.loss.end(), [](double x) { return std::isfinite(x); });
      if (!curve.loss.empty() && finite && curve.loss.back() <= first_loss) curves.push_back(std::move(curve.loss));
      else ++row.diverged;
    }
    for (std::size_t c = 0; c < result.work.size(); ++c) {
      std::vector<double> at;
      at.reserve(curves.size());
      for (const auto& losses : curves) at.push_back(losses[c]);
      const Mean mean = mean_of(at);
      row.loss.push_back(mean.value);
      row.loss_error.push_back(mean.error);
    }
    row.final_loss = row.loss.back();
    row.final_loss_error = row.loss_error.back();
    std::vector<double> areas;
    for (const auto& losses : curves) {
      double area = 0;  // trapezoids of equal width
      for (std::size_t c = 1; c < losses.size(); ++c) area += (losses[c - 1] + losses[c]) / 2;
      areas.push_back(area / static_cast<double>(losses.size() - 1));
    }
    const Mean area = mean_of(areas);
    row.area = area.value;
    row.area_error = area.error;
    result.rows.push_back(std::move(row));
  }
  return result;
}

namespace detail {

std::string heading(const Optimisation& o) {
  return o.optimizer + ", " + std::to_string(o.samples) + " draws per iteration, " + digits(o.work.back(), 6) +
         " runs of the program, " + std::to_string(o.seeds) + " seeds, loss " +
         (o.exact_loss ? "exact" : "estimated by plain runs") + ", seed " + std::to_string(o.seed);
}

std::vector<std::size_t> order(const Optimisation& o) {
  std::vector<std::size_t> result(o.rows.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = i;
  const auto key = [&](std::size_t i) {
    const OptimisationRow& row = o.rows[i];
    return std::pair(!row.skipped.empty(), std::isnan(row.final_loss) ? std::numeric_limits<double>::infinity() : row.final_loss);
  };
  std::stable_sort(result.begin(), result.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  return result;
}

const std::vector<Column>& optimisation_columns() {
  static const std::vector<Column> result{{"final loss", "mean over the seeds that did not diverge, with its standard error"},
                                          {"mean loss", "area under the curve over the work, with its standard error"},
                                          {"diverged", "seeds that failed or ended above the loss at the start"},
                                          {"iterations", "steps of the optimiser within the work"},
                                          {"runs/iteration", "executions of the program in one iteration"},
                                          {"seconds", "of all seeds"}};
  return result;
}

std::vector<std::string> optimisation_cells(const Optimisation& o, std::size_t i) {
  const OptimisationRow& row = o.rows[i];
  const auto pair = [](double x, double error) { return digits(x, 6) + (std::isfinite(error) ? " ± " + digits(error, 2) : ""); };
  return {pair(row.final_loss, row.final_loss_error),
          pair(row.area, row.area_error),
          std::to_string(row.diverged) + " of " + std::to_string(o.seeds),
          std::to_string(row.iterations),
          digits(row.runs_per_iteration),
          digits(row.seconds)};
}

}  // namespace detail

void Optimisation::print(std::ostream& out) const {
  std::vector<std::vector<std::string>> table{{"estimator"}};
  for (const detail::Column& column : detail::optimisation_columns()) table[0].push_back(column.title);
  std::string notes;
  for (const std::size_t i : detail::order(*this)) {
    table.push_back({rows[i].estimator});
    if (!rows[i].skipped.empty()) {
      table.back().resize(table[0].size());
      notes += "  " + rows[i].estimator + " skipped: " + rows[i].skipped + '\n';
      continue;
    }
    for (std::string& cell : detail::optimisation_cells(*this, i)) table.back().push_back(std::move(cell));
    for (const std::string& note : rows[i].notes) notes += "  " + rows[i].estimator + ": " + note + '\n';
  }
  out << program << ": " << detail::heading(*this);
  for (std::size_t i = 0; i < missing.size(); ++i) out << (i == 0 ? ", interrupted before " : ", ") << missing[i];
  out << '\n' << report::aligned(table) << notes;
}

std::ostream& operator<<(std::ostream& out, const Optimisation& optimisation) {
  optimisation.print(out);
  return out;
}

void write_csv(const std::filesystem::path& path, const std::vector<Optimisation>& optimisations) {
  const auto joined = [](const std::vector<double>& x) {
    std::string text;
    for (std::size_t i = 0; i < x.size(); ++i) text += (i > 0 ? ";" : "") + report::exact(x[i], "nan");
    return text;
  };
  std::string text =
      "program,optimizer,estimator,unbiased,final_loss,final_loss_error,area,area_error,diverged,seeds,iterations,samples,"
      "runs_per_iteration,seconds,work,loss,loss_error,skipped\n";
  for (const Optimisation& o : optimisations)
    for (const OptimisationRow& row : o.rows) {
      text += report::csv_field(o.program) + ',' + report::csv_field(o.optimizer) + ',' + report::csv_field(row.estimator) +
              (row.unbiased ? ",true" : ",false");
      const bool ran = row.skipped.empty();
      for (const double x : {row.final_loss, row.final_loss_error, row.area, row.area_error, static_cast<double>(row.diverged),
                             static_cast<double>(o.seeds), static_cast<double>(row.iterations), static_cast<double>(o.samples),
                             row.runs_per_iteration, row.seconds})
        text += ',' + (ran ? report::exact(x) : "");
      text += ',' + joined(o.work) + ',' + joined(row.loss) + ',' + joined(row.loss_error) + ',' + report::csv_field(row.skipped) +
              '\n';
    }
  report::write_file(path, text);
}

void write_json(const std::filesystem::path& path, const std::vector<Optimisation>& optimisations) {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const Optimisation& o : optimisations)
    for (const OptimisationRow& row : o.rows) {
      Json j{{"program", o.program}, {"optimizer", o.optimizer}, {"estimator", row.estimator}, {"unbiased", row.unbiased}};
      if (row.skipped.empty()) {
        j["final_loss"] = row.final_loss;
        j["final_loss_error"] = row.final_loss_error;
        j["area"] = row.area;
        j["area_error"] = row.area_error;
        j["diverged"] = row.diverged;
        j["iterations"] = row.iterations;
        j["runs_per_iteration"] = row.runs_per_iteration;
        j["seconds"] = row.seconds;
        j["loss"] = row.loss;
        j["loss_error"] = row.loss_error;
      } else {
        j["skipped"] = row.skipped;
      }
      j["notes"] = row.notes;
      j["work"] = o.work;
      j["theta"] = std::vector<double>(o.theta.begin(), o.theta.end());
      j["samples"] = o.samples;
      j["seeds"] = o.seeds;
      j["seed"] = o.seed;
      j["exact_loss"] = o.exact_loss;
      all.push_back(std::move(j));
    }
  report::write_file(path, all.dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace stoat
