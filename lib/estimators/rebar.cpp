#include <stoat/estimators/rebar.hpp>

#include <limits>
#include <optional>

#include <Eigen/QR>

#include <stoat/optim/optimizer.hpp>

#include "hidden_layer.hpp"
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

/// The relaxed values of a recording and their sites.
template <class T>
struct Values {
  std::vector<Var<T>> list;
  std::vector<std::size_t> site;
  Eigen::VectorXd plain() const {
    return Eigen::VectorXd::NullaryExpr(static_cast<Eigen::Index>(list.size()),
                                        [&](Eigen::Index k) { return list[static_cast<std::size_t>(k)].value(); });
  }
};

/// A relaxation that tells its values.
template <class R, class T>
class Telling final : public R {
 public:
  Telling(const char* name, Generator noise, double temperature, Values<T>& values) : R(name, noise, temperature), values_(values) {
    values_.list.clear(), values_.site.clear();
  }
  Var<T> coin(std::size_t site, const Var<T>& log_odds, std::int64_t outcome) override {
    const Var<T> x = R::coin(site, log_odds, outcome);
    tell(site, x);
    return x;
  }
  Vector<Var<T>> label(std::size_t site, const Vector<Var<T>>& log_p, std::int64_t outcome) override {
    const Vector<Var<T>> x = R::label(site, log_p, outcome);
    for (Eigen::Index k = 0; k < x.size(); ++k) tell(site, x[k]);
    return x;
  }

 private:
  void tell(std::size_t site, const Var<T>& x) { values_.list.push_back(x), values_.site.push_back(site); }
  Values<T>& values_;
};

/// Given the outcomes of the last run, records the program at s(z) and then at s(z~). visit(values, cost, sign) is called after
/// each, with sign 1 and then -1. `laws` gets those of these recordings.
template <class T, class Visit>
void record_relaxed(const char* name, Trace<T>& trace, Generator noise, double temperature, Laws& laws, const Visit& visit) {
  static thread_local Laws other;
  static thread_local Values<T> values;
  Telling<detail::Concrete<T>, T> free(name, noise, temperature, values);
  const T first = trace.record(free);
  laws_of(trace, other);
  visit(values, static_cast<double>(first), 1.0);
  Telling<detail::ConditionalConcrete<T>, T> conditional(name, free.noise(), temperature, values);
  const T second = trace.record(conditional);
  laws_of(trace, laws);
  require_equal<T>(name, laws, other);
  visit(values, static_cast<double>(second), -1.0);
}

/// A network r of the relaxed values, and the sites of these.
struct Network {
  detail::HiddenLayer layer;
  std::vector<std::size_t> sites;

  /// Seeds dr at the values and returns r.
  template <class T>
  double seed(Trace<T>& trace, const Values<T>& values) const {
    require_same(values.site);
    const Eigen::VectorXd x = values.plain(), slope = layer.slope(x);
    for (std::size_t k = 0; k < sites.size(); ++k) trace.seed(values.list[k], static_cast<T>(slope[static_cast<Eigen::Index>(k)]));
    return layer(x);
  }
  void require_same(const std::vector<std::size_t>& now) const {
    if (now == sites) return;
    const auto [here, there] = std::mismatch(now.begin(), now.end(), sites.begin(), sites.end());
    const std::size_t site = std::min(here == now.end() ? no_site : *here, there == sites.end() ? no_site : *there);
    throw Refusal("Relax: the draw of site " + std::to_string(site) + " has " +
                  std::to_string(std::count(now.begin(), now.end(), site)) + " relaxed values and had " +
                  std::to_string(std::count(sites.begin(), sites.end(), site)) +
                  " in the first pilot run; a network needs the same draws in every run, hidden = 0 does not");
  }
};

/// The control variate eta f(s(.)) + baseline + r.
struct Control {
  double temperature = 1, eta = 1, baseline = 0;
  std::optional<Network> network{};
};

/// One sample with a given control.
template <class T>
void controlled_score(const char* name, Trace<T>& trace, const SampleContext& context, const Control& c, GradientDraw& out) {
  static thread_local Laws hard, relaxed;
  out.value = static_cast<double>(trace.run(context.key()));
  double control = 0;
  const auto sweep = [&](const Values<T>& values, double cost, double sign) {
    trace.begin_sweep();
    trace.seed_cost(static_cast<T>(c.eta));
    control = c.eta * cost + c.baseline;
    if (c.network) control += c.network->seed(trace, values);
    trace.sweep(out.gradient, sign);
  };
  record_relaxed(name, trace, context.choices(), c.temperature, relaxed, sweep);
  trace.record(Outcomes::constants);
  laws_of(trace, hard);
  require_equal<T>(name, hard, relaxed);
  trace.begin_sweep();
  trace.seed_cost(1);
  detail::seed_scores(trace, [a = out.value - control](std::size_t) { return a; });
  trace.sweep(out.gradient);
}

// ---- what Relax learns ------------------------------------------------------------------------------------------------

/// The columns A, C, S and N of one pilot run, with which a sample is A + eta C - baseline S + N; N only if there is a network.
template <class T>
void find_parts(Trace<T>& trace, const RunKey& key, const Generator& noise, double temperature, const Network* network,
                Eigen::MatrixXd& parts) {
  static thread_local Laws laws;
  static thread_local Eigen::VectorXd column;
  parts.setZero(trace.parameters(), network ? 4 : 3);
  const auto sweep = [&](Eigen::Index to, double sign) {
    column.setZero(parts.rows());
    trace.sweep(column, sign);
    parts.col(to) += column;
  };
  const double f = static_cast<double>(trace.run(key));
  double control = 0, r = 0;
  record_relaxed("Relax", trace, noise, temperature, laws, [&](const Values<T>& values, double cost, double sign) {
    control = cost;
    trace.begin_sweep();
    trace.seed_cost(1);
    sweep(1, sign);
    if (!network) return;
    trace.begin_sweep();
    r = network->seed(trace, values);
    sweep(3, sign);
  });
  trace.record(Outcomes::constants);
  trace.begin_sweep();
  trace.seed_cost(1);
  sweep(0, 1);
  trace.begin_sweep();
  detail::seed_scores(trace, [](std::size_t) { return 1.0; });
  sweep(2, 1);
  const Eigen::VectorXd scores = parts.col(2);
  parts.col(0) += f * scores;
  parts.col(1) -= control * scores;
  if (network) parts.col(3) -= r * scores;
}

/// Running sums for the least squares of A + eta C - baseline S + factor N over all components, each column about its own mean.
class LeastSquares {
 public:
  template <class T>
  LeastSquares(Trace<T>& trace, const PilotContext& pilot, int runs, double temperature, const Network* network)
      : mean_(Eigen::MatrixXd::Zero(trace.parameters(), network ? 4 : 3)),
        products_(Eigen::MatrixXd::Zero(mean_.cols(), mean_.cols())) {
    Eigen::MatrixXd parts;
    for (int k = 0; k < runs; ++k) {
      const auto run = static_cast<std::uint64_t>(k);
      find_parts(trace, pilot.run(trace, run), pilot.choices(run), temperature, network, parts);
      const Eigen::MatrixXd from_old = parts - mean_;
      mean_ += from_old / (k + 1);
      products_ += from_old.transpose() * (parts - mean_);
    }
    const Eigen::Index n = mean_.cols() - 1;
    const Eigen::VectorXd right = products_.col(0).tail(n);
    solution_ = -products_.bottomRightCorner(n, n).completeOrthogonalDecomposition().solve(right);
    left_ = products_(0, 0) + right.dot(solution_);
  }
  /// What is left of the sum of squares.
  double left() const { return left_; }
  /// The control with the solution, the shortest where it is not unique, in place of eta, baseline and the size of the network.
  Control control(double temperature, std::optional<Network> network) const {
    if (network) network->layer.scale(solution_[2]);
    return {temperature, solution_[0], -solution_[1], std::move(network)};
  }
  /// What is left, as the size of a cost that multiplies the score.
  double cost_size() const { return products_(2, 2) > 0 && left_ > 0 ? std::sqrt(left_ / products_(2, 2)) : 0.0; }

 private:
  Eigen::MatrixXd mean_, products_;
  Eigen::VectorXd solution_;
  double left_ = 0;
};

/// A network of the relaxed values, trained together with eta and the baseline by Adam on the gradient of |g|^2 of one pilot run a
/// step: its mean is that of the variance. The mean of the second half of the steps is taken. None if there is nothing to learn.
template <class T>
std::optional<Network> train(Trace<T>& trace, const PilotContext& pilot, int runs, int units, double cost_size,
                             const Control& start) {
  static thread_local Laws laws;
  const auto count = static_cast<std::uint64_t>(runs);
  std::optional<Network> network;
  trace.run(pilot.run(trace, count));
  record_relaxed("Relax", trace, pilot.choices(count), start.temperature, laws, [&](const Values<T>& values, double, double) {
    network = {{static_cast<Eigen::Index>(values.site.size()), units, pilot.choices(count + 1)}, values.site};
  });
  if (cost_size == 0 || network->sites.empty()) return std::nullopt;
  Eigen::VectorXd& weights = network->layer.weights;
  const Eigen::Index n = weights.size();
  // The network, eta and the baseline; costs in units of cost_size.
  Eigen::VectorXd all(n + 2), mean = Eigen::VectorXd::Zero(n), slope(n), direction, u;
  all << weights, start.eta, start.baseline / cost_size;
  Eigen::Matrix<T, Eigen::Dynamic, 4> directions = Eigen::Matrix<T, Eigen::Dynamic, 4>::Zero(trace.parameters(), 4);
  Eigen::MatrixXd parts;
  Optimizer adam(Adam{.rate = 0.02});
  const std::uint64_t averaged = count / 2;  // the last steps
  for (std::uint64_t k = 0; k < count; ++k) {
    find_parts(trace, pilot.run(trace, k), pilot.choices(k), start.temperature, &*network, parts);
    parts.leftCols<2>() /= cost_size;
    const Eigen::VectorXd g = parts.col(0) + all[n] * parts.col(1) - all[n + 1] * parts.col(2) + parts.col(3);
    // g . dN / dweights: the derivative of r at z less that at z~ along g, less (g . S) times r at z~.
    directions.col(0) = g.template cast<T>();
    slope.setZero();
    record_relaxed("Relax", trace, pilot.choices(k), start.temperature, laws, [&](const Values<T>& values, double, double sign) {
      trace.tangents(directions);
      u.resize(network->layer.inputs());
      for (std::size_t i = 0; i < values.list.size(); ++i)
        u[static_cast<Eigen::Index>(i)] = static_cast<double>(trace.tangent(values.list[i]));
      network->layer.add_derivative(values.plain(), u, sign < 0 ? -g.dot(parts.col(2)) : 0.0, sign, slope);
    });
    direction.resize(n + 2);
    direction << 2 * slope, 2 * g.dot(parts.col(1)), -2 * g.dot(parts.col(2));
    adam.step(all, direction);
    weights = all.head(n);
    if (2 * k >= count) mean += weights / static_cast<double>(averaged);
  }
  weights = mean;
  network->layer.scale(cost_size);
  return network;
}

}  // namespace

std::string Rebar::name() const { return detail::with_knobs("Rebar", temperature, eta); }
std::string Relax::name() const { return hidden == 0 ? "Relax" : "Relax(" + std::to_string(hidden) + " hidden)"; }

template <class T>
void Rebar::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("Rebar", temperature);
  if (!std::isfinite(eta)) throw InvalidArgument("Rebar: " + outside("eta", eta, "(-infinity, infinity)"));
  controlled_score("Rebar", trace, context, {temperature, eta}, out);
}

template <class T>
std::shared_ptr<const void> Relax::learn(Trace<T>& trace, const PilotContext& context) const {
  if (temperatures.empty()) throw InvalidArgument("Relax: there are no temperatures");
  for (const double t : temperatures) detail::check_temperature("Relax", t);
  if (pilots < 4) throw InvalidArgument("Relax: " + outside("pilots", pilots, "[4, infinity)"));
  if (hidden < 0) throw InvalidArgument("Relax: " + outside("hidden", hidden, "[0, infinity)"));
  if (training < 2 || training > 500'000) throw InvalidArgument("Relax: " + outside("training", training, "[2, 500000]"));
  double least = std::numeric_limits<double>::infinity(), cost_size = 0;
  auto best = std::make_shared<Control>();
  for (const double t : temperatures) {
    const LeastSquares fit(trace, context, pilots, t, nullptr);
    if (fit.left() < least) *best = fit.control(t, {}), least = fit.left(), cost_size = fit.cost_size();
  }
  if (hidden == 0) return best;
  PilotContext rest = context;
  rest.first += static_cast<std::uint64_t>(pilots);
  std::optional<Network> network = train(trace, rest, training, hidden, cost_size, *best);
  rest.first += static_cast<std::uint64_t>(training) + 2;
  if (network) *best = LeastSquares(trace, rest, pilots, best->temperature, &*network).control(best->temperature, network);
  return best;
}

template <class T>
void Relax::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!context.learned) throw Error("Relax: a sample needs what learn() makes");
  controlled_score("Relax", trace, context, *static_cast<const Control*>(context.learned), out);
}

template void Rebar::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Rebar::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> Relax::learn(Trace<float>&, const PilotContext&) const;
template std::shared_ptr<const void> Relax::learn(Trace<double>&, const PilotContext&) const;
template void Relax::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Relax::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
