// The tape itself: recording, appending, marks, several tapes, memory.
#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include <stoat/random/philox.hpp>
#include <stoat/tape/gradient.hpp>

#include "sanitized.hpp"
#include "tape/differences.hpp"

using namespace stoat;

TEST_CASE("a variable used many times collects all its adjoints") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.7);
  Var<double> y = x * x * x + sin(x) * x - 2 / x;
  y *= y;
  y -= x;
  tape.backward(y);
  const double f = 0.7 * 0.7 * 0.7 + std::sin(0.7) * 0.7 - 2 / 0.7;
  const double df = 3 * 0.49 + std::cos(0.7) * 0.7 + std::sin(0.7) + 2 / 0.49;
  CHECK(tape.adjoint(x) == doctest::Approx(2 * f * df - 1).epsilon(1e-14));
}

TEST_CASE("adjoints of intermediate variables are those of the variable alone") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.7);
  const Var<double> y = x + 1;  // not the same variable as x, though it has the same derivative
  const Var<double> z = x * x + 3 * y;
  tape.backward(z);
  CHECK(tape.adjoint(y) == 3);
  CHECK(tape.adjoint(x) == doctest::Approx(2 * 0.7 + 3));
}

TEST_CASE("passive values record nothing") {
  Tape<double> tape;
  Var<double> x = 2.0;
  x += 3;
  const Var<double> y = exp(x) * x;
  CHECK_FALSE(y.active());
  CHECK(tape.arguments() == 0);
  CHECK(y.value() == std::exp(5.0) * 5.0);
}

TEST_CASE("an infinite partial behind a zero adjoint does not poison the gradient") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.0);
  const Var<double> root = sqrt(x);  // slope infinity at 0
  const Var<double> y = 0.0 * root + x;
  tape.backward(y);
  CHECK(tape.adjoint(x) == 1);
}

// ---- appending --------------------------------------------------------------------------------------------------------

TEST_CASE("a sum in a loop is one statement") {
  Tape<double> tape;
  const auto x = variables(tape, Eigen::VectorXd(Eigen::VectorXd::LinSpaced(100, 1, 2)));
  const Index before = tape.size();
  Var<double> s = 0;
  for (Eigen::Index i = 0; i + 1 < 100; i += 2) s += x[i] * x[i + 1];
  s -= 3;
  s -= x[0];
  CHECK(tape.size() == before + 1);
  CHECK(tape.arguments() == 101);
  tape.backward(s);
  CHECK(tape.adjoint(x[0]) == x[1].value() - 1);
  CHECK(tape.adjoint(x[7]) == x[6].value());

  // 255 arguments are the most of one statement; then the next begins.
  Var<double> t = 0;
  for (int repeat = 0; repeat < 100; ++repeat)
    for (Eigen::Index i = 0; i < 100; ++i) t += x[i];
  CHECK(tape.size() == before + 1 + 40);
  tape.backward(t);
  CHECK(tape.adjoint(x[42]) == 100);
}

TEST_CASE("nothing is appended to a variable that something else refers to") {
  Tape<double> tape;
  const Var<double> a = tape.variable(2), b = tape.variable(3);
  const auto gradient = [&](const Var<double>& y) {
    tape.backward(y);
    return std::array{tape.adjoint(a), tape.adjoint(b)};
  };
  Var<double> s = 0;
  s += a * b;
  SUBCASE("a copy") {
    const Var<double> copy = s;
    s += a;
    CHECK(gradient(copy) == std::array{3.0, 2.0});
    CHECK(gradient(s) == std::array{4.0, 2.0});
  }
  SUBCASE("a copy by assignment") {
    Var<double> copy;
    copy = s;
    s += a;
    CHECK(gradient(copy) == std::array{3.0, 2.0});
  }
  SUBCASE("a moved-from original") {
    Var<double> moved = std::move(s);
    moved += a;
    CHECK(gradient(s) == std::array{3.0, 2.0});
    CHECK(gradient(moved) == std::array{4.0, 2.0});
  }
  SUBCASE("itself on the right") {
    s += s * b;
    CHECK(gradient(s) == std::array{12.0, 8.0 + 6.0});
    Var<double> t = 0;
    t += a;
    t += t;
    CHECK(gradient(t) == std::array{2.0, 0.0});
  }
  SUBCASE("an expression that waits") {
    const auto waiting = s * 2.0;
    s += a;
    const Var<double> y = waiting, z = waiting + 1;  // used twice
    CHECK(gradient(y) == std::array{6.0, 4.0});
    CHECK(gradient(z) == std::array{6.0, 4.0});
    CHECK(y.value() == 12);
  }
  SUBCASE("an index that was asked for") {
    const Index index = s.index();
    s += a;
    CHECK(s.index() != index);
    tape.clear_adjoints();
    tape.adjoints()[index] = 1;
    tape.reverse();
    CHECK(tape.adjoint(a) == 3);
  }
  SUBCASE("a mark") {
    const auto mark = tape.mark();
    const Var<double> before = s;
    s += a;
    tape.rewind(mark);
    CHECK(gradient(before) == std::array{3.0, 2.0});
  }
  SUBCASE("a vector that was gathered from it") {
    const Vector<Var<double>> v{s, a};
    s += a;
    CHECK(gradient(v[0]) == std::array{3.0, 2.0});
    CHECK(gradient(s) == std::array{4.0, 2.0});
  }
  SUBCASE("an element of a vector") {
    const Vector<Var<double>> v{a, a * b};
    Var<double> last = v[1];
    last += a;
    CHECK(gradient(v[1]) == std::array{3.0, 2.0});
    CHECK(gradient(last) == std::array{4.0, 2.0});
  }
  SUBCASE("a container that grew") {
    std::vector<Var<double>> all(1);
    all[0] += a * b;
    all.push_back(all[0]);
    all[0] += a;
    all[1] -= b;
    CHECK(gradient(all[0]) == std::array{4.0, 2.0});
    CHECK(gradient(all[1]) == std::array{3.0, 1.0});
  }
  SUBCASE("another tape in between") {
    {
      Tape<double> other;
      Var<double> t = 0;
      t += other.variable(1);
    }
    s += a;
    CHECK(gradient(s) == std::array{4.0, 2.0});
  }
  SUBCASE("a block of operations, even an empty one") {
    const Var<double> copy = s;
    tape.inputs(0);
    s += a;
    CHECK(gradient(copy) == std::array{3.0, 2.0});
  }
}

namespace {

/// A random straight-line program over a few variables, the same in every scalar. Decisions come from the generator alone.
template <class S>
S random_program(Generator random, const Vector<S>& x, int steps) {
  constexpr std::size_t count = 6;
  std::vector<S> v;
  for (std::size_t i = 0; i < count; ++i)
    v.push_back(x[static_cast<Eigen::Index>(i) % x.size()] * (1.0 + 0.1 * static_cast<double>(i)));
  std::vector<S> kept;
  const auto pick = [&]() -> S& { return v[random() % count]; };
  const auto input = [&] { return x[static_cast<Eigen::Index>(random() % static_cast<std::uint32_t>(x.size()))]; };
  for (int t = 0; t < steps; ++t) {
    const double c = random.uniform() - 0.5;
    S& a = pick();
    S& b = pick();
    switch (random() % 20) {
      case 0: a = sin(a) * c + b; break;
      case 1: a += c * b; break;
      case 2: a += input() * c; break;
      case 3: a -= input() * c; break;
      case 4: a += c; break;
      case 5: a = b; break;
      case 6: a += a * c; break;
      case 7: kept.push_back(a); break;
      case 8:
        if (!kept.empty()) b = kept.back();
        break;
      case 9: std::swap(a, b); break;
      case 10: a *= 0.5 + c; break;
      case 11: a = std::move(b), b = input(); break;
      case 12: {
        const Vector<S> w{a, b, input()};
        a += dot(w, w) * 0.01;
        break;
      }
      case 13: {
        const auto waiting = b * c;
        b += input();
        a = waiting;
        break;
      }
      case 14: a = 0; break;
      case 15: a = tanh(a); break;
      case 16:
        for (int k = 0; k < 4; ++k) a += input() * (c * k);
        break;
      case 17: {
        S copy = a;
        copy += input();
        b = copy * 0.5;
        break;
      }
      case 18: v.reserve(v.capacity() + 1); break;  // moves all
      case 19:
        if constexpr (is_var<S>) (void)a.index();
        break;
    }
  }
  S result = 0;
  for (const S& a : v) result += a;
  for (const S& a : kept) result -= a * 0.25;
  return result;
}

}  // namespace

TEST_CASE("random programs full of sums, copies and moves have the gradients of forward mode") {
  std::size_t arguments = 0, statements = 0;
  for (std::uint64_t run = 0; run < 2000; ++run) {
    CAPTURE(run);
    const Generator random({12, run});
    const auto f = [&](const auto& x) { return random_program(random, x, 60); };
    const Eigen::Vector4d x(0.3, -0.7, 1.1, 0.2);
    Tape<double> tape;
    const auto v = variables(tape, x);
    const Var<double> y = f(v);
    REQUIRE(y.value() == doctest::Approx(f(Vector<double>(x))).epsilon(1e-12));
    tape.backward(y);
    arguments += tape.arguments(), statements += tape.size();
    const Eigen::MatrixXd forward =
        jacobian([&](const auto& at) { return Vector<ScalarOf<decltype(at)>>{f(at)}; }, x, JacobianMode::forward);
    for (Eigen::Index j = 0; j < 4; ++j) REQUIRE(test::close(tape.adjoint(v[j]), forward(0, j), 1e-11));
  }
  CHECK(static_cast<double>(arguments) > 1.5 * static_cast<double>(statements));  // some were indeed appended
}

// ---- marks and tapes --------------------------------------------------------------------------------------------------

TEST_CASE("rewinding forgets, and reuse gives the same bits") {
  Tape<double> tape;
  const Var<double> x = tape.variable(1.5);
  const auto mark = tape.mark();
  const auto gradient = [&] {
    tape.rewind(mark);
    Var<double> y = x;
    for (int i = 0; i < 1000; ++i) y = sin(y) * 1.01 + x / 7;
    tape.backward(y);
    return tape.adjoint(x);
  };
  const double first = gradient();
  const auto size = tape.size();
  CHECK(gradient() == first);
  CHECK(tape.size() == size);
  const auto later = tape.mark();
  tape.rewind(mark);
  CHECK_THROWS_AS(tape.rewind(later), InvalidArgument);
}

TEST_CASE("tapes nest, and the newest live one is current whatever the order of death") {
  auto a = std::make_unique<Tape<double>>();
  auto b = std::make_unique<Tape<double>>();
  CHECK(Tape<double>::current() == b.get());
  {
    Tape<double>::Use use(*a);
    CHECK(Tape<double>::current() == a.get());
    Tape<double>::Scratch scratch;
    CHECK(Tape<double>::current() == &*scratch);
  }
  auto c = std::make_unique<Tape<double>>();
  b.reset();
  CHECK(Tape<double>::current() == c.get());
  c.reset();
  CHECK(Tape<double>::current() == a.get());
  a.reset();
  CHECK(Tape<double>::current() == nullptr);
}

TEST_CASE("adjoints of variables that are not on the tape are refused in every build") {
  Tape<double> a;
  const Var<double> x = a.variable(1);
  Tape<double> b;
  const Var<double> y = b.variable(2);
  CHECK_THROWS_AS(b.adjoint(x), InvalidArgument);
  CHECK_THROWS_AS(b.backward(x), InvalidArgument);
  b.backward(y);
  CHECK_THROWS_WITH_AS(b.adjoint(Var<double>(y * 2)), "Tape: adjoint() of a variable recorded after the sweep", InvalidArgument);
  b.clear();
  b.variable(3), b.variable(4);
  CHECK_THROWS_AS(b.backward(y), InvalidArgument);
  CHECK_THROWS_AS(b.adjoint(y), InvalidArgument);
  CHECK(b.adjoint(Var<double>(3.0)) == 0);
}

TEST_CASE("a variable from before a mark lives on through any number of rewinds, one from after it does not") {
  Tape<double> tape;
  const Var<double> x = tape.variable(1);
  const auto outer = tape.mark();
  const Var<double> y = 2 * x;
  const auto inner = tape.mark();
  Var<double> old;
  for (int i = 0; i < 10000; ++i) {
    tape.rewind(inner);
    const Var<double> z = x * y;
    REQUIRE(tape.owns(x.index(), x.tag()));
    REQUIRE(tape.owns(y.index(), y.tag()));
    REQUIRE(tape.owns(z.index(), z.tag()));
    if (i > 0) REQUIRE_FALSE(tape.owns(old.index(), old.tag()));
    old = z;
  }
  tape.rewind(outer);
  const Var<double> w = 3 * x;
  CHECK(w.index() == y.index());
  CHECK_FALSE(tape.owns(y.index(), y.tag()));
  CHECK(tape.owns(w.index(), w.tag()));
}

TEST_CASE("each thread has its own current tape") {
  const auto gradient = [](double at, double& result) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      Tape<double> tape;
      const Var<double> x = tape.variable(at);
      Var<double> s = 0;
      for (int i = 0; i < 1000; ++i) s += sin(x * i) * x;
      tape.backward(s);
      result = tape.adjoint(x);
    }
  };
  std::array<double, 4> apart{}, together{};
  for (std::size_t i = 0; i < 4; ++i) gradient(0.1 * static_cast<double>(i), apart[i]);
  Tape<double> mine;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) threads.emplace_back(gradient, 0.1 * static_cast<double>(i), std::ref(together[i]));
  for (std::thread& t : threads) t.join();
  CHECK(apart == together);
  CHECK(Tape<double>::current() == &mine);
  CHECK(mine.size() == 1);
}

TEST_CASE("float tapes work like double ones") {
  Tape<float> tape;
  const Var<float> x = tape.variable(0.5f);
  const Var<float> y = exp(2 * x) / x;
  tape.backward(y);
  CHECK(tape.adjoint(x) == doctest::Approx(std::exp(1.0) * (2 / 0.5 - 4)).epsilon(1e-5));
}

TEST_CASE("comparisons of active values are counted, those of value() are not") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.5);
  CHECK(x < 1);
  CHECK(bool(2 * x == 1.0));
  CHECK(tape.comparisons().count == 2);
  CHECK(value(x) < 1);
  const Var<double> constant = 3;
  CHECK(constant > 1);
  CHECK(tape.comparisons().count == 2);
  CHECK(max(x, x).value() == 0.5);
  CHECK(tape.comparisons().count == 2);
  CHECK(Dual<double>(2, 1) < 3);
  CHECK(Dual<double>(2, 1) == Dual<double>(2, 5));
}

TEST_CASE("generic code means the same in double and in Var") {
  // Without the overloads of std in namespace stoat, abs(-0.5) in double could be the integer 0.
  const auto f = []<class S>(const S& x) -> S { return abs(x - 1) + pow(x, 2) / 3 + max(x, S(0.25)) + 1 / x; };
  Tape<double> tape;
  const Var<double> x = tape.variable(0.5);
  CHECK(value(f(x)) == f(0.5));
  CHECK(abs(-0.5) == 0.5);
}

TEST_CASE("printing a variable prints its value, a Dual its tangents too") {
  std::ostringstream out;
  Tape<double> tape;
  const Var<double> x = tape.variable(1.5);
  out << x << ' ' << x * 2 << ' ' << Dual<double>(1, 2);
  CHECK(out.str() == "1.5 3 1 [2]");
}

// ---- memory -----------------------------------------------------------------------------------------------------------

TEST_CASE("a tape grows and keeps what it has") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.5);
  Var<double> s = x;
  constexpr int n = 3'000'000;
  for (int i = 0; i < n; ++i) s = s * 0.9999999 + x;
  tape.backward(s);
  double expected = 1;
  for (int i = 0; i < n; ++i) expected = expected * 0.9999999 + 1;
  CHECK(tape.adjoint(x) == doctest::Approx(expected).epsilon(1e-9));
}

TEST_CASE("a limit on memory is an Error that leaves the tape usable") {
  Tape<double> tape;
  tape.limit_memory(std::size_t{1} << 20);
  const Var<double> x = tape.variable(0.5);
  Var<double> s = x;
  const auto endless = [&] {
    for (;;) s = sin(s) * x;
  };
  try {
    endless();
    FAIL("no error");
  } catch (const Error& e) {
    const std::string what = e.what();
    CAPTURE(what);
    CHECK(what.find("Tape: out of memory") == 0);
    CHECK(what.find("allowed") != std::string::npos);
    CHECK(what.find("arguments") != std::string::npos);
  }
  CHECK(tape.bytes() <= std::size_t{1} << 20);
  CHECK(tape.bytes() > std::size_t{1} << 18);
  // The statement that did not fit is not there; a sweep from the last one that did works, if its adjoints fit.
  tape.limit_memory(std::size_t{1} << 22);
  tape.backward(s);
  CHECK(std::isfinite(tape.adjoint(x)));
  tape.clear();
  const Var<double> y = tape.variable(2);
  tape.backward(y * y);
  CHECK(tape.adjoint(y) == 4);

  // A block that does not fit.
  Tape<double> small;
  small.limit_memory(1000);
  CHECK_THROWS_AS(small.inputs(100000), Error);
  CHECK(small.size() == 1);
}

TEST_CASE("more variables than an index can count are an Error, not a wrap") {
  Tape<double> tape;
  CHECK_THROWS_WITH_AS(tape.inputs(std::size_t{1} << 32), doctest::Contains("it can count 4294967294 variables"), Error);
  CHECK_THROWS_AS(tape.inputs(std::numeric_limits<std::size_t>::max()), Error);
  CHECK(tape.size() == 1);
}

TEST_CASE("statements have 1 to 255 arguments") {
  Tape<double> tape;
  CHECK_THROWS_AS(tape.open_statement(0), InvalidArgument);
  CHECK_THROWS_AS(tape.open_statement(256), InvalidArgument);
}

#ifndef STOAT_SANITIZED
TEST_CASE("when the system refuses memory, recording throws and the tape goes on") {
  // In a process of its own, which may use 200 MiB more of address space than now.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto used = [] {
      std::ifstream statm("/proc/self/statm");
      std::size_t pages = 0;
      statm >> pages;
      return pages * 4096;
    };
    int status = 1;
    try {
      const rlimit limit{used() + (std::size_t{200} << 20), RLIM_INFINITY};
      if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
      Tape<double> tape;
      const Var<double> x = tape.variable(0.5);
      Var<double> s = x;
      std::size_t statements = 0;
      try {
        for (;; ++statements) s = s * 0.5 + x;
      } catch (const Error& e) {
        const std::string what = e.what();
        if (what.find("Tape: out of memory") != 0) _exit(3);
      }
      if (statements < 1'000'000) _exit(4);  // 200 MiB hold more than that
      tape.clear();
      const Var<double> y = tape.variable(3);
      tape.backward(y * y);
      status = tape.adjoint(y) == 6 ? 0 : 5;
    } catch (...) { status = 6; }
    _exit(status);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif
