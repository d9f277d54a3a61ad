#include <stoat/snn/train.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>

#include "captured.hpp"
#include "small_training.hpp"

using namespace small_training;

TEST_CASE("training is a loop over shuffled mini-batches with runs of their own") {
  TrainOptions options = quiet(3);
  options.clip = 0.2;
  options.schedule = schedule::exponential(0.5);
  const Training t = train(objective(), start(), Adam{0.01}, options);

  SurrogateGradient<float> gradient(objective());
  Optimizer adam(Adam{0.01});
  Eigen::VectorXd theta = start();
  std::vector<std::vector<std::size_t>> orders;
  std::uint64_t run = 0;
  int clipped = 0;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::size_t> order(63);
    std::iota(order.begin(), order.end(), std::size_t{0});
    Generator words({1, epoch, Purpose::data});
    for (std::size_t i = 62; i > 0; --i)
      std::swap(order[i], order[static_cast<std::size_t>(words.uniform() * static_cast<double>(i + 1))]);
    orders.push_back(order);
    double loss = 0, norms = 0;
    std::size_t correct = 0;
    for (const auto& [begin, size] : {std::pair(0, 20), {20, 20}, {40, 20}, {60, 3}}) {
      const auto batch = std::span(order).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
      Eigen::VectorXf g;
      const BatchResult result = gradient(theta.cast<float>(), batch, {1, run}, g);
      run += static_cast<std::uint64_t>(size);
      loss += result.loss * size / 63, correct += result.correct;
      Eigen::VectorXd d = g.cast<double>();
      norms += d.norm() / 4;
      if (d.norm() > 0.2) d *= 0.2 / d.norm(), ++clipped;
      adam.step(theta, d, std::pow(0.5, static_cast<double>(epoch)));
    }
    const Epoch& e = t.epochs.at(epoch);
    CHECK(e.number == static_cast<int>(epoch) + 1);
    CHECK(e.factor == std::pow(0.5, static_cast<double>(epoch)));
    CHECK(e.loss == doctest::Approx(loss).epsilon(1e-12));
    CHECK(e.accuracy == doctest::Approx(static_cast<double>(correct) / 63));
    CHECK(e.gradient_norm == doctest::Approx(norms).epsilon(1e-12));
    CHECK(e.spikes.size() == 1);
    CHECK(std::isnan(e.validation_loss));
  }
  CHECK(same_bits(t.theta, theta));
  CHECK(same_bits(t.best, theta));
  CHECK(t.best_epoch == 3);
  CHECK(t.end == Training::End::epochs);
  CHECK(orders[0] != orders[1]);
  CHECK(clipped > 0);
  CHECK(clipped < 12);
}

TEST_CASE("the bits do not depend on threads, but on seed and precision") {
  for (const Activation activation : {Activation::deterministic, Activation::stochastic}) {
    TrainOptions options = quiet(3);
    options.validation = held_out();
    options.threads = 1;
    const Training one = train(objective(activation), start(), Smorms3{0.01}, options);
    options.threads = 2;
    const Training two = train(objective(activation), start(), Smorms3{0.01}, options);
    CHECK(same_bits(one.theta, two.theta));
    CHECK(one.epochs[2].validation_loss == two.epochs[2].validation_loss);
    options.double_precision = true;
    const Training exact = train(objective(activation), start(), Smorms3{0.01}, options);
    CHECK(!same_bits(exact.theta, one.theta));
    if (activation == Activation::deterministic) CHECK(exact.epochs[0].loss == doctest::Approx(one.epochs[0].loss).epsilon(1e-3));
    options.seed = 2;
    CHECK(!same_bits(train(objective(activation), start(), Smorms3{0.01}, options).theta, exact.theta));
  }
}

TEST_CASE("any estimator trains") {
  // Of deterministic spikes StraightThrough is the surrogate gradient.
  TrainOptions options = quiet(2);
  options.double_precision = true;
  options.validation = held_out();
  const Objective still = objective(Activation::deterministic);
  const Training fast = train(still, start(), Adam{0.01}, options);
  const Training slow = train(still, start(), StraightThrough{}, Adam{0.01}, options);
  CHECK((fast.theta - slow.theta).norm() < 1e-9 * fast.theta.norm());
  CHECK(slow.epochs[1].loss == doctest::Approx(fast.epochs[1].loss).epsilon(1e-9));
  CHECK(slow.epochs[1].validation_loss == doctest::Approx(fast.epochs[1].validation_loss).epsilon(1e-9));
  CHECK(std::isnan(slow.epochs[1].accuracy));

  // One neuron that is to be silent: cost and gradient are exact enough to see it learn by its score.
  Dataset one{.inputs = SpikeEvents(12, 1)};
  for (int k = 0; k < 8; ++k) one.inputs.add(std::vector<snn::Spike>{{0, 0}, {2, 0}, {3, 0}, {6, 0}});
  const Objective silence(Network(1, 12, {Linear{1}, Lif{.tau_mem = 0.01, .tau_syn = 0.005, .dt = 0.001}}), one, MeanOutput{0});
  const Eigen::VectorXd weight = Eigen::VectorXd::Constant(1, 6.0);
  for (const AnyEstimator& estimator : {AnyEstimator(ScoreFunction{}), AnyEstimator(ScoreFunctionMartingale{})}) {
    TrainOptions once = quiet(40, 4);
    const Training t = train(silence, weight, estimator, Adam{0.05}, once);
    CHECK(t.epochs.back().loss < 0.8 * t.epochs.front().loss);
    CHECK(t.epochs.back().loss > 0);
    // What the estimator learnt is no part of a checkpoint, and does not need to be.
    const Folder folder("train-estimator");
    once.checkpoint = folder / "run.checkpoint";
    once.epochs = 10, once.threads = 2;
    train(silence, weight, estimator, Adam{0.05}, once);
    once.epochs = 40, once.threads = 1;
    const Training rest = train(silence, weight, estimator, Adam{0.05}, once);
    CHECK(rest.resumed == 10);
    CHECK(same_bits(rest.theta, t.theta));
  }
  CHECK_THROWS_AS(train(objective(), start(), Enumeration{.max_leaves = 16}, Adam{0.01}, quiet(1)), Refusal);
}

TEST_CASE("numbers that are not finite end the training, and the last checkpoint stays") {
  const Folder folder("train-nan");
  TrainOptions options = quiet(2);
  options.checkpoint = folder / "run.checkpoint";
  options.csv = folder / "run.csv";
  options.schedule = [](int done) { return done < 2 ? 1.0 : 1e200; };
  train(objective(), start(), Sgd{0.01}, options);
  const std::string before = content(options.checkpoint);
  options.epochs = 5;
  CHECK_THROWS_WITH_AS(train(objective(), start(), Sgd{0.01}, options),
                       doctest::Contains("train: epoch 3, batch 1 of 4: after the step parameter 0 is"), Error);
  CHECK((content(options.checkpoint) == before));
  CHECK(rows(options.csv).size() == 1 + 2);
  TrainOptions hasty = quiet(1);
  hasty.schedule = [](int) { return 1e300; };
  CHECK_THROWS_WITH_AS(train(objective(), start(), Sgd{1e300}, hasty),
                       doctest::Contains("train: epoch 1, batch 1 of 4: after the step parameter 0 is"), Error);
  options.schedule = [](int) { return -1.0; };
  CHECK_THROWS_WITH_AS(train(objective(), start(), Sgd{0.01}, options), doctest::Contains("schedule = -1"), InvalidArgument);
}

TEST_CASE("patience, and the best parameters") {
  TrainOptions options = quiet(30);
  options.validation = held_out();
  options.patience = 3;
  // A rate that destroys what was learnt after four epochs.
  options.schedule = [](int done) { return done < 4 ? 1.0 : 1000.0; };
  for (const Monitor monitor : {Monitor::loss, Monitor::accuracy}) {
    options.monitor = monitor;
    std::vector<Eigen::VectorXd> seen;
    options.callback = [&](const Epoch& e, const Eigen::VectorXd& theta) {
      seen.push_back(theta);
      return e.number < 30;
    };
    const Training t = train(objective(), start(), Adam{0.02}, options);
    CHECK(t.end == Training::End::patience);
    REQUIRE(t.best_epoch > 1);
    REQUIRE(t.epochs.size() == static_cast<std::size_t>(t.best_epoch) + 3);
    const auto value = [&](const Epoch& e) { return monitor == Monitor::loss ? e.validation_loss : -e.validation_accuracy; };
    const Epoch& best = t.epochs[static_cast<std::size_t>(t.best_epoch - 1)];
    for (const Epoch& e : t.epochs) CHECK((e.number < t.best_epoch ? value(e) > value(best) : value(e) >= value(best)));
    CHECK(same_bits(t.best, seen[static_cast<std::size_t>(t.best_epoch - 1)]));
    CHECK(same_bits(t.theta, seen.back()));
    // Interrupted after the best epoch, and once more at the end.
    const Folder folder("train-patience");
    TrainOptions parts = options;
    parts.checkpoint = folder / "run.checkpoint";
    parts.callback = [&](const Epoch& e, const Eigen::VectorXd&) { return e.number <= t.best_epoch; };
    CHECK(train(objective(), start(), Adam{0.02}, parts).end == Training::End::callback);
    parts.callback = nullptr;
    for (const std::size_t before : {static_cast<std::size_t>(t.best_epoch) + 1, t.epochs.size()}) {
      const Training rest = train(objective(), start(), Adam{0.02}, parts);
      CHECK(rest.end == Training::End::patience);
      CHECK(rest.resumed == static_cast<int>(before));
      CHECK(rest.best_epoch == t.best_epoch);
      CHECK(same_bits(rest.best, t.best));
      CHECK(same_bits(rest.theta, t.theta));
    }
  }
}

TEST_CASE("what makes no sense is refused before anything is written") {
  const Folder folder("train-bad");
  const auto refused = [&](TrainOptions options, const char* message) {
    CAPTURE(message);
    if (options.csv.empty()) options.csv = folder / "run.csv";
    if (options.checkpoint.empty()) options.checkpoint = folder / "run.checkpoint";
    CHECK_THROWS_WITH_AS(train(objective(), start(), Adam{}, options), doctest::Contains(message), InvalidArgument);
    CHECK_THROWS_WITH_AS(train(objective(), start(), StraightThrough{}, Adam{}, options), doctest::Contains(message),
                         InvalidArgument);
  };
  refused({.epochs = -1}, "epochs = -1");
  refused({.batch = 0}, "batch = 0");
  refused({.threads = -2}, "threads = -2");
  refused({.clip = -1}, "clip = -1");
  refused({.patience = -1}, "patience = -1");
  refused({.checkpoint_every = 0}, "checkpoint_every = 0");
  refused({.patience = 2}, "need validation data");
  refused({.other_activation = true}, "need validation data");
  refused({.monitor = Monitor::accuracy}, "need validation data");
  refused({.csv = folder / "nowhere" / "run.csv"}, "folder does not exist");
  refused({.checkpoint = folder / "nowhere" / "run.checkpoint"}, "folder does not exist");
  Dataset other = randman({.units = 11, .classes = 3, .samples_per_class = 4, .steps = 40}, 1);
  refused({.validation = std::make_shared<const Dataset>(other)}, "train: validation data: Objective: data of 11 units");
  refused({.validation = std::make_shared<const Dataset>(Dataset{.inputs = SpikeEvents(40, 10)})}, "there are no data");
  Dataset unlabelled = data()[1];
  unlabelled.labels.clear();
  refused({.validation = std::make_shared<const Dataset>(unlabelled)}, "no labels");
  CHECK_THROWS_WITH_AS(train(objective(), start().head(5), Adam{}), doctest::Contains("not 5"), InvalidArgument);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Eigen::VectorXd theta = start();
    theta[7] = bad;
    TrainOptions options;
    options.csv = folder / "run.csv";
    CHECK_THROWS_WITH_AS(train(objective(), theta, Adam{}, options), doctest::Contains("parameter 7 is"), InvalidArgument);
    CHECK_THROWS_WITH_AS(evaluate(objective(), theta), doctest::Contains("parameter 7 is"), InvalidArgument);
  }
  CHECK_THROWS_WITH_AS(evaluate(objective(), start(), {.batch = 0}), doctest::Contains("batch = 0"), InvalidArgument);
  CHECK_THROWS_WITH_AS(evaluate(objective(), start(), {.threads = -1}), doctest::Contains("threads = -1"), InvalidArgument);
  CHECK_THROWS_WITH_AS(evaluate(objective(), start().head(5)), doctest::Contains("not 5"), InvalidArgument);
  CHECK(std::filesystem::is_empty(folder / ""));
}

TEST_CASE("no epochs, and batches larger than the data") {
  const Training none = train(objective(), start(), Adam{0.01}, quiet(0));
  CHECK(same_bits(none.theta, start()));
  CHECK(same_bits(none.best, start()));
  CHECK(none.best_epoch == 0);
  CHECK(same_bits(train(objective(), start(), Adam{0.01}, quiet(2, 63)).theta,
                  train(objective(), start(), Adam{0.01}, quiet(2, 1000)).theta));
}

TEST_CASE("an evaluation is what the network does with all data") {
  const Objective o = objective();
  const Eigen::VectorXd theta = train(o, start(), Smorms3{0.02}, quiet(10)).theta;
  const Objective still = o.with(Activation::deterministic);
  const Evaluation e = evaluate(still, theta, {.batch = 20});
  std::vector<std::size_t> all(63);
  std::iota(all.begin(), all.end(), std::size_t{0});
  const Response<double> response = respond(still.network(), theta, o.data().inputs, all, 1);
  CHECK(e.spikes.at(0) == doctest::Approx(static_cast<double>(response.spikes[0].spikes()) / 63 / 16).epsilon(1e-9));
  std::size_t correct = 0;
  double loss = 0;
  for (std::size_t i = 0; i < 63; ++i) {
    const Eigen::RowVectorXd top = response.readout[i].bottomRows(39).colwise().maxCoeff();
    Eigen::Index label = 0;
    top.maxCoeff(&label);
    CHECK(e.predicted.at(i) == static_cast<int>(label));
    correct += static_cast<int>(label) == o.data().labels[i];
    loss += (std::log(top.array().exp().sum()) - top[o.data().labels[i]]) / 63;
  }
  CHECK(e.accuracy == doctest::Approx(static_cast<double>(correct) / 63));
  CHECK(e.loss == doctest::Approx(loss).epsilon(1e-4));
  CHECK(evaluate(still, theta, {.double_precision = true}).loss == doctest::Approx(loss).epsilon(1e-12));
  // Coins follow seed and run, not the batch or the threads.
  const Evaluation a = evaluate(o, theta, {.batch = 20, .threads = 1}), b = evaluate(o, theta, {.batch = 63, .threads = 2});
  CHECK(a.predicted == b.predicted);
  CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-12));
  CHECK(evaluate(o, theta, {.run = 63}).loss != b.loss);
  CHECK(evaluate(o, theta, {.seed = 2}).loss != b.loss);
  // They are neither those of a training batch nor those of the next epoch's validation.
  Eigen::VectorXf g;
  CHECK(SurrogateGradient<float>(o, 1)(theta.cast<float>(), all, {1, 0}, g).loss != doctest::Approx(b.loss).epsilon(1e-6));
  TrainOptions options = quiet(2);
  options.schedule = [](int) { return 0.0; };
  options.validation = held_out();
  options.other_activation = true;
  const Objective test(o.network(), data()[1], o.loss());
  const Training coins = train(o, theta, Adam{0.01}, options), sure = train(still, theta, Adam{0.01}, options);
  CHECK(coins.epochs[0].validation_loss == evaluate(test, theta).loss);
  CHECK(coins.epochs[1].validation_loss == evaluate(test, theta, {.run = 27}).loss);
  CHECK(coins.epochs[1].validation_loss != coins.epochs[0].validation_loss);
  CHECK(coins.epochs[1].other_loss == evaluate(test.with(Activation::deterministic), theta).loss);
  CHECK(sure.epochs[0].validation_loss == coins.epochs[0].other_loss);
  CHECK(sure.epochs[0].validation_accuracy == coins.epochs[0].other_accuracy);
  CHECK(sure.epochs[0].other_loss == coins.epochs[0].validation_loss);
  // Without a readout there is nothing to be right about.
  Dataset trains = data()[0];
  trains.targets = SpikeEvents(40, 16);
  for (int i = 0; i < 63; ++i) trains.targets.add(std::vector<snn::Spike>{{i % 40, i % 16}});
  const Network spiking(10, 40, {Linear{16}, neurons(Activation::stochastic)});
  const Evaluation silent = evaluate(Objective(spiking, trains, SpikeMse{}), spiking.initial<double>());
  CHECK(std::isnan(silent.accuracy));
  CHECK(silent.predicted.empty());
}

TEST_CASE("progress: lines, a bar, or nothing") {
  const auto shown = [](Display display) {
    TrainOptions options = quiet(2);
    options.validation = held_out();
    options.progress = display;
    const Captured captured;
    train(objective(), start(), Adam{0.01}, options);
    return captured.text();
  };
  CHECK(shown(Display::none).empty());
  const std::string lines = shown(Display::lines);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
  CHECK(lines.find("epoch 1/2: loss ") == 0);
  CHECK(lines.find("\nepoch 2/2: loss ") != std::string::npos);
  CHECK(lines.find("; validation: loss ") != std::string::npos);
  CHECK(lines.find(" 0:00 left\n") != std::string::npos);
  const std::string bar = shown(Display::bar);
  CHECK(std::count(bar.begin(), bar.end(), '\n') == 1);
  CHECK(bar.find("\r[########........] epoch 2/2  loss ") != std::string::npos);
  CHECK(bar.find("\r[################] epoch 2/2") != std::string::npos);
}

TEST_CASE("reduced Randman: deterministic and stochastic networks learn it, and each does well as the other") {
  // Over data of the seeds 1 to 8 deterministic networks are better by 0.04 in the mean, by 0.02 to 0.10; others are like these.
  const Dataset all = randman({.units = 20, .classes = 5, .samples_per_class = 200, .steps = 100, .alpha = 2}, 2);
  const std::vector<Dataset> parts = split(all, {0.8, 0.2});
  TrainOptions options = quiet(20, 200);
  options.validation = std::make_shared<const Dataset>(parts[1]);
  options.other_activation = true;
  double accuracy[2] = {0, 0};
  for (const Activation activation : {Activation::deterministic, Activation::stochastic}) {
    const bool coins = activation == Activation::stochastic;
    const Network network(20, 100, {Linear{64}, neurons(activation), Linear{5}, LeakyReadout{.tau_mem = 0.2}});
    const Objective o(network, parts[0], MaxOverTimeCrossEntropy{});
    for (const std::uint64_t seed : {2U, 3U, 4U}) {
      const Eigen::VectorXd theta = network.initial<double>({.seed = seed, .sigma_u = coins ? 1.3 : 1.0, .nu = 5});
      const Training t = train(o, theta, Smorms3{0.01}, options);
      const Epoch& last = t.epochs.back();
      CAPTURE(coins);
      CAPTURE(seed);
      CHECK(last.validation_accuracy > 0.65);
      CHECK(std::abs(last.other_accuracy - last.validation_accuracy) < 0.1);
      accuracy[coins] += last.validation_accuracy / 3;
      const std::vector<std::size_t> repeats(400, 0);
      const SpikeEvents hidden = respond<float>(network, t.theta.cast<float>(), parts[1].inputs, repeats, 7).spikes[0];
      const double fano = nan_mean(sliding_fano(hidden, 10));
      if (coins) CHECK((fano > 0.45 && fano < 0.75));
      else CHECK(fano == 0);
    }
  }
  CHECK(accuracy[0] > 0.7);
  CHECK(accuracy[1] > 0.7);
  CHECK(std::abs(accuracy[0] - accuracy[1]) < 0.1);
}
