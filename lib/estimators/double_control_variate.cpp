#include <stoat/estimators/double_control_variate.hpp>

#include <sstream>

#include "coins.hpp"
#include "sites.hpp"

namespace stoat {
namespace {

/// A coin in one of the runs.
struct Coin {
  std::size_t site;
  double p, outcome, slope;  ///< slope: the derivative of the cost in the outcome
};

/// Records a run and adds half of the derivative with all outcomes held fixed to the gradient.
template <class T>
double record_coins(Trace<T>& trace, const RunKey& key, std::vector<Coin>& coins, Eigen::VectorXd& gradient) {
  const double f = static_cast<double>(trace.record(key, Outcomes::variables));
  detail::require_coins(trace, "DoubleControlVariate");
  detail::refuse_boundaries(trace, "DoubleControlVariate");
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(gradient, 0.5);
  coins.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    if (!trace.active(i)) continue;
    const Site& s = trace.site(i);
    double slope = static_cast<double>(trace.outcome_adjoint(i));
    if (s.law->one_hot) slope = static_cast<double>(trace.outcome_adjoint(i, 1)) - slope;
    coins.push_back({i, s.pmf(1), static_cast<double>(s.outcome), slope});
  }
  return f;
}

}  // namespace

std::string DoubleControlVariate::name() const {
  std::ostringstream text;
  text << "DoubleControlVariate(" << alpha << ")";
  return text.str();
}

template <class T>
void DoubleControlVariate::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!std::isfinite(alpha)) throw InvalidArgument("DoubleControlVariate: " + outside("alpha", alpha, "(-infinity, infinity)"));
  static thread_local std::vector<Coin> x, y;
  static thread_local std::vector<double> score;
  const double fx = record_coins(trace, context.key(0), x, out.gradient);
  const double fy = record_coins(trace, context.key(1), y, out.gradient);
  out.value = 0.5 * (fx + fy);
  double difference = fx - fy;
  for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    if (i >= x.size() || i >= y.size() || x[i].site != y[i].site || !detail::same_chance<T>(x[i].p, y[i].p))
      throw Refusal("DoubleControlVariate: the probability of the draw of site " +
                    std::to_string(i < x.size() ? x[i].site : y[i].site) +
                    " differs between two runs; it needs draws that do not depend on others or on noise");
    difference += alpha * (y[i].slope * (x[i].outcome - x[i].p) - x[i].slope * (y[i].outcome - y[i].p));
  }
  trace.begin_sweep();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double variance = y[i].p * trace.site(y[i].site).pmf(0);
    const double a = 0.5 * (difference * (x[i].outcome - y[i].outcome) - alpha * (x[i].slope + y[i].slope) * variance);
    detail::seed_log_odds(trace, y[i].site, a, score);
  }
  trace.sweep(out.gradient);
}

template void DoubleControlVariate::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void DoubleControlVariate::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
