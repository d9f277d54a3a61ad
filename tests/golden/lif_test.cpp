// One leaky integrate-and-fire neuron: paper.md 2.3.
#include <doctest/doctest.h>

#include <cmath>

#include <surrogate_gradients/lif.hpp>

using namespace surrogate_gradients;

TEST_CASE("A13: sums over twelve steps") {
  const LifStep total = sum(lif_steps(10));
  CHECK(std::abs(total.spikes - 2.17740829) < 1e-7);
  CHECK(std::abs(total.exact - 0.65950323) < 1e-7);
  CHECK(std::abs(total.detached - 1.74027915) < 1e-7);
  CHECK(std::abs(total.differentiated - 0.83652442) < 1e-7);
  CHECK(std::abs(total.exact_without_reset - 0.70442991) < 1e-7);
  CHECK(std::abs(total.without_reset - total.exact_without_reset) < 1e-12);
}

TEST_CASE("the first derivative that is not 0 is at step 2, where all agree") {
  const double printed[] = {.012558, .000749};
  for (const double beta : {5.0, 10.0}) {
    CAPTURE(beta);
    const std::vector<LifStep> steps = lif_steps(beta);
    for (const std::size_t n : {std::size_t{0}, std::size_t{1}}) {
      CHECK(std::abs(steps[n].exact) < 1e-15);
      CHECK(std::abs(steps[n].detached) < 1e-15);
      CHECK(std::abs(steps[n].differentiated) < 1e-15);
    }
    CHECK(std::abs(steps[2].exact - printed[beta == 10]) < 5e-7);
    CHECK(std::abs(steps[2].detached - steps[2].exact) < 0.05 * steps[2].exact);
    CHECK(std::abs(steps[2].differentiated - steps[2].exact) < 0.05 * steps[2].exact);
    // Step by step the neuron without a reset has no bias.
    for (const LifStep& step : steps) CHECK(std::abs(step.without_reset - step.exact_without_reset) < 1e-12);
  }
}
