#include "perceptron.hpp"

#include <algorithm>
#include <cmath>

#include <stoat/driver/report.hpp>

namespace surrogate_gradients {
namespace {

using report::digits;

constexpr double beta = 10;

template <class S, class Unit>
S spike(Sampler<S>& draw, const Vector<S>& theta, const Eigen::VectorXd& input, double threshold, const Unit& unit) {
  S z = -threshold;
  for (Eigen::Index i = 0; i < input.size(); ++i) z += theta[i] * input[i];
  return draw(Bernoulli(unit(z)));
}

Panel raster(const std::string& title, const Program<double>& program, double range, int trials, std::uint64_t seed) {
  Panel panel{title,
              "membrane potential u",
              "trial",
              "set xrange [-0.52:0.52]\nset xtics 0.25\nset yrange [0.2:" + std::to_string(trials) + ".8]",
              {}};
  Curve spikes{"", std::string("with points pt 7 ps 0.35 lc rgb '") + colour::grey + "'", {}};
  const int columns = 50;
  for (int i = 0; i < columns; ++i) {
    const double u = range * (2.0 * i / (columns - 1) - 1);
    Trace<double> trace(program, Eigen::VectorXd::Constant(1, u));
    for (int k = 0; k < trials; ++k)
      if (trace.run({seed, static_cast<std::uint64_t>(i * trials + k)}) > 0) spikes.points.push_back({u, k + 1.0});
  }
  panel.curves.push_back(std::move(spikes));
  return panel;
}

/// Curves of the sweep: y(point) against u.
template <class Y>
Curve curve(const std::vector<PerceptronPoint>& sweep, const std::string& title, const std::string& style, const Y& y) {
  Curve c{title, style, {}};
  for (const PerceptronPoint& p : sweep) c.points.push_back({p.u, y(p)});
  return c;
}

Figure raster_figure(const std::vector<PerceptronPoint>& sweep, double range, std::uint64_t seed) {
  const auto deterministic = [](auto& draw, const auto& theta) {
    using S = ScalarOf<decltype(theta)>;
    return S(draw(Bernoulli(neuron(Step{}, Sigmoid{beta})(theta[0]))));
  };
  const Eigen::VectorXd one = Eigen::VectorXd::Ones(1);
  Figure figure{
      "perceptron",
      "Left, a neuron without noise and its surrogate; right, one that fires with probability &sigma;<sub>10</sub>(u). Above, 25 "
      "trials at 50 potentials. Below, the output and its gradients; gradients are divided by their peak, 2.5. The grey "
      "points are means of sampled spikes. On the right the surrogate gradient lies on the derivative of the expected output.",
      860,
      620,
      2,
      {raster("without noise", deterministic, range, 25, seed),
       raster("with escape noise", perceptron(one, 0, snn::escape::Sigmoid{beta}), range, 25, seed),
       Panel{"",
             "membrane potential u",
             "",
             "set xrange [-0.52:0.52]\nset xtics 0.25\nset yrange [-0.05:1.95]\nset ytics 0, 0.25, 1",
             {}},
       Panel{"",
             "membrane potential u",
             "",
             "set xrange [-0.52:0.52]\nset xtics 0.25\nset yrange [-0.05:1.95]\nset ytics 0, 0.25, 1",
             {}}}};
  const double peak = beta / 4;
  const std::string dashes = "'-'";
  figure.panels[2].curves = {
      curve(sweep, "output S", line("black"), [](const PerceptronPoint& p) { return p.deterministic; }),
      curve(sweep, "surrogate gradient", line(colour::orange, 3), [&](const PerceptronPoint& p) { return p.surrogate / peak; })};
  Curve spread{"one standard deviation of S", "with filledcurves fs solid 0.18 noborder lc rgb '#3b82d6'", {}};
  for (const PerceptronPoint& p : sweep) {
    const double deviation = std::sqrt(p.probability * (1 - p.probability));
    spread.points.push_back({p.u, std::max(0.0, p.probability - deviation), std::min(1.0, p.probability + deviation)});
  }
  Curve samples{"mean of sampled spikes", std::string("with points pt 7 ps 0.3 lc rgb '") + colour::grey + "'", {}};
  for (const PerceptronPoint& p : sweep) samples.points.push_back({p.u, p.mean});
  figure.panels[3].curves = {
      spread, samples,
      curve(sweep, "expected output E[S]", line(colour::blue), [](const PerceptronPoint& p) { return p.probability; }),
      curve(sweep, "surrogate gradient of one run", line(colour::orange, 4),
            [&](const PerceptronPoint& p) { return p.surrogate / peak; }),
      curve(sweep, "d E[S] / du, exact", line("black", 1.4, dashes), [&](const PerceptronPoint& p) { return p.exact / peak; })};
  return figure;
}

/// All definitions of the derivative, for the neuron with w = (0.7, -0.4), x = (1, 0.5), threshold 0.2 and slope 5.
Table definitions(const Options& options) {
  const Eigen::Vector2d input(1, 0.5), w(0.7, -0.4);
  const Program<double> program = perceptron(input, 0.2, snn::escape::Sigmoid{5});
  Table table{"One neuron, w = (0.7, -0.4), x = (1, 0.5), threshold 0.2, slope 5: d/dw1 of its output by every definition", {}};
  table.rows.push_back({"", "mean", "+-", "deviation of one draw"});
  const auto exactly = [&](const std::string& name, double mean, double deviation) {
    table.rows.push_back({name, digits(mean, 10), "exact", digits(deviation)});
  };
  exactly("d E[S] / dw1 (enumeration)", enumerate(program, w).gradient[0], 0);
  for (const auto& [name, rule] : {std::pair<const char*, Rule>{"surrogate gradient", StraightThroughEdge{}},
                                   {"smoothed derivative, right", SmoothedEdge{1}},
                                   {"smoothed derivative, left", SmoothedEdge{0}}}) {
    const ExactMoments m = expected_surrogate(program, w, rule);
    exactly(name, m.mean[0], m.deviation[0]);
  }
  const std::uint64_t samples = options.quick ? 20'000 : 100'000;
  for (const AnyEstimator& e : {AnyEstimator(OneSided{OneSided::Side::right}), AnyEstimator(OneSided{OneSided::Side::left}),
                                AnyEstimator(StochasticDerivative{0}), AnyEstimator(ScoreFunction{Baseline::none})}) {
    const Estimate found = estimate(program, w, e, {.samples = samples, .seed = options.seed});
    table.rows.push_back({e.name(), digits(found.gradient[0], 5), digits(found.gradient_error[0], 2),
                          digits(found.gradient_error[0] * std::sqrt(static_cast<double>(samples)))});
  }
  return table;
}

/// The same for other escape functions: the surrogate is derived from them, so it need not be named.
Table other_escapes() {
  Table table{"Other escape functions: the surrogate derivative is the derivative of the escape function, whichever it is", {}};
  table.rows.push_back(
      {"escape function", "E[S] at u = -0.05", "d E[S] / du", "surrogate gradient", "largest difference, u in [-0.4, 0]"});
  for (const snn::SpikeFunction& f : {snn::SpikeFunction(snn::escape::Sigmoid{10}), snn::SpikeFunction(snn::escape::Erf{}),
                                      snn::SpikeFunction(snn::escape::Exponential{}), snn::SpikeFunction(snn::escape::Hazard{})}) {
    const Program<double> program = perceptron(Eigen::VectorXd::Ones(1), 0, f);
    const auto gradients = [&](double u) {
      const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, u);
      return std::pair(enumerate(program, theta), expected_surrogate(program, theta));
    };
    double largest = 0;
    for (int i = 0; i <= 40; ++i) {
      const auto found = gradients(-0.01 * i);
      largest = std::max(largest, std::abs(found.first.gradient[0] - found.second.mean[0]));
    }
    const auto [truth, surrogate] = gradients(-0.05);
    table.rows.push_back({std::string(f.name()), digits(truth.value, 5), digits(truth.gradient[0], 5), digits(surrogate.mean[0], 5),
                          digits(largest, 2)});
  }
  return table;
}

/// Where "a single neuron is exact" ends.
Table nonlinear_loss() {
  const Eigen::Vector2d input(1, 0.5), w(0.7, -0.4);
  Table table{"The same neuron as above under the loss (S - t)^2 / 2, which is not linear in the spike: d/dw1", {}};
  table.rows.push_back({"target t", "exact", "surrogate gradient (mean)", "gradient of the loss of E[S]"});
  const double p = snn::escape::Sigmoid{5}.value(0.3), slope = snn::escape::Sigmoid{5}.derivative(0.3);
  for (const double t : {0.0, 0.3, 0.5, 0.7, 1.0}) {
    const Program<double> program = perceptron_loss(input, 0.2, snn::escape::Sigmoid{5}, t);
    table.rows.push_back({digits(t), digits(enumerate(program, w).gradient[0], 6),
                          digits(expected_surrogate(program, w).mean[0], 6), digits((p - t) * slope, 6)});
  }
  return table;
}

}  // namespace

Program<double> perceptron(const Eigen::VectorXd& input, double threshold, const snn::SpikeFunction& escape) {
  return [=, unit = neuron(escape)]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    return spike(draw, theta, input, threshold, unit);
  };
}

Program<double> perceptron_loss(const Eigen::VectorXd& input, double threshold, const snn::SpikeFunction& escape, double target) {
  return [=, unit = neuron(escape)]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const S miss = spike(draw, theta, input, threshold, unit) - target;
    return 0.5 * miss * miss;
  };
}

template <class T>
void OneSided::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  out.value = static_cast<double>(trace.run(context.key()));
  trace.record();
  trace.cut();
  trace.begin_sweep();
  trace.seed_cost(1);
  const std::int64_t from = side == Side::right ? 0 : 1;
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    if (!trace.active(i) || trace.site(i).outcome != from) continue;
    const T upwards = side == Side::right ? trace.replay(i, 1) - trace.cost() : trace.cost() - trace.replay(i, 0);
    trace.seed(i, 0, upwards / static_cast<T>(trace.site(i).pmf(from)));
  }
  trace.sweep(out.gradient);
}
template void OneSided::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void OneSided::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

std::vector<PerceptronPoint> perceptron_sweep(const snn::SpikeFunction& escape, double range, int points, std::uint64_t samples,
                                              std::uint64_t seed) {
  if (points < 2) throw InvalidArgument("perceptron_sweep: " + outside("points", points, "[2, infinity)"));
  if (samples < 2) throw InvalidArgument("perceptron_sweep: " + outside("samples", static_cast<double>(samples), "[2, infinity)"));
  const Program<double> program = perceptron(Eigen::VectorXd::Ones(1), 0, escape);
  Trace<double> trace(program, Eigen::VectorXd::Zero(1));
  std::vector<PerceptronPoint> sweep;
  for (int i = 0; i < points; ++i) {
    PerceptronPoint p{.u = range * (2.0 * i / (points - 1) - 1)};
    const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, p.u);
    trace.set_parameters(theta);
    const std::uint64_t first = static_cast<std::uint64_t>(i) * samples;
    for (std::uint64_t k = 0; k < samples; ++k) p.mean += trace.run({seed, first + k}) / static_cast<double>(samples);
    p.mean_error = std::sqrt(p.mean * (1 - p.mean) / static_cast<double>(samples - 1));
    GradientDraw draw{0, Eigen::VectorXd::Zero(1)};
    StraightThrough{}.sample(trace, {.seed = seed, .index = first}, draw);
    p.surrogate = draw.gradient[0];
    const Exact exact = enumerate(program, theta);
    p.exact = exact.gradient[0], p.probability = exact.value;
    p.deterministic = Step{}.value(p.u);
    sweep.push_back(p);
  }
  return sweep;
}

Chapter perceptron_chapter(const Options& options) {
  const double range = 0.5;
  const auto sweep = perceptron_sweep(snn::escape::Sigmoid{beta}, range, 101, options.quick ? 1000 : 20'000, options.seed);
  return {
      "One neuron: everything agrees",
      "<p>A neuron fires with probability f(u), f its escape function. The derivative of its expected output is f'(u): that of the "
      "<em>smoothed probabilistic model</em>. A surrogate gradient keeps the sampled spike and back-propagates with some slope in "
      "place "
      "of the derivative of the spike. If this slope is f'(u), both are the same number in every run, spike or not; and it is the "
      "smoothed stochastic derivative of the coin toss as well.</p><p>The agreement is about quantities that are linear in the "
      "spike. "
      "The last table has a loss that is not: the surrogate gradient is then the gradient of the loss of the mean, not of the mean "
      "loss.</p>",
      {definitions(options), other_escapes(), nonlinear_loss()},
      {raster_figure(sweep, range, options.seed)}};
}

}  // namespace surrogate_gradients
