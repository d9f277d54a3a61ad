// The epidemic among few people against the Markov chain of where they are and how they are.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include <common/showcase.hpp>
#include <epidemic/plain.hpp>
#include <epidemic/program.hpp>

#include "agreement.hpp"

using namespace epidemic;

namespace {

/// Three places in a row, with a way to stay at the ends only.
const Network row{{0, 1}, {0, 2}, {1, 2}};
/// From everywhere to two places, where several people meet.
const Network crowded{{0, 1}, {0, 1}, {1}};

/// The expected distance, from the distribution over all states: (place, health) of everybody, in base 9.
double expected(const Epidemic& model, const Eigen::VectorXd& theta) {
  const Eigen::VectorXd probability = (1 + (-theta.array()).exp()).inverse();
  const int people = model.people;
  int states = 1;
  for (int a = 0; a < people; ++a) states *= 9;
  const auto of = [](int state, int a) {
    while (a-- > 0) state /= 9;
    return state % 9;
  };
  // Adds `chance` to every state in which person a, a + 1, ... have gone through one of their `choices`.
  using Choices = std::vector<std::vector<std::pair<int, double>>>;
  const std::function<void(const Choices&, int, int, double, Eigen::VectorXd&)> spread =
      [&](const Choices& choices, int a, int state, double chance, Eigen::VectorXd& next) {
        if (a < 0) {
          next[state] += chance;
          return;
        }
        for (const auto& choice : choices[static_cast<std::size_t>(a)])
          spread(choices, a - 1, 9 * state + choice.first, chance * choice.second, next);
      };
  const auto step = [&](const Eigen::VectorXd& now, const std::function<Choices(int)>& choices) {
    Eigen::VectorXd next = Eigen::VectorXd::Zero(states);
    for (int s = 0; s < states; ++s)
      if (now[s] > 0) spread(choices(s), people - 1, 0, now[s], next);
    return next;
  };

  // A person is 3 * place + health.
  Choices first;
  for (int a = 0; a < people; ++a) first.push_back({{3 * (a % 3), 1 - probability[0]}, {3 * (a % 3) + 1, probability[0]}});
  Eigen::VectorXd now = Eigen::VectorXd::Zero(states);
  spread(first, people - 1, 0, 1, now);
  double distance = 0;
  for (const double target : model.trajectory) {
    now = step(now, [&](int s) {
      Choices moves;
      for (int a = 0; a < people; ++a) {
        const int person = of(s, a);
        moves.emplace_back();
        const std::vector<int>& ways = model.network[static_cast<std::size_t>(person / 3)];
        for (const int to : ways) moves.back().push_back({3 * to + person % 3, 1.0 / static_cast<double>(ways.size())});
      }
      return moves;
    });
    now = step(now, [&](int s) {
      Choices changes;
      for (int a = 0; a < people; ++a) {
        const int person = of(s, a), health = person % 3;
        double escape = 1;
        for (int b = 0; b < people; ++b)
          if (of(s, b) % 3 == 1 && of(s, b) / 3 == person / 3) escape *= 1 - probability[2 + person / 3];
        const double chance = health == 0 ? 1 - escape : health == 1 ? probability[1] : 0;
        changes.push_back({{person, 1 - chance}});
        if (chance > 0) changes.back().push_back({person + 1, chance});
      }
      return changes;
    });
    for (int s = 0; s < states; ++s) {
      double sick = 0;
      for (int a = 0; a < people; ++a) sick += of(s, a) % 3 == 1;
      distance += now[s] * std::pow(100 * (sick / people - target), 2) / static_cast<double>(model.trajectory.size());
    }
  }
  return distance;
}

Eigen::VectorXd theta() {
  Eigen::VectorXd t(5);
  t << 0, -1, 0, -0.3, 0.2;
  return t;
}

stoat::Exact truth(const Epidemic& model) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta(), "Markov chain");
}

}  // namespace

TEST_CASE("two people for two steps, enumerated") {
  const Epidemic model{.network = row, .people = 2, .trajectory = {0.5, 0.2}};
  const stoat::Exact x = stoat::enumerate(model, theta()), t = truth(model);
  CHECK(x.value == doctest::Approx(t.value).epsilon(1e-11));
  CHECK((x.gradient - t.gradient).norm() <= 1e-8 * t.gradient.norm());
}

TEST_CASE("four people for three steps, estimated, and the plain twin") {
  const Epidemic model{.network = crowded, .people = 4, .trajectory = {0.3, 0.6, 0.7}};
  agreement::check_estimates(model, theta(), truth(model), 20'000);
  agreement::check_plain(PlainEpidemic{crowded, 4, model.trajectory}, theta(), truth(model).value, 200'000);
}

TEST_CASE("the network has 100 places and 343 ways between them") {
  const Network ways = small_world();
  CHECK(ways.size() == 100);
  std::size_t ends = 0;
  for (const auto& from : ways) ends += from.size() - 1;
  CHECK(ends == 2 * 343);
}
