#include <doctest/doctest.h>

#include <cmath>

#include <boost/random/normal_distribution.hpp>

#include "plain_network.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

double relative(const Eigen::VectorXd& a, const Eigen::VectorXd& b) { return (a - b).norm() / b.norm(); }

/// The tangents of the recorded cost along random directions are the products of these with its gradient.
void check_tangents(const Program<double>& program, std::size_t datum, Outcomes outcomes, const Eigen::VectorXd& theta,
                    const Eigen::VectorXd& gradient) {
  Tape<double> tape;
  Sampler<Var<double>> draw;
  const auto x = variables(tape, theta);
  draw.begin({.key = {1, 0}, .datum = datum}, tape, outcomes);
  const Var<double> cost = program(draw, x);
  Generator g({9, datum});
  const Eigen::MatrixXd directions = Eigen::MatrixXd::NullaryExpr(theta.size(), 4, [&] { return g.uniform() - 0.5; });
  tape.clear_tangents();
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    for (int l = 0; l < 4; ++l) tape.tangents()[x.first() + static_cast<Index>(i)][l] = directions(i, l);
  tape.forward();
  const Eigen::RowVector4d expected = gradient.transpose() * directions;
  for (int l = 0; l < 4; ++l)
    CHECK(tape.tangents()[cost.index()][l] == doctest::Approx(expected[l]).epsilon(1e-9).scale(gradient.norm()));
}

}  // namespace

TEST_CASE("a neuron whose spikes feed back: exact gradients and surrogate gradients of paper.md 2.3") {
  struct Row {
    double beta, exact, detached, differentiated;
    int digits;
  };
  const Eigen::VectorXd w = Eigen::VectorXd::Constant(1, 3.0);
  CHECK(12 * enumerate(one_neuron(10, Reset::detached).program<double>(), w).value == doctest::Approx(2.17740829).epsilon(1e-8));
  for (const Row& row : {Row{10, 0.65950323, 1.74027915, 0.83652442, 8}, Row{5, 0.55532455, 1.3230, 0.6112, 4}}) {
    CHECK(12 * enumerate(one_neuron(row.beta, Reset::detached).program<double>(), w).gradient[0] ==
          doctest::Approx(row.exact).epsilon(1e-7));
    // Means of 20000 runs; 5 standard errors: a false alarm once in 1.7 million.
    const auto surrogate = [&](Reset reset) {
      return estimate(one_neuron(row.beta, reset).program<double>(), w, StraightThrough{}, {.samples = 20'000, .seed = 2});
    };
    const double rounding = row.digits < 8 ? 5e-5 : 0;
    const auto agrees = [&](const Estimate& e, double expected) {
      return std::abs(12 * e.gradient[0] - expected) < 5 * 12 * e.gradient_error[0] + rounding;
    };
    CHECK(agrees(surrogate(Reset::detached), row.detached));
    CHECK(agrees(surrogate(Reset::differentiated), row.differentiated));
    // Own replay is exact for a cost that is linear in the spikes.
    CHECK(agrees(surrogate(Reset::replay), row.exact));
    for (const AnyEstimator& e :
         {AnyEstimator(ScoreFunction{}), AnyEstimator(StochasticDerivative{}), AnyEstimator(DebiasedSurrogate{})})
      CHECK(agrees(estimate(one_neuron(row.beta, Reset::differentiated).program<double>(), w, e, {.samples = 20'000, .seed = 3}),
                   row.exact));
  }
  const Exact none = enumerate(one_neuron(10, Reset::none).program<double>(), w);
  CHECK(12 * none.gradient[0] == doctest::Approx(0.70442991).epsilon(1e-7));
  // Without reset the surrogate gradient does not depend on the spikes.
  const Estimate e = estimate(one_neuron(10, Reset::none).program<double>(), w, StraightThrough{}, {.samples = 10});
  CHECK(e.gradient[0] == doctest::Approx(none.gradient[0]).epsilon(1e-12));
  // An override takes the place of the derivative of the escape function, and only there.
  Network network = one_neuron(10, Reset::none).network();
  std::vector<Layer> layers = network.layers();
  std::get<Lif>(layers[1]).surrogate = surrogate::SuperSpike{10};
  const Objective overridden(Network(1, 12, layers), one_neuron(10, Reset::none).data(), MeanOutput{0});
  CHECK(enumerate(overridden.program<double>(), w).gradient[0] == doctest::Approx(none.gradient[0]).epsilon(1e-12));
  Eigen::VectorXd g;
  const std::size_t batch[] = {0};
  SurrogateGradient<double>(overridden.with(Activation::deterministic))(w, batch, {1, 0}, g);
  CHECK(std::abs(g[0] - none.gradient[0]) > 0.01);
  CHECK(estimate(overridden.program<double>(), w, StraightThrough{}, {.samples = 2}).gradient[0] ==
        doctest::Approx(g[0]).epsilon(1e-12));
}

TEST_CASE(
    "layers as single operations have the gradients of the same dynamics recorded one operation at a time, and their tangents") {
  std::vector<Lif> neurons;
  for (const Reset reset : {Reset::none, Reset::detached, Reset::differentiated})
    for (const ResetKind kind : {ResetKind::all, ResetKind::leak}) {
      Lif lif{.reset = reset, .reset_kind = kind, .activation = Activation::deterministic};
      lif.surrogate = surrogate::SuperSpike{10};
      neurons.push_back(lif);
      lif.recurrent = true;
      lif.surrogate = surrogate::ArcTan{2};
      neurons.push_back(lif);
      lif.adaptation = 0.3;
      lif.surrogate = surrogate::Triangle{1};
      neurons.push_back(lif);
      lif.refractory = 2;
      lif.surrogate.reset();
      neurons.push_back(lif);
      lif.learned_tau = Learned::layer;
      lif.surrogate = surrogate::Tanh{2};
      neurons.push_back(lif);
      lif.learned_tau = Learned::neuron;
      lif.surrogate = surrogate::Erf{0.3};
      neurons.push_back(lif);
    }
  const Dataset data = noise(9, 40, 3, 3, 0.1, 5);
  for (std::size_t k = 0; k < neurons.size(); ++k) {
    CAPTURE(k);
    const Lif& lif = neurons[k];
    const Network network(9, 40, {Linear{19}, lif, Linear{19}, lif, Linear{3}, LeakyReadout{}});
    const Objective objective(network, data, MaxOverTimeCrossEntropy{});
    Eigen::VectorXd theta = network.initial<double>({.seed = 3, .sigma_u = 3});
    if (lif.learned_tau == Learned::none) theta += 0.5 * theta.cwiseAbs();  // so that all layers spike
    SurrogateGradient<double> gradient(objective, 1);
    SurrogateGradient<float> single(objective, 2);
    for (std::size_t datum = 0; datum < 3; ++datum) {
      const auto [value, expected] =
          value_and_gradient([&](const auto& x) { return plain_loss(Plain{lif}, 19, 3, data, datum, x); }, theta);
      REQUIRE(expected.norm() > 1e-3);
      Eigen::VectorXd g;
      const std::size_t batch[] = {datum};
      const BatchResult result = gradient(theta, batch, {1, 0}, g);
      CHECK(result.loss == doctest::Approx(value).epsilon(1e-12));
      CHECK(relative(g, expected) < 1e-10);
      check_tangents(objective.program<double>(), datum, Outcomes::variables, theta, expected);
      Eigen::VectorXf f;
      single(theta.cast<float>(), batch, {1, 0}, f);
      CHECK(relative(f.cast<double>(), expected) < 1e-5);
    }
  }
}

TEST_CASE("mini-batches: means over samples, the same bits on any number of threads, the same sweeps as the program") {
  for (const bool recurrent : {false, true}) {
    Lif lif{.reset = Reset::differentiated};
    lif.recurrent = recurrent;
    const Network network(30, 25, {Linear{40}, lif, Linear{4}, LeakyReadout{}});
    const Dataset data = noise(30, 25, 50, 4, 0.08, 7);
    const Objective objective(network, data, SumOfSoftmaxCrossEntropy{},
                              {UpperBound{.strength = 0.1, .threshold = 0.1}, LowerBound{.strength = 1, .threshold = 2}});
    const Eigen::VectorXf theta = network.initial<float>({.seed = 4});
    std::vector<std::size_t> batch(50);
    for (std::size_t i = 0; i < 50; ++i) batch[i] = 49 - i;
    Eigen::VectorXf one, two, sum = Eigen::VectorXf::Zero(theta.size()), g;
    SurrogateGradient<float> serial(objective, 1), parallel(objective, 2);
    const BatchResult a = serial(theta, batch, {1, 100}, one), b = parallel(theta, batch, {1, 100}, two);
    CHECK(one == two);
    CHECK(a.loss == b.loss);
    double loss = 0;
    for (std::size_t i = 0; i < 50; ++i) {
      loss += serial(theta, std::span(batch).subspan(i, 1), {1, 100 + i}, g).loss / 50;
      sum += g / 50;
    }
    CHECK(loss == doctest::Approx(a.loss).epsilon(1e-6));
    CHECK((sum - one).norm() < 1e-5 * one.norm());
    // Deterministic spikes: the same sweep as the estimator's.
    const Objective still = objective.with(Activation::deterministic);
    SurrogateGradient<float> mean(still);
    mean(theta, batch, {1, 0}, g);
    const Estimate e = estimate(still.program<float>(), theta, StraightThrough{}, {.samples = 50});
    CHECK((g.cast<double>() - e.gradient).norm() < 1e-5 * e.gradient.norm());
  }
}

TEST_CASE("unbiased estimators agree with enumeration on two layers of coins") {
  for (const Reset reset : {Reset::none, Reset::detached, Reset::differentiated, Reset::replay}) {
    Lif lif{.tau_mem = 0.004, .tau_syn = 0.003, .dt = 0.002, .reset = reset};
    lif.threshold = 0.5;
    lif.escape = escape::Sigmoid{3};
    lif.recurrent = true;
    const Network network(3, 5, {Linear{2}, lif, Linear{1}, lif});  // 15 coins; a spike shows two steps later
    Dataset data{.inputs = SpikeEvents(5, 3), .targets = SpikeEvents(5, 1)};
    const std::vector<snn::Spike> input{{0, 0}, {0, 1}, {0, 2}}, target{{4, 0}};
    data.inputs.add(input), data.targets.add(target);
    const Objective objective(network, data, SpikeMse{});
    const Program<double> program = objective.program<double>();
    const Eigen::VectorXd theta = network.initial<double>({.seed = 8, .sigma_u = 0.7, .nu = 100});
    const Exact exact = enumerate(program, theta);
    REQUIRE(exact.gradient.cwiseAbs().minCoeff() > 1e-6);
    for (const AnyEstimator& estimator : {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{4}),
                                          AnyEstimator(StochasticDerivative{}), AnyEstimator(DebiasedSurrogate{})}) {
      CAPTURE(estimator.name());
      const Estimate e = estimate(program, theta, estimator, {.samples = 20'000, .seed = 5});
      // 5 standard errors for each of 13 numbers and 16 estimates: a false alarm once in 8000.
      for (Eigen::Index i = 0; i < theta.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(e.gradient[i] - exact.gradient[i]) <= 5 * e.gradient_error[i] + 1e-12);
      }
    }
  }
}

TEST_CASE("a surrogate where the spike probability does not move is taken back") {
  // Some spikes are certain (an exponential escape function ends at 1), but the surrogate passes something on there too, which the
  // correction has to remove although there is no alternative to replay.
  Lif lif{.tau_mem = 0.004, .tau_syn = 0.003, .dt = 0.002, .reset = Reset::detached};
  lif.escape = escape::Exponential{.p0 = 0.6, .delta = 0.4};
  lif.surrogate = surrogate::SuperSpike{1};
  const Network network(2, 6, {Linear{1}, lif, Linear{1}, lif});
  Dataset data{.inputs = SpikeEvents(6, 2), .targets = SpikeEvents(6, 1)};
  const std::vector<snn::Spike> input{{0, 0}, {1, 1}, {2, 0}}, target{{4, 0}};
  data.inputs.add(input), data.targets.add(target);
  const Program<double> program = Objective(network, data, SpikeMse{}).program<double>();
  Eigen::VectorXd theta(3);
  theta << 4.0, 3.0, 4.0;
  const Exact exact = enumerate(program, theta);
  const Estimate surrogate = estimate(program, theta, StraightThrough{}, {.samples = 4000});
  Trace<double> trace(program, theta);
  trace.set_datum(0);
  int certain = 0;
  trace.record({1, 0});
  for (std::size_t i = 0; i < trace.sites(); ++i) certain += trace.site(i).pmf(1) == 1;
  CHECK(certain > 0);
  for (const AnyEstimator& estimator :
       {AnyEstimator(DebiasedSurrogate{}), AnyEstimator(DebiasedSurrogate{.replays = 4, .control = Control::path}),
        AnyEstimator(DebiasedSurrogate{.replays = 4, .control = Control::table}), AnyEstimator(ScoreFunctionMartingale{})}) {
    CAPTURE(estimator.name());
    const Estimate e = estimate(program, theta, estimator, {.samples = 20'000, .seed = 2});
    for (Eigen::Index i = 0; i < 3; ++i) {  // 5 standard errors of 12 numbers
      CHECK(std::abs(e.gradient[i] - exact.gradient[i]) < 5 * e.gradient_error[i] + 1e-12);
      CHECK(std::abs(surrogate.gradient[i] - exact.gradient[i]) > 20 * e.gradient_error[i]);
    }
  }
}

TEST_CASE("a surrogate of one's own does not make scores biased: they take the slope of the spike probability") {
  // MuProp and the martingale put the derivative of a coin's mean beside its score; under a surrogate that is not the escape
  // function's derivative the two are told apart. Near threshold the surrogate is 1 and the slope of the probability 0.75.
  Lif lif{.tau_mem = 0.004, .tau_syn = 0.003, .dt = 0.002};
  lif.escape = escape::Sigmoid{3};
  lif.surrogate = surrogate::SuperSpike{0.5};
  const Network network(2, 6, {Linear{1}, lif, Linear{1}, lif});
  Dataset data{.inputs = SpikeEvents(6, 2), .targets = SpikeEvents(6, 1)};
  const std::vector<snn::Spike> input{{0, 0}, {1, 1}, {2, 0}}, target{{4, 0}};
  data.inputs.add(input), data.targets.add(target);
  const Program<double> program = Objective(network, data, SpikeMse{}).program<double>();
  Eigen::VectorXd theta(3);
  theta << 2.5, 2.0, 2.5;
  const Exact exact = enumerate(program, theta);
  for (const AnyEstimator& estimator : {AnyEstimator(MuProp{}), AnyEstimator(ScoreFunctionMartingale{})}) {
    CAPTURE(estimator.name());
    const Estimate e = estimate(program, theta, estimator, {.samples = 40'000, .seed = 3});
    // 5 standard errors of 6 numbers: a false alarm once in 290 000.
    for (Eigen::Index i = 0; i < 3; ++i) CHECK(std::abs(e.gradient[i] - exact.gradient[i]) < 5 * e.gradient_error[i]);
  }
}

TEST_CASE("unbiased estimators agree with each other on a network too large to enumerate") {
  // 640 coins, two layers, the first one recurrent. Means of 20 blocks; no estimator may differ from the first by more than 6
  // standard errors in any of 6 fixed dense projections of the gradient: 24 differences with 19 degrees of freedom or more, a false
  // alarm once in 4000.
  Lif recurrent{.reset = Reset::differentiated}, lif{.reset = Reset::detached};
  recurrent.recurrent = true;
  const Network network(12, 40, {Linear{10}, recurrent, Linear{6}, lif, Linear{3}, LeakyReadout{.tau_mem = 0.08}});
  const Dataset data = noise(12, 40, 2, 3, 0.15, 4);
  const Objective objective(network, data, MaxOverTimeCrossEntropy{}, {UpperBound{.strength = 0.02, .threshold = 2}});
  const Eigen::VectorXd theta = network.initial<double>({.seed = 8, .sigma_u = 1.2, .nu = 75});
  const int projections = 6;
  Eigen::MatrixXd directions(theta.size(), projections);
  Generator g({3, 0, Purpose::data});
  boost::random::normal_distribution<double> normal;
  for (Eigen::Index k = 0; k < directions.size(); ++k) directions.data()[k] = normal(g);
  struct Line {
    std::string name;
    Eigen::VectorXd mean, error;
  };
  std::vector<Line> lines;
  const auto project = [&](const AnyEstimator& estimator, int blocks, std::uint64_t samples) {
    Eigen::MatrixXd x(projections, blocks);
    for (int b = 0; b < blocks; ++b)
      x.col(b) = directions.transpose() * estimate(objective.program<double>(), theta, estimator,
                                                   {.samples = samples, .seed = 100 + static_cast<std::uint64_t>(b)})
                                              .gradient;
    Line line{estimator.name(), x.rowwise().mean(), {}};
    line.error = ((x.colwise() - line.mean).rowwise().squaredNorm() / (blocks * (blocks - 1.0))).cwiseSqrt();
    lines.push_back(std::move(line));
  };
  project(ScoreFunctionMartingale{}, 20, 1200);
  project(ScoreFunction{}, 20, 300);
  project(LeaveOneOut{4}, 20, 75);
  project(StochasticDerivative{.replays = 6}, 20, 25);
  project(DebiasedSurrogate{.replays = 6, .control = Control::table, .martingale = true, .pilot = 60}, 20, 25);
  for (std::size_t k = 1; k < lines.size(); ++k) {
    CAPTURE(lines[k].name);
    for (Eigen::Index d = 0; d < projections; ++d)
      CHECK(std::abs(lines[k].mean[d] - lines[0].mean[d]) < 6 * std::hypot(lines[k].error[d], lines[0].error[d]));
  }
  // The surrogate gradient of this network is biased, and that shows: the check can fail.
  project(StraightThrough{}, 20, 300);
  double worst = 0;
  for (Eigen::Index d = 0; d < projections; ++d)
    worst =
        std::max(worst, std::abs(lines.back().mean[d] - lines[0].mean[d]) / std::hypot(lines.back().error[d], lines[0].error[d]));
  CHECK(worst > 7);
}

TEST_CASE("mean fields are the derivative of their own value") {
  for (const ResetKind kind : {ResetKind::all, ResetKind::leak}) {
    Lif lif{.reset_kind = kind};
    lif.recurrent = true;
    lif.adaptation = 0.2;
    lif.learned_tau = Learned::neuron;
    const Network network(5, 12, {Linear{4}, lif, Linear{3}, lif, Linear{2}, LeakyReadout{}});
    const Objective objective(network, noise(5, 12, 1, 2, 0.2, 9),
                              kind == ResetKind::all ? Loss(SumOfSoftmaxCrossEntropy{}) : MeanOutput{1},
                              {UpperBound{.strength = 2, .threshold = 0.1}, LowerBound{.strength = 1, .threshold = 5}});
    const Program<double> program = objective.program<double>();
    const Eigen::VectorXd theta = network.initial<double>({.seed = 2, .sigma_u = 2});
    const auto value = [&](const Eigen::VectorXd& x) { return estimate(program, x, MeanField{}, {.samples = 1}).value; };
    const Eigen::VectorXd g = estimate(program, theta, MeanField{}, {.samples = 1}).gradient;
    for (Eigen::Index i = 0; i < theta.size(); ++i) {
      Eigen::VectorXd up = theta, down = theta;
      up[i] += 1e-5, down[i] -= 1e-5;
      CHECK(g[i] == doctest::Approx((value(up) - value(down)) / 2e-5).epsilon(1e-5).scale(1e-3));
    }
    check_tangents(program, 0, Outcomes::means, theta, g);
  }
}

TEST_CASE("dropout: a unit and all its spikes are left out with probability p, else they count 1 / (1 - p)") {
  constexpr double p = 0.3;
  constexpr int units = 20, runs = 200;
  const Dataset data = noise(units, 30, 1, 2, 0.2, 3);
  const Objective dropping(Network(units, 30, {Dropout{p}, Linear{2}, LeakyReadout{}}), data, MeanOutput{0}),
      whole(Network(units, 30, {Linear{2}, LeakyReadout{}}), data, MeanOutput{0});
  const Eigen::VectorXd theta = whole.network().initial<double>({.seed = 1});
  SurrogateGradient<double> drop(dropping, 1), keep(whole, 1);
  const std::size_t batch[] = {0};
  Eigen::VectorXd g, full;
  keep(theta, batch, {1, 0}, full);
  int dropped = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    drop(theta, batch, {1, run}, g);
    for (int unit = 0; unit < units; ++unit) {
      REQUIRE(full[2 * unit] != 0);  // the cost is linear in the weights
      const double factor = g[2 * unit] / full[2 * unit];
      dropped += factor == 0;
      CHECK((factor == 0 || factor == doctest::Approx(1 / (1 - p)).epsilon(1e-12)));
    }
  }
  constexpr int n = units * runs;
  CHECK(std::abs(dropped - p * n) < 5 * std::sqrt(n * p * (1 - p)));  // false alarms: 6e-7
  // An evaluation leaves nothing out.
  CHECK(drop.evaluate(theta, batch, {1, 0}).loss == keep.evaluate(theta, batch, {1, 0}).loss);
}

TEST_CASE("a convolution is a matrix with shared weights") {
  // 2 channels x 7 positions -> 3 filters of 3 positions, stride 2, padding 1: 4 positions. Checked against finite differences of
  // the mean field, and by one spike at a time: what it adds to which unit.
  Lif lif{.reset = Reset::none};
  lif.recurrent = true, lif.recurrent_kernel = 3;
  const Network network(7, 10,
                        {Conv1d{.channels = 2, .kernel = 3, .padding = 1}, lif,
                         Conv1d{.channels = 3, .kernel = 3, .stride = 2, .padding = 1}, lif, Linear{2}, LeakyReadout{}});
  CHECK(network.units(0) == 14);
  CHECK(network.units(1) == 12);
  CHECK(network.parameters() == 1 * 3 * 2 + 2 * 3 * 2 + 2 * 3 * 3 + 3 * 3 * 3 + 12 * 2);
  const Objective objective(network, noise(7, 10, 1, 1, 0.3, 3), MeanOutput{0});
  const Program<double> program = objective.program<double>();
  const Eigen::VectorXd theta = network.initial<double>({.seed = 6, .sigma_u = 2});
  const auto value = [&](const Eigen::VectorXd& x) { return estimate(program, x, MeanField{}, {.samples = 1}).value; };
  const Eigen::VectorXd g = estimate(program, theta, MeanField{}, {.samples = 1}).gradient;
  for (Eigen::Index i = 0; i < theta.size(); ++i) {
    Eigen::VectorXd up = theta, down = theta;
    up[i] += 1e-5, down[i] -= 1e-5;
    CHECK(g[i] == doctest::Approx((value(up) - value(down)) / 2e-5).epsilon(1e-5).scale(1e-3));
  }
}

TEST_CASE("initialisation: integrals of the potential, weights, membranes") {
  const PotentialIntegrals k = potential_integrals(0.02, 0.01, 0.002), h = potential_integrals(0.01, 0.005, 0.001);
  CHECK(k.bar == doctest::Approx(0.011032257).epsilon(1e-6));
  CHECK(k.hat == doctest::Approx(0.002035611).epsilon(1e-6));
  CHECK(h.bar == doctest::Approx(0.005516128).epsilon(1e-6));
  CHECK(h.hat == doctest::Approx(0.001017805).epsilon(1e-6));
  // The convolutional networks for SHD and Randman: standard deviations of the weights, which are these times normal numbers.
  const auto check_deviations = [](const Network& network, double nu, double sigma_u, const std::vector<double>& expected) {
    const Eigen::VectorXd theta = network.initial<double>({.seed = 3, .sigma_u = sigma_u, .nu = nu});
    REQUIRE(network.parts().size() == expected.size());
    for (std::size_t k = 0; k < expected.size(); ++k) {
      const Network::Part& part = network.parts()[k];
      CAPTURE(part.name);
      Generator noise({3, k, Purpose::data});
      boost::random::normal_distribution<double> normal;
      for (Eigen::Index i = 0; i < part.size(); ++i)
        CHECK(theta[part.offset + i] == doctest::Approx(expected[k] * normal(noise)).epsilon(2e-4));
    }
  };
  Lif lif;
  lif.recurrent = true, lif.recurrent_kernel = 5;
  const Network shd(700, 10,
                    {Conv1d{16, 21, 10, 0}, lif, Conv1d{32, 7, 3, 0}, lif, Conv1d{64, 7, 3, 0}, lif, Linear{20}, LeakyReadout{}});
  CHECK(shd.units(0) == 1088);
  CHECK(shd.units(1) == 672);
  CHECK(shd.units(2) == 320);
  const double readout = 1 / std::sqrt(320.0);
  check_deviations(shd, 15.8, 1, {1.1543, .1971, .4998, .1394, .3534, .0986, readout});
  check_deviations(shd, 15.8, 1.3, {1.5006, .2563, .6498, .1812, .4595, .1281, readout});
  const Network randman(
      20, 10, {Conv1d{32, 11, 1, 0}, Lif{}, Conv1d{64, 5, 1, 0}, Lif{}, Conv1d{128, 5, 1, 0}, Lif{}, Linear{15}, LeakyReadout{}});
  CHECK(randman.units(2) == 256);
  check_deviations(randman, 5, 1, {2.9886, .7836, .5541, 1 / 16.0});
  check_deviations(randman, 5, 1.3, {3.8852, 1.0187, .7203, 1 / 16.0});
}

TEST_CASE("initialisation: membranes without a reset fluctuate as much as asked for") {
  // 200 neurons under 150 Poisson inputs; the time average leaves the first 100 steps out. 10 %: the deviations of 200 neurons have
  // a mean that scatters by about 2 %.
  const int inputs = 150, neurons = 200, steps = 2000;
  for (const double sigma_u : {0.5, 1.0, 1.3}) {
    const Network network(inputs, steps, {Linear{neurons}, Lif{.reset = Reset::none}});
    const Eigen::VectorXd theta = network.initial<double>({.seed = 5, .sigma_u = sigma_u, .nu = 15.8});
    const Eigen::Map<const Eigen::MatrixXd> w(theta.data(), neurons, inputs);
    const auto spikes = encode::poisson(Eigen::VectorXd::Constant(inputs, 15.8), 0.002, steps, 1, 1);
    SpikeEvents events(steps, inputs);
    events.add(spikes);
    const Eigen::MatrixXd raster = events.raster(0);
    const double am = std::exp(-0.1), as = std::exp(-0.2);
    Eigen::VectorXd u = Eigen::VectorXd::Zero(neurons), i = u, sum = u, squares = u;
    for (int t = 0; t < steps; ++t) {
      if (t >= 100) sum += u, squares += u.cwiseAbs2();
      u = am * u + (1 - am) * i;
      i = as * i + w * raster.row(t).transpose();
    }
    const Eigen::VectorXd mean = sum / (steps - 100);
    const double variance = (squares / (steps - 100)).mean() - mean.cwiseAbs2().mean();
    // Fluctuations in time: without the mean that each neuron has.
    CHECK(std::sqrt(variance) == doctest::Approx(sigma_u).epsilon(0.1));
  }
}

TEST_CASE("losses and regularisers by hand") {
  // One neuron that spikes at every step from the third on: threshold far below, driven hard.
  Dataset data{.inputs = SpikeEvents(6, 1), .targets = SpikeEvents(6, 1)};
  const std::vector<snn::Spike> in{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}}, target{{2, 0}};
  data.inputs.add(in), data.targets.add(target);
  Lif lif{.reset = Reset::none, .activation = Activation::deterministic};
  const Network network(1, 6, {Linear{1}, lif});
  const Eigen::VectorXd w = Eigen::VectorXd::Constant(1, 1000.0);
  const std::size_t all[] = {0};
  const Response<double> r = respond(network, w, data.inputs, all, 1);
  CHECK(r.spikes[0].spikes(0) == 4);  // steps 2 to 5
  const auto loss = [&](Loss l) { return run(Objective(network, data, l).program<double>(), w, {1, 0}); };
  CHECK(loss(SpikeMse{}) == doctest::Approx(1.5));  // steps 3, 4, 5 are wrong
  CHECK(loss(MeanOutput{0}) == doctest::Approx(4.0 / 6));
  const VanRossum v{.tau_decay = 0.01, .tau_rise = 0.005, .dt = 0.002, .amplitude = 2};
  double expected = 0;
  for (int t = 0; t < 6; ++t) {
    double f = 0;
    for (int s = 3; s <= t; ++s) f -= 2 * (std::exp(-(t - s) * 0.2) - std::exp(-(t - s) * 0.4));
    expected += f * f / 2;
  }
  CHECK(loss(v) == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("the likelihood of target trains: its gradient is exact without a reset") {
  Dataset data{.inputs = SpikeEvents(12, 2), .targets = SpikeEvents(12, 2)};
  const std::vector<snn::Spike> in{{0, 0}, {1, 1}, {2, 0}, {5, 1}}, target{{4, 0}, {6, 1}, {7, 0}};
  data.inputs.add(in), data.targets.add(target);
  const Network network(2, 12, {Linear{2}, Lif{.reset = Reset::none}});
  const Program<double> program = Objective(network, data, SpikeLogLikelihood{}).program<double>();
  const Eigen::VectorXd theta = network.initial<double>({.seed = 3});
  const Eigen::VectorXd g = estimate(program, theta, StraightThrough{}, {.samples = 1}).gradient;
  for (Eigen::Index i = 0; i < theta.size(); ++i) {
    Eigen::VectorXd up = theta, down = theta;
    up[i] += 1e-6, down[i] -= 1e-6;
    CHECK(g[i] == doctest::Approx((run(program, up, {1, 0}) - run(program, down, {1, 0})) / 2e-6).epsilon(1e-6));
  }
}

TEST_CASE("networks that make no sense are refused by name") {
  CHECK_THROWS_WITH_AS(Network(0, 5, {Linear{1}, Lif{}}), doctest::Contains("inputs = 0"), InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Lif{}}), doctest::Contains("layer 1 (Lif): a Linear or Conv1d must come before"),
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Linear{2}, Lif{}, Linear{2}}), doctest::Contains("leads to no neurons"), InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Linear{2}, Linear{2}, Lif{}}), doctest::Contains("between two connections"), InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Linear{2}, LeakyReadout{}, Linear{2}, Lif{}}), doctest::Contains("after the readout"),
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Linear{2}, Lif{.tau_mem = 0}}), doctest::Contains("tau_mem = 0"), InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Linear{2}, Lif{.tau_syn = 0.002}}), doctest::Contains("dt = 0.002 is outside (0, tau_syn)"),
                       InvalidArgument);
  CHECK_THROWS_AS(SpikeFunction(escape::Sigmoid{-1}), InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Linear{2}, Lif{.reset = Reset::replay, .activation = Activation::deterministic}}),
                       doctest::Contains("needs stochastic spikes"), InvalidArgument);
  CHECK_THROWS_WITH_AS(Network(3, 5, {Conv1d{.kernel = 9}, Lif{}}), doctest::Contains("does not fit"), InvalidArgument);
  const Network network(3, 5, {Linear{2}, Lif{}, Linear{2}, LeakyReadout{}});
  CHECK_THROWS_WITH_AS(Objective(network, noise(4, 5, 2, 2, 0.1, 1), MaxOverTimeCrossEntropy{}), doctest::Contains("do not fit"),
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(Objective(network, noise(3, 5, 2, 2, 0.1, 1), SpikeMse{}), doctest::Contains("target"), InvalidArgument);
  CHECK_THROWS_WITH_AS(Objective(network, noise(3, 5, 6, 3, 0.1, 1), MaxOverTimeCrossEntropy{}),
                       doctest::Contains("2 outputs for 3 classes"), InvalidArgument);
  const Objective objective(network, noise(3, 5, 2, 2, 0.1, 1), MaxOverTimeCrossEntropy{});
  SurrogateGradient<float> gradient(objective);
  Eigen::VectorXf g;
  const std::size_t batch[] = {5};
  CHECK_THROWS_AS(gradient(Eigen::VectorXf::Zero(3), batch, {1, 0}, g), InvalidArgument);
  CHECK_THROWS_WITH_AS(gradient(network.initial<float>(), batch, {1, 0}, g), doctest::Contains("sample 5 of 2"), InvalidArgument);
  Eigen::VectorXf bad = network.initial<float>();
  bad[0] = std::numeric_limits<float>::quiet_NaN();
  const std::size_t first[] = {0};
  CHECK_THROWS_WITH_AS(gradient(bad, first, {1, 0}, g), doctest::Contains("parameter 0 is nan"), InvalidArgument);
  CHECK_THROWS_WITH_AS(respond(network, bad, objective.data().inputs, first, 1), doctest::Contains("parameter 0 is nan"),
                       InvalidArgument);
}
