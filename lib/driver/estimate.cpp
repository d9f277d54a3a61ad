#include <stoat/driver/estimate.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <iomanip>
#include <numeric>
#include <ostream>

#include <boost/math/distributions/students_t.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace stoat {
namespace detail {

void Moments::add(const Eigen::Ref<const Eigen::VectorXd>& x) {
  if (count == 0) {
    mean = x;
    squares.setZero(x.size());  // products are zero already
    smallest = largest = x;
    count = 1;
    return;
  }
  ++count;
  const double n = static_cast<double>(count);
  squares.array() += (x - mean).array().square() * ((n - 1) / n);
  if (products.size() > 0) {
    const Eigen::VectorXd d = (x - mean).segment(first_, products.rows());
    products.selfadjointView<Eigen::Lower>().rankUpdate(d, (n - 1) / n);
  }
  mean += (x - mean) / n;
  smallest = smallest.cwiseMin(x);
  largest = largest.cwiseMax(x);
}

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  if (count == 0) {
    *this = other;
    return;
  }
  const double a = static_cast<double>(count), b = static_cast<double>(other.count);
  squares.array() += other.squares.array() + (other.mean - mean).array().square() * (a * b / (a + b));
  if (products.size() > 0) {
    products += other.products;
    const Eigen::VectorXd d = (other.mean - mean).segment(first_, products.rows());
    products.selfadjointView<Eigen::Lower>().rankUpdate(d, a * b / (a + b));
  }
  mean += (other.mean - mean) * (b / (a + b));
  smallest = smallest.cwiseMin(other.smallest);
  largest = largest.cwiseMax(other.largest);
  count += other.count;
}

double Moments::error(Eigen::Index i) const {
  return count > 1 ? std::sqrt(squares[i] / static_cast<double>(count - 1) / static_cast<double>(count)) : 0;
}

int thread_count(int threads) {
#ifdef _OPENMP
  return threads > 0 ? threads : omp_get_max_threads();
#else
  (void)threads;
  return 1;
#endif
}

template <class T>
MonteCarlo<T>::MonteCarlo(const Program<T>& program, const Eigen::VectorX<T>& theta, int threads, std::size_t max_draws) {
  if (threads < 0) throw InvalidArgument(outside("threads", threads, "[0, infinity)"));
  for (int t = 0; t < thread_count(threads); ++t) traces_.push_back(std::make_unique<Trace<T>>(program, theta, max_draws));
}

template <class T>
MonteCarlo<T>::~MonteCarlo() = default;

namespace {

constexpr std::uint64_t pilot_runs = 64;
constexpr std::uint64_t largest_round = 256;  // blocks

/// Deals the data to samples: in every epoch a shuffle of all of them (Fisher and Yates).
class Deal {
 public:
  Deal(std::size_t data, std::uint64_t seed) : order_(data), seed_(seed) {}
  std::size_t operator()(std::uint64_t sample) {
    if (order_.empty()) return 0;
    const std::uint64_t epoch = sample / order_.size();
    if (epoch != epoch_) {
      epoch_ = epoch;
      std::iota(order_.begin(), order_.end(), std::size_t{0});
      Generator words({seed_, epoch, Purpose::data});
      for (std::size_t i = order_.size() - 1; i > 0; --i)
        std::swap(order_[i], order_[static_cast<std::size_t>(words.uniform() * static_cast<double>(i + 1))]);
    }
    return order_[sample % order_.size()];
  }

 private:
  std::vector<std::size_t> order_;
  std::uint64_t seed_, epoch_ = std::numeric_limits<std::uint64_t>::max();
};

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

template <class T>
typename MonteCarlo<T>::Result MonteCarlo<T>::sample(const Eigen::VectorX<T>& theta, const AnyEstimator& estimator,
                                                     const Options& options, std::uint64_t first_index,
                                                     const Eigen::MatrixXd& projections, const Observables& observables) {
  if (options.samples == 0) throw Error("samples = 0: at least one sample is needed");
  if (options.covariance && theta.size() > 4096)
    throw InvalidArgument("covariance: " + outside("parameters", static_cast<double>(theta.size()), "[1, 4096]"));
  const auto start = Clock::now();
  for (auto& trace : traces_) {
    trace->set_parameters(theta);
    trace->set_loop_options(options.loops);
  }
  const std::uint64_t samples = estimator.deterministic() ? 1 : options.samples;
  const std::uint64_t block_size = std::clamp<std::uint64_t>(samples / 64, 1, 64);
  const Eigen::Index d = theta.size(), width = 1 + d + projections.cols() + observables.count;

  Result result;
  // What samples learn from must not depend on them: it comes from pilot runs.
  Deal deal(traces_[0]->data(), options.seed);
  double mean_cost = 0;
  if (estimator.uses_mean() && learner_ == estimator) {
    mean_cost = memory_.last_mean;  // of the samples before
  } else if (estimator.uses_mean()) {
    for (std::uint64_t i = 0; i < pilot_runs; ++i) {
      traces_[0]->set_datum(deal(first_index + i));
      mean_cost += static_cast<double>(traces_[0]->run({options.seed, memory_.pilots + i, Purpose::pilot})) /
                   static_cast<double>(pilot_runs);
    }
    memory_.pilots += pilot_runs;
    result.work += traces_[0]->take_work();
  }
  if (learner_ != estimator || memory_.relearn <= memory_.drawn) {
    // What was learnt at one theta serves others nearby, too: it is learnt again when the samples since have cost ten times as
    // much as learning it did.
    memory_.theta = theta, memory_.first_index = first_index, memory_.first_run = memory_.pilots;
    learn(estimator, options.seed);
    memory_.pilots += PilotContext::most_runs;
    const Work work = traces_[0]->take_work();
    result.work += work;
    memory_.relearn =
        learned_ ? memory_.drawn + static_cast<std::uint64_t>(10 * work.runs) : std::numeric_limits<std::uint64_t>::max();
  }
  memory_.drawn += samples;
  std::vector<typename Trace<T>::Notes> notes_before;
  for (auto& trace : traces_) notes_before.push_back(trace->notes());

  std::uint64_t done = 0, round_blocks = estimator.uses_mean() || options.target_error > 0 ? 4 : largest_round;
  while (done < samples) {
    const std::uint64_t left = (samples - done - 1) / block_size + 1;
    const auto blocks = static_cast<std::int64_t>(std::min(round_blocks, left));
    std::vector<Moments> moments(static_cast<std::size_t>(blocks));
    if (options.covariance)
      for (Moments& m : moments) m.measure_covariance(1, d);
    std::vector<Work> work(static_cast<std::size_t>(blocks));
    std::vector<double> draw_seconds(static_cast<std::size_t>(blocks));
    std::vector<std::size_t> tape_bytes(static_cast<std::size_t>(blocks));
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(blocks));
    bool failed = false;
    const auto run_block = [&](std::int64_t b, Trace<T>& trace, Deal& deal, GradientDraw& draw, Eigen::VectorXd& row) {
      try {
        const std::uint64_t begin = done + static_cast<std::uint64_t>(b) * block_size;
        for (std::uint64_t i = begin; i < std::min(begin + block_size, samples); ++i) {
          draw.value = 0;
          draw.gradient.setZero(d);
          trace.set_datum(deal(first_index + i));
          const SampleContext context{options.seed, first_index + i, estimator.keys(), mean_cost, learned_.get()};
          const auto begun = observables.count ? Clock::now() : start;
          estimator.sample(trace, context, draw);
          if (observables.count) {
            draw_seconds[static_cast<std::size_t>(b)] += since(begun);
            tape_bytes[static_cast<std::size_t>(b)] = std::max(tape_bytes[static_cast<std::size_t>(b)], trace.tape().bytes());
          }
          if (!std::isfinite(draw.value) || !draw.gradient.allFinite())
            throw Error(estimator.name() + ": sample " + std::to_string(first_index + i) + " is not finite");
          row[0] = draw.value;
          row.segment(1, d) = draw.gradient;
          if (projections.cols()) row.segment(1 + d, projections.cols()).noalias() = projections.transpose() * draw.gradient;
          if (observables.count) observables.fill(draw, row.tail(observables.count));
          moments[static_cast<std::size_t>(b)].add(row);
        }
        work[static_cast<std::size_t>(b)] = trace.take_work();
      } catch (...) {
        trace.take_work();
        failures[static_cast<std::size_t>(b)] = std::current_exception();
#ifdef _OPENMP
#pragma omp atomic write
#endif
        failed = true;
      }
    };
#ifdef _OPENMP
    const auto threads = static_cast<int>(traces_.size());
#pragma omp parallel num_threads(threads)
#endif
    {
#ifdef _OPENMP
      Trace<T>& trace = *traces_[static_cast<std::size_t>(omp_get_thread_num())];
#else
      Trace<T>& trace = *traces_[0];
#endif
      Deal own_deal = deal;
      GradientDraw draw;
      Eigen::VectorXd row(width);
#ifdef _OPENMP
#pragma omp for schedule(dynamic, 1)
#endif
      for (std::int64_t b = 0; b < blocks; ++b) run_block(b, trace, own_deal, draw, row);
    }
    if (failed)
      for (const auto& failure : failures)
        if (failure) std::rethrow_exception(failure);
    for (const Moments& m : moments) result.moments.merge(m);
    for (const Work& w : work) result.work += w;
    for (const double s : draw_seconds) result.draw_seconds += s;
    for (const std::size_t n : tape_bytes) result.tape_bytes = std::max(result.tape_bytes, n);
    done = std::min(samples, done + static_cast<std::uint64_t>(blocks) * block_size);
    mean_cost = result.moments.mean[0];
    round_blocks = std::min(2 * round_blocks, largest_round);

    double worst = 0;
    for (Eigen::Index j = 0; j < d; ++j) worst = std::max(worst, result.moments.error(1 + j));
    const double seconds = since(start);
    if (options.progress) options.progress({done, samples, result.moments.mean[0], result.moments.error(0), worst, seconds});
    if (options.target_error > 0 && result.moments.count > 1 && worst <= options.target_error) break;
    if (seconds >= options.time_limit) break;
  }

  memory_.last_mean = result.moments.mean[0];
  result.note = estimator.note(learned_.get());
  result.notes.first_comparison = no_site;
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    const auto& now = traces_[t]->notes();
    result.notes.recordings += now.recordings - notes_before[t].recordings;
    result.notes.sites += now.sites - notes_before[t].sites;
    result.notes.numbers += now.numbers - notes_before[t].numbers;
    result.notes.variables += now.variables - notes_before[t].variables;
    result.notes.comparisons += now.comparisons - notes_before[t].comparisons;
    result.notes.first_comparison = std::min(result.notes.first_comparison, now.first_comparison);
  }
  if (result.notes.recordings == 0) result.tape_bytes = 0;  // what an earlier estimator left there
  result.seconds = since(start);
  return result;
}

template <class T>
void MonteCarlo<T>::learn(const AnyEstimator& estimator, std::uint64_t seed) {
  Deal deal(traces_[0]->data(), seed);
  traces_[0]->set_datum(deal(memory_.first_index));
  learned_ = estimator.learn(*traces_[0], {seed, memory_.first_run});
  learner_ = estimator;
}

template <class T>
void MonteCarlo<T>::restore(const Memory& memory, const AnyEstimator& estimator, std::uint64_t seed) {
  memory_ = memory;
  traces_[0]->set_parameters(memory.theta);
  learn(estimator, seed);
  traces_[0]->take_work();  // it was counted when it was done first
}

template class MonteCarlo<float>;
template class MonteCarlo<double>;

std::vector<std::string> diagnostics(std::uint64_t recordings, std::uint64_t numbers, std::uint64_t variables,
                                     std::uint64_t comparisons, std::size_t first_comparison, bool surrogate) {
  std::vector<std::string> notes;
  const auto per_run = [&](std::uint64_t count) {
    return std::to_string((count + recordings / 2) / std::max<std::uint64_t>(recordings, 1));
  };
  if (surrogate && numbers > 0)
    notes.push_back("surrogate edges ignored at " + per_run(numbers) + " sites per run read as bool or integer (" +
                    per_run(variables) + " sites have edges)");
  if (comparisons > 0)
    notes.push_back(std::to_string(comparisons) + " comparisons of continuous values that depend on theta, the first after " +
                    std::to_string(first_comparison) +
                    " sites: jumps there are not differentiated; make them draws, or compare value(x) if they do not matter");
  return notes;
}

}  // namespace detail

namespace {

void check(const Options& o, Eigen::Index parameters) {
  if (!(o.target_error >= 0)) throw InvalidArgument("estimate: " + outside("target_error", o.target_error, "[0, infinity]"));
  if (!(o.time_limit >= 0)) throw InvalidArgument("estimate: " + outside("time_limit", o.time_limit, "[0, infinity]"));
  if (!o.names.empty() && static_cast<Eigen::Index>(o.names.size()) != parameters)
    throw InvalidArgument("estimate: " + std::to_string(o.names.size()) + " names for " + std::to_string(parameters) +
                          " parameters");
}

template <class T>
Estimate estimate_impl(const Program<T>& program, const Eigen::VectorX<T>& theta, const AnyEstimator& estimator,
                       const Options& options) {
  check(options, theta.size());
  detail::MonteCarlo<T> monte_carlo(program, theta, options.threads, options.max_draws);
  const auto result = monte_carlo.sample(theta, estimator, options, 0, Eigen::MatrixXd(theta.size(), 0));
  const detail::Moments& m = result.moments;
  Estimate e;
  e.estimator = estimator.name();
  e.unbiased = estimator.unbiased();
  e.value = m.mean[0];
  e.value_error = m.error(0);
  e.gradient = m.mean.segment(1, theta.size());
  e.gradient_error.resize(theta.size());
  for (Eigen::Index j = 0; j < theta.size(); ++j) {
    e.gradient_error[j] = m.error(1 + j);
    e.total_variance += m.variance(1 + j);
  }
  e.samples = m.count;
  e.seconds = result.seconds;
  e.work = result.work;
  e.sites = result.notes.recordings ? static_cast<double>(result.notes.sites) / static_cast<double>(result.notes.recordings) : 0;
  e.diagnostics =
      detail::diagnostics(result.notes.recordings, result.notes.numbers, result.notes.variables, result.notes.comparisons,
                          result.notes.first_comparison, !e.unbiased || e.estimator.starts_with("Debiased"));
  if (!result.note.empty()) e.diagnostics.push_back(result.note);
  if (options.covariance) {
    const double n = static_cast<double>(m.count);
    e.covariance = m.products.selfadjointView<Eigen::Lower>();
    e.covariance /= m.count > 1 ? n * (n - 1) : 1.0;
  }
  e.names = options.names;
  return e;
}

}  // namespace

Estimate estimate(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                  const Options& options) {
  return estimate_impl(program, theta, estimator, options);
}
Estimate estimate(const Program<float>& program, const Eigen::VectorXf& theta, const AnyEstimator& estimator,
                  const Options& options) {
  return estimate_impl(program, theta, estimator, options);
}

Estimate::Intervals Estimate::intervals(double confidence) const {
  if (!(confidence > 0 && confidence < 1)) throw InvalidArgument("intervals: " + outside("confidence", confidence, "(0, 1)"));
  if (gradient_error.isZero(0)) return {gradient, gradient};
  if (samples < 2) throw InvalidArgument("intervals: " + outside("samples", static_cast<double>(samples), "[2, infinity)"));
  const boost::math::students_t t(static_cast<double>(samples - 1));
  const double z = boost::math::quantile(boost::math::complement(t, (1 - confidence) / 2));
  return {gradient - z * gradient_error, gradient + z * gradient_error};
}

double run(const Program<double>& program, const Eigen::VectorXd& theta, const RunKey& key) {
  // Only numbers: no tape is needed.
  Sampler<double> draw;
  draw.begin({.key = key});
  const double returned = program(draw, Vector<double>(theta));
  return returned + draw.added_cost();
}

std::ostream& operator<<(std::ostream& out, const Estimate& e) {
  const auto precision = out.precision();
  out << std::setprecision(6) << e.estimator << ": " << e.samples << " samples in " << e.seconds << " s\n"
      << "value    " << e.value << " +- " << e.value_error << '\n';
  const Eigen::Index shown = std::min<Eigen::Index>(e.gradient.size(), 20);
  for (Eigen::Index j = 0; j < shown; ++j)
    out << (j == 0 ? "gradient " : "         ") << e.gradient[j] << " +- " << e.gradient_error[j]
        << (e.names.empty() ? "" : "  " + e.names[static_cast<std::size_t>(j)]) << '\n';
  if (shown < e.gradient.size()) out << "         ... " << e.gradient.size() - shown << " more\n";
  if (!e.unbiased) out << "the estimator is biased: the errors are those of its own mean\n";
  for (const std::string& note : e.diagnostics) out << "note: " << note << '\n';
  out.precision(precision);
  return out;
}

}  // namespace stoat
