#include <iostream>
#include <stoat/snn.hpp>

#include "model.hpp"
#include "tape.hpp"

using namespace stoat;

int main() {
  // Adjoints go through statements of both sides: d 2 x sin(x) / dx.
  Tape<double> tape;
  const Var<double> x = tape.variable(1.0);
  const Var<double> y = twice(x) * sin(x) * one();
  tape.backward(y);
  const double slope = tape.adjoint(x), expected = 2 * std::sin(1.0) + 2 * std::cos(1.0);
  if (std::abs(slope - expected) > 1e-15) return std::cerr << "slope " << slope << " instead of " << expected << '\n', 1;

  // The program's own instances of the tape are those of the library, too.
  const auto [value, gradient] = value_and_gradient([](const auto& z) { return z[0] * z[0]; }, Eigen::VectorXd::Ones(1));
  if (gradient[0] != 2) return std::cerr << "gradient " << gradient << " instead of 2\n", 1;
  if (const double g = of_coin(0.3).gradient[0]; g != 3) return std::cerr << "gradient " << g << " instead of 3\n", 1;

  // Exceptions of the libraries are caught by their types.
  try {
    refuse();
    return std::cerr << "no error\n", 1;
  } catch (const Error&) {}
  try {
    const snn::Network wrong(1, 1, {});
    return std::cerr << "no error of an empty network\n", 1;
  } catch (const InvalidArgument&) {}
}
