#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include <boost/random/normal_distribution.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <stoat/random/philox.hpp>

using namespace stoat;

TEST_CASE("philox reproduces the known answers of Random123") {
  // Random123 kat_vectors: philox4x32-10, counter and key of zeros.
  const Words zeros = philox({0, 0, Purpose::program}, 0, 0);
  CHECK(zeros[0] == 0x6627e8d5u);
  CHECK(zeros[1] == 0xe169c58du);
  CHECK(zeros[2] == 0xbc57ac4cu);
  CHECK(zeros[3] == 0x9b00dbd8u);
}

TEST_CASE("every field of the address changes the words") {
  const auto first = [](RunKey key, std::uint64_t site, std::uint32_t word) { return philox(key, site, word)[0]; };
  std::set<std::uint32_t> seen;
  seen.insert(first({1, 2, Purpose::program}, 3, 4));
  seen.insert(first({2, 2, Purpose::program}, 3, 4));
  seen.insert(first({std::uint64_t{1} << 40 | 1, 2, Purpose::program}, 3, 4));
  seen.insert(first({1, 3, Purpose::program}, 3, 4));
  seen.insert(first({1, 2 + (std::uint64_t{1} << 16), Purpose::program}, 3, 4));
  seen.insert(first({1, 2 + (std::uint64_t{1} << 39), Purpose::program}, 3, 4));
  seen.insert(first({1, 2, Purpose::engine}, 3, 4));
  seen.insert(first({1, 2, Purpose::program}, 4, 4));
  seen.insert(first({1, 2, Purpose::program}, 3 + (std::uint64_t{1} << 32), 4));
  seen.insert(first({1, 2, Purpose::program}, 3, 5));
  CHECK(seen.size() == 10);
}

TEST_CASE("a generator is a function of its address and feeds Boost.Random") {
  Generator a({7, 1}), b({7, 1}), c({7, 2});
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto x = a();
    CHECK(x == b());
    differs = differs || x != c();
  }
  CHECK(differs);
  // Mean and variance of 20000 standard normals: a false alarm at 4.5 standard errors happens once in 1e5.
  boost::random::normal_distribution<double> normal;
  double sum = 0, squares = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const double x = normal(a);
    sum += x, squares += x * x;
  }
  CHECK(std::abs(sum / n) < 4.5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) < 4.5 * std::sqrt(2.0 / n));
  boost::random::uniform_int_distribution<int> die(1, 6);
  for (int i = 0; i < 100; ++i) CHECK_NOTHROW(die(a));
}

TEST_CASE("uniform numbers stay in [0, 1) and fill it") {
  CHECK(uniform53(0, 0) == 0);
  CHECK(uniform53(0xffffffff, 0xffffffff) < 1);
  Generator g({3, 0});
  int bins[16] = {};
  const int n = 160000;
  for (int i = 0; i < n; ++i) ++bins[static_cast<int>(16 * g.uniform())];
  double chi = 0;
  for (const int b : bins) chi += (b - n / 16.0) * (b - n / 16.0) / (n / 16.0);
  CHECK(chi < 44.3);  // chi-squared with 15 degrees of freedom: false alarm 1e-4
}
