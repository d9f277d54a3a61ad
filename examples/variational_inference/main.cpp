// examples/variational_inference/main.cpp: coins that approach the posterior over subsets of columns.
#include <cmath>

#include <common/showcase.hpp>

#include "plain.hpp"
#include "program.hpp"
#include "subsets.hpp"

using namespace stoat;
using namespace variational_inference;

namespace {

/// Twelve measurements and ten waves, of which three make y.
Selection waves() {
  Selection s;
  s.design = Eigen::MatrixXd::NullaryExpr(
      12, 10, [](Eigen::Index i, Eigen::Index j) { return std::sin(0.4 * static_cast<double>((i + 1) * (j + 1))); });
  s.y = s.design.col(1) + s.design.col(4) + s.design.col(5);
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  const Selection model = waves();
  const PlainSelection plain{model.design, model.y};
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(10, -1);  // the prior
  std::vector<std::string> names;
  for (int j = 0; j < 10; ++j) names.push_back("logit of wave " + std::to_string(j));
  return showcase::run({.name = "variational_inference",
                        .title = "Coins that approach a posterior over subsets",
                        .text = "<p>Which of ten waves make up a signal? Coins, one for each wave, are to approach the posterior "
                                "over the 1024 subsets: the "
                                "mean of log q(z) - log p(z, y) over their outcomes z is to be as small as possible.</p>",
                        .program = model,
                        .theta = theta,
                        .parameters = names,
                        .plain = [plain](const Eigen::VectorXd& t, auto& generator) { return plain(generator, t); },
                        .truth =
                            [model, theta] {
                              return showcase::differentiated([&](const Eigen::VectorXd& t) { return free_energy(model, t); },
                                                              theta, "sum over subsets");
                            },
                        .estimator = DebiasedSurrogate{1},
                        .samples = 20'000,
                        .descent = {.program = model,
                                    .start = theta,
                                    .estimator = DebiasedSurrogate{1},
                                    .optimizer = Adam{0.1},
                                    .iterations = 300,
                                    .samples = 16,
                                    .cost = "free energy",
                                    .parameters = names,
                                    .known = [&] { return -log_evidence(model); },
                                    .known_source = "minus log evidence"}},
                       argc, argv);
}
