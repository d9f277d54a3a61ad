#include <stoat/driver/estimate.hpp>

#include <algorithm>
#include <iomanip>
#include <ostream>

#include <boost/math/distributions/students_t.hpp>

#include <stoat/driver/monte_carlo.hpp>

namespace stoat {
namespace {

/// The names must be as many as the parameters.
void check_names(const std::vector<std::string>& names, Eigen::Index parameters) {
  if (!names.empty() && static_cast<Eigen::Index>(names.size()) != parameters)
    throw InvalidArgument("estimate: " + std::to_string(names.size()) + " names for " + std::to_string(parameters) + " parameters");
}

template <class T>
Estimate estimate_impl(const Program<T>& program, const Eigen::VectorX<T>& theta, const AnyEstimator& estimator,
                       const Options& options) {
  check_names(options.names, theta.size());
  detail::MonteCarlo<T> monte_carlo(program, theta, options.threads, options.max_draws, options.ranks);
  monte_carlo.allow_partial(true);
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
  e.resumed = result.resumed;
  e.interrupted = result.interrupted && !result.complete;
  e.seconds = result.seconds;
  e.work = result.work;
  e.sites = result.notes.recordings ? static_cast<double>(result.notes.sites) / static_cast<double>(result.notes.recordings) : 0;
  e.diagnostics =
      detail::diagnostics(result.notes.recordings, result.notes.numbers, result.notes.variables, result.notes.comparisons,
                          result.notes.first_comparison, !e.unbiased || e.estimator.starts_with("Debiased"));
  for (const std::string& note : {result.note, result.times.note()})
    if (!note.empty()) e.diagnostics.push_back(note);
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
  if (e.interrupted) out << "interrupted before all samples were drawn\n";
  if (!e.unbiased) out << "the estimator is biased: the errors are those of its own mean\n";
  for (const std::string& note : e.diagnostics) out << "note: " << note << '\n';
  out.precision(precision);
  return out;
}

}  // namespace stoat
