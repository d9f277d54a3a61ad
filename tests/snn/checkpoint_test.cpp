#include <algorithm>
#include <filesystem>

#include <doctest/doctest.h>

#include "small_training.hpp"

using namespace small_training;

namespace {

struct Stop {};

}  // namespace

TEST_CASE("an interrupted training continues with the same bits") {
  const Folder folder("train-resume");
  for (const Optimizer& optimizer : {Optimizer(Adam{0.01}), Optimizer(Sgd{0.1, 0.9}), Optimizer(Smorms3{0.01})}) {
    TrainOptions options = quiet(7);
    options.validation = held_out();
    options.other_activation = true;
    options.schedule = schedule::cosine(7);
    options.csv = folder / "whole.csv";
    const Training whole = train(objective(), start(), optimizer, options);

    // Ends by an exception in epoch 5, three epochs after the last checkpoint; its rows are in the table already.
    options.csv = folder / "parts.csv";
    options.checkpoint = folder / "run.checkpoint";
    options.checkpoint_every = 2;
    options.callback = [](const Epoch& e, const Eigen::VectorXd&) {
      if (e.number == 5) throw Stop();
      return true;
    };
    CHECK_THROWS_AS(train(objective(), start(), optimizer, options), Stop);
    CHECK(rows(folder / "parts.csv").size() == 1 + 5);
    // Ends by the callback's wish; that is a state to go on from, too.
    options.callback = [](const Epoch& e, const Eigen::VectorXd&) { return e.number < 5; };
    const Training part = train(objective(), start(), optimizer, options);
    CHECK(part.resumed == 4);
    CHECK(part.end == Training::End::callback);
    CHECK(part.epochs.size() == 5);
    options.callback = nullptr;
    const Training rest = train(objective(), start(), optimizer, options);
    CHECK(rest.resumed == 5);
    CHECK(rest.epochs.size() == 7);
    CHECK(same_bits(rest.theta, whole.theta));
    CHECK(same_bits(rest.best, whole.best));
    CHECK(rest.best_epoch == whole.best_epoch);
    CHECK(rows(folder / "parts.csv").size() == 1 + 7);
    CHECK(rows(folder / "parts.csv") == rows(folder / "whole.csv"));
    // What is done is done.
    const Training again = train(objective(), start(), optimizer, options);
    CHECK(again.resumed == 7);
    CHECK(same_bits(again.theta, whole.theta));
    options.epochs = 6;
    CHECK_THROWS_WITH_AS(train(objective(), start(), optimizer, options), doctest::Contains("has 7 epochs"), InvalidArgument);
    std::filesystem::remove(options.checkpoint);
  }
}

TEST_CASE("a checkpoint of another training is refused, by what differs") {
  const Folder folder("train-refused");
  TrainOptions options = quiet(2);
  options.validation = held_out();
  options.checkpoint = folder / "run.checkpoint";
  train(objective(), start(), Adam{0.01}, options);
  const std::string before = content(options.checkpoint);
  const auto refused = [&](const Objective& o, const Eigen::VectorXd& theta, const Optimizer& optimizer,
                           const TrainOptions& changed, const char* message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(train(o, theta, optimizer, changed), doctest::Contains(message), InvalidArgument);
    CHECK((content(options.checkpoint) == before));
  };
  TrainOptions changed = options;
  changed.batch = 21;
  refused(objective(), start(), Adam{0.01}, changed, "batch is 20 there and 21 here");
  changed = options, changed.seed = 9;
  refused(objective(), start(), Adam{0.01}, changed, "seed is 1 there and 9 here");
  changed.batch = 21;
  refused(objective(), start() * 2, Adam{0.01}, changed,
          "batch is 20 there and 21 here; seed is 1 there and 9 here; start/checksum differs; remove it");
  changed = options, changed.double_precision = true;
  refused(objective(), start(), Adam{0.01}, changed, "gradient is \"surrogate, single precision\" there");
  changed = options, changed.validation = nullptr;
  refused(objective(), start(), Adam{0.01}, changed, "validation is");
  refused(objective(), start(), Adam{0.02}, options, "optimizer is \"Adam(rate 0.01,");
  refused(objective(), start(), Smorms3{0.01}, options, "here");
  refused(objective(), start() * 2, Adam{0.01}, options, "start/checksum");
  refused(objective(Activation::deterministic), start(), Adam{0.01}, options,
          "network/layers/1/activation is \"stochastic\" there and \"deterministic\" here");
  const Objective smaller(small(), data()[1], MaxOverTimeCrossEntropy{});
  refused(smaller, start(), Adam{0.01}, options, "data/");
  Dataset relabelled = data()[0];
  std::rotate(relabelled.labels.begin(), relabelled.labels.begin() + 1, relabelled.labels.end());
  refused(Objective(small(), relabelled, MaxOverTimeCrossEntropy{}), start(), Adam{0.01}, options, "data/checksum");
  refused(Objective(small(), data()[0], SumOfSoftmaxCrossEntropy{}), start(), Adam{0.01}, options,
          "loss/kind is 0 there and 1 here");
  refused(Objective(small(), data()[0], MaxOverTimeCrossEntropy{}, {UpperBound{}}), start(), Adam{0.01}, options,
          "regularizers/- is missing there and {");
  CHECK_THROWS_WITH_AS(train(objective(), start(), StraightThrough{}, Adam{0.01}, options), doctest::Contains("gradient is"),
                       InvalidArgument);
}

TEST_CASE("a damaged checkpoint is noticed") {
  const Folder folder("train-damaged");
  TrainOptions options = quiet(1);
  options.checkpoint = folder / "run.checkpoint";
  train(objective(), start(), Adam{0.01}, options);
  const std::string good = content(options.checkpoint);
  const auto check = [&](const std::string& bytes) {
    folder.write("run.checkpoint", bytes);
    CHECK_THROWS_WITH_AS(train(objective(), start(), Adam{0.01}, options), doctest::Contains("run.checkpoint"), Error);
    CHECK((content(options.checkpoint) == bytes));
  };
  for (std::size_t length = 0; length < good.size(); length += good.size() / 23) check(good.substr(0, length));
  check(good.substr(0, good.size() - 1));
  check(good + "more");
  check("epoch,loss\n1,2\n");
  for (std::size_t at = 3; at < good.size(); at += good.size() / 31) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    check(flipped);
  }
  folder.write("run.checkpoint", good);
  CHECK(train(objective(), start(), Adam{0.01}, options).resumed == 1);
}
