#include <stoat/estimators/rebar.hpp>

#include <limits>

#include <Eigen/QR>

#include "relaxations.hpp"
#include "sites.hpp"

namespace stoat {
namespace {

/// The probabilities of the draws that depend on theta, to see whether they are the same in another recording.
struct Laws {
  std::vector<std::size_t> site;
  std::vector<double> pmf;
};
template <class T>
void laws_of(const Trace<T>& trace, Laws& out) {
  out.site.clear(), out.pmf.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    if (!trace.active(i)) continue;
    const Site& s = trace.site(i);
    const Support support = s.law->support(s.plain);
    for (std::int64_t k = support.lower; k <= support.upper; ++k) {
      out.site.push_back(i);
      out.pmf.push_back(s.pmf(k));
    }
  }
}
template <class T>
void require_equal(const char* name, const Laws& a, const Laws& b) {
  constexpr double rounding = 1e3 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const std::size_t n = std::min(a.site.size(), b.site.size());
  std::size_t i = 0;
  while (i < n && a.site[i] == b.site[i] && std::abs(a.pmf[i] - b.pmf[i]) <= rounding * a.pmf[i]) ++i;
  if (i == std::max(a.site.size(), b.site.size())) return;
  const std::size_t site = std::min(i < a.site.size() ? a.site[i] : no_site, i < b.site.size() ? b.site[i] : no_site);
  throw Refusal(std::string(name) + ": the probabilities of the draw of site " + std::to_string(site) +
                " depend on earlier draws, which are relaxed; its control variate needs draws that are independent of each other");
}

/// Adds eta (d f(s(z)) - d f(s(z~))) to the gradient and returns f(s(z~)), given the outcomes of the last run. `laws` gets those
/// of the relaxed recordings.
template <class T>
double relaxed_difference(const char* name, Trace<T>& trace, Generator noise, double temperature, double eta,
                          Eigen::VectorXd& gradient, Laws& laws) {
  static thread_local Laws other;
  double value = 0;
  const auto sweep = [&](Relaxation<T>& relaxation, double factor) {
    value = static_cast<double>(trace.record(relaxation));
    trace.begin_sweep();
    trace.seed_cost(1);
    trace.sweep(gradient, factor);
  };
  detail::Concrete<T> free(name, noise, temperature);
  sweep(free, eta);
  laws_of(trace, other);
  detail::ConditionalConcrete<T> conditional(name, free.noise(), temperature);
  sweep(conditional, -eta);
  laws_of(trace, laws);
  require_equal<T>(name, laws, other);
  return value;
}

/// One sample with given temperature, eta and baseline.
template <class T>
void controlled_score(const char* name, Trace<T>& trace, const SampleContext& context, double temperature, double eta,
                      double baseline, GradientDraw& out) {
  static thread_local Laws hard, relaxed;
  out.value = static_cast<double>(trace.run(context.key()));
  const double control = relaxed_difference(name, trace, context.choices(), temperature, eta, out.gradient, relaxed);
  trace.record(Outcomes::constants);
  laws_of(trace, hard);
  require_equal<T>(name, hard, relaxed);
  trace.begin_sweep();
  trace.seed_cost(1);
  detail::seed_scores(trace, [a = out.value - eta * control - baseline](std::size_t) { return a; });
  trace.sweep(out.gradient);
}

/// What Relax learns.
struct Coefficients {
  double temperature, eta, baseline;
};

/// Running sums for the least squares of A + eta C - r S over all components, each of A, C and S about its own mean.
class LeastSquares {
 public:
  explicit LeastSquares(Eigen::Index size) : mean_(Eigen::MatrixXd::Zero(size, 3)) {}
  void add(const Eigen::MatrixXd& acs) {
    ++count_;
    const Eigen::MatrixXd from_old = acs - mean_;
    mean_ += from_old / count_;
    products_ += from_old.transpose() * (acs - mean_);
  }
  /// (eta, -r), the shortest where they are not unique, and what is left of the sum of squares.
  std::pair<Eigen::Vector2d, double> solve() const {
    const Eigen::Vector2d right = products_.block<2, 1>(1, 0);
    const Eigen::Vector2d x = -products_.bottomRightCorner<2, 2>().completeOrthogonalDecomposition().solve(right);
    return {x, products_(0, 0) + right.dot(x)};
  }

 private:
  double count_ = 0;
  Eigen::MatrixXd mean_;
  Eigen::Matrix3d products_ = Eigen::Matrix3d::Zero();
};

}  // namespace

std::string Rebar::name() const { return detail::with_knobs("Rebar", temperature, eta); }

template <class T>
void Rebar::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("Rebar", temperature);
  if (!std::isfinite(eta)) throw InvalidArgument("Rebar: " + outside("eta", eta, "(-infinity, infinity)"));
  controlled_score("Rebar", trace, context, temperature, eta, 0, out);
}

template <class T>
std::shared_ptr<const void> Relax::learn(Trace<T>& trace, const PilotContext& pilot) const {
  if (temperatures.empty()) throw InvalidArgument("Relax: there are no temperatures");
  for (const double t : temperatures) detail::check_temperature("Relax", t);
  if (pilots < 4) throw InvalidArgument("Relax: " + outside("pilots", pilots, "[4, infinity)"));
  const Eigen::Index d = trace.parameters();
  std::vector<LeastSquares> fits(temperatures.size(), LeastSquares(d));
  std::vector<double> score, controls(temperatures.size());
  Eigen::MatrixXd differences(d, static_cast<Eigen::Index>(temperatures.size())), acs(d, 3);
  Eigen::VectorXd column;
  Laws laws;
  for (std::uint64_t k = 0; k < static_cast<std::uint64_t>(pilots); ++k) {
    if (trace.data() > 0) trace.set_datum(k % trace.data());
    const double f = static_cast<double>(trace.run(pilot.run(trace, k)));
    for (std::size_t t = 0; t < temperatures.size(); ++t) {
      column.setZero(d);
      controls[t] = relaxed_difference("Relax", trace, pilot.choices(k), temperatures[t], 1, column, laws);
      differences.col(static_cast<Eigen::Index>(t)) = column;
    }
    trace.record(Outcomes::constants);
    Eigen::VectorXd direct = Eigen::VectorXd::Zero(d), scores = Eigen::VectorXd::Zero(d);
    trace.begin_sweep();
    trace.seed_cost(1);
    trace.sweep(direct);
    trace.begin_sweep();
    detail::seed_scores(trace, [](std::size_t) { return 1.0; });
    trace.sweep(scores);
    for (std::size_t t = 0; t < temperatures.size(); ++t) {
      acs << direct + f * scores, differences.col(static_cast<Eigen::Index>(t)) - controls[t] * scores, scores;
      fits[t].add(acs);
    }
  }
  auto best = std::make_shared<Coefficients>();
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t t = 0; t < temperatures.size(); ++t) {
    const auto fit = fits[t].solve();
    if (fit.second < least) *best = {temperatures[t], fit.first[0], -fit.first[1]}, least = fit.second;
  }
  return best;
}

template <class T>
void Relax::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!context.learned) throw Error("Relax: a sample needs what learn() makes");
  const Coefficients& c = *static_cast<const Coefficients*>(context.learned);
  controlled_score("Relax", trace, context, c.temperature, c.eta, c.baseline, out);
}

template void Rebar::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Rebar::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> Relax::learn(Trace<float>&, const PilotContext&) const;
template std::shared_ptr<const void> Relax::learn(Trace<double>&, const PilotContext&) const;
template void Relax::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Relax::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
