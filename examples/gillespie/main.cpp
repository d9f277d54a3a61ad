// examples/gillespie/main.cpp: how a gene makes the right number of proteins.
#include <algorithm>

#include <common/showcase.hpp>

#include "moments.hpp"
#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace gillespie;

namespace {

/// Rates of transcription, decay of messengers, translation, decay of proteins.
Eigen::VectorXd rates(double transcription, double translation) { return Eigen::Vector4d(transcription, 0.5, translation, 0.3); }

/// The squared distance, and the energy of transcription. t = logarithms of the rates of transcription and translation.
struct Cell {
  Gillespie gene;

  static constexpr double energy = 10;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S transcription = exp(t[0]);
    return gene(draw, Vector<S>{transcription, S(0.5), exp(t[1]), S(0.3)}) + energy * transcription;
  }
};

/// The least expected cost, on a grid.
double least_cost(const Gillespie& gene) {
  double least = expected(gene, rates(1, 1)) + Cell::energy;
  for (double transcription = 0.5; transcription < 8; transcription += 0.1)
    for (double translation = 0.5; translation < 8; translation += 0.1)
      least = std::min(least, expected(gene, rates(transcription, translation)) + Cell::energy * transcription);
  return least;
}

}  // namespace

int main(int argc, char** argv) {
  const Gillespie gene{gene_expression()};
  const Eigen::VectorXd theta = rates(1.5, 2);
  return showcase::run(
      {.name = "gillespie",
       .title = "How a gene makes the right number of proteins",
       .text =
           "<p>A gene is transcribed into messengers, messengers are translated into proteins, and both decay, one random event "
           "after the other for eight hours. How does the squared distance between the number of proteins and 30 depend on the "
           "four rates?</p>",
       .program = gene,
       .theta = theta,
       .parameters = {"transcription", "messenger decay", "translation", "protein decay"},
       .plain = [gene](const Eigen::VectorXd& t, auto& generator) { return PlainGillespie{gene.network}(generator, t); },
       .truth =
           [gene, theta] {
             return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(gene, t); }, theta,
                                             "equations of the moments");
           },
       .estimator = StochasticDerivative{8},
       .samples = 20'000,
       .descent = {.program = Cell{gene},
                   .start = Eigen::Vector2d(-1, -1),
                   .estimator = StochasticDerivative{8},
                   .optimizer = Adam{0.05},
                   .iterations = 200,
                   .samples = 16,
                   .cost = "squared distance and energy",
                   .parameters = {"log transcription", "log translation"},
                   .known = [&] { return least_cost(gene); },
                   .known_source = "least, on a grid of the moments"}},
      argc, argv);
}
