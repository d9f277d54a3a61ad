#include "tape.hpp"

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

double one() {
  stoat::Tape<double> tape;
  const stoat::Var<double> x = tape.variable(0.0);
  tape.backward(stoat::Var<double>(exp(x)));
  return tape.adjoint(x);
}
