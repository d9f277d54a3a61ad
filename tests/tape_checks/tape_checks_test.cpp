// The checks of debug builds, whatever the build type of the rest: this executable is compiled without NDEBUG.
#include <doctest/doctest.h>

#include <memory>

#include <stoat/tape/gradient.hpp>

#ifdef NDEBUG
#error "compile with assertions"
#endif

using namespace stoat;

TEST_CASE("a variable of one tape is caught in a recording of another") {
  Tape<double> a;
  const Var<double> x = a.variable(1);
  Tape<double> b;
  const Var<double> y = b.variable(2);
  const char* const message = "Var: a variable is used that is not on the current tape (of another tape, or rewound since)";
  CHECK_THROWS_WITH_AS(Var<double>(x * y), message, InvalidArgument);
  Var<double> s = 0;
  s += y;
  CHECK_THROWS_WITH_AS(s += x, message, InvalidArgument);
  CHECK_THROWS_WITH_AS((Vector<Var<double>>{y, x}), message, InvalidArgument);
}

TEST_CASE("a rewound variable is caught, even when its place was recorded again") {
  Tape<double> tape;
  const Var<double> x = tape.variable(1);
  const auto mark = tape.mark();
  const Var<double> stale = exp(x);
  const Vector<Var<double>> stale_vector{x, stale};
  tape.rewind(mark);
  const Var<double> fresh = sin(x);
  const Vector<Var<double>> fresh_vector{x, fresh};
  CHECK(fresh.index() == stale.index());
  CHECK_THROWS_AS(Var<double>(stale + 1), InvalidArgument);
  CHECK_THROWS_AS(Var<double>(stale * fresh), InvalidArgument);
  CHECK_THROWS_AS(Vector<Var<double>>(exp(stale_vector)), InvalidArgument);
  CHECK_THROWS_AS(Vector<Var<double>>(stale * fresh_vector), InvalidArgument);
  CHECK_THROWS_AS(sum(stale_vector), InvalidArgument);
  CHECK_THROWS_AS(dot(stale_vector, fresh_vector), InvalidArgument);
  CHECK_NOTHROW(dot(fresh_vector, fresh_vector));
}

TEST_CASE("an active variable without a tape is caught") {
  auto tape = std::make_unique<Tape<double>>();
  const Var<double> x = tape->variable(1);
  tape.reset();
  CHECK_THROWS_WITH_AS(Var<double>(x * 2), "Var: an active variable is used while no tape is current", InvalidArgument);
  CHECK_THROWS_WITH_AS((Vector<Var<double>>{1.0, 2.0}), "Vector: variables are made while no tape is current", InvalidArgument);
}

TEST_CASE("the layout of a variable does not depend on the build") {
  CHECK(sizeof(Var<double>) == 16);
  CHECK(sizeof(Var<float>) == 12);
}
