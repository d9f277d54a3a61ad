// A new estimator, from outside the library.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// Local expectation gradient (Titsias and Lazaro-Gredilla 2015) at one site, chosen at random: every outcome y of it is replayed,
/// and sum_y f(y) dP(y) / d parameter, times the number of sites, is seeded at its parameters. For laws with finitely many
/// outcomes.
struct LocalExpectation {
  static constexpr bool unbiased = true;
  std::string name() const { return "LocalExpectation"; }
  template <class T>
  void sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
    out.value = static_cast<double>(trace.run(context.key()));
    trace.record(Outcomes::constants);
    trace.begin_sweep();
    trace.seed_cost(1);
    const auto n = static_cast<double>(trace.sites());
    const auto i = static_cast<std::size_t>(context.choices().uniform() * n);
    const Site& s = trace.site(i);
    const Support support = s.law->support(s.plain);
    if (!support.finite()) throw Refusal(name() + ": " + std::string(s.law->name) + " has infinitely many outcomes");
    std::vector<double> slope(s.count);
    for (std::int64_t y = support.lower; s.count > 0 && y <= support.upper; ++y) {
      const auto f = static_cast<double>(y == s.outcome ? trace.cost() : trace.replay(i, y));
      s.law->pmf_derivative(s.plain, y, slope);
      for (std::uint32_t j = 0; j < s.count; ++j) trace.seed(i, j, static_cast<T>(n * f * slope[j]));
    }
    trace.sweep(out.gradient);
  }
};
static_assert(Estimator<LocalExpectation>);

}  // namespace

TEST_CASE("an estimator written against the public trace works with every driver") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    const S k = draw(Binomial(2, logistic(t[1] + a)));
    return exp(a - k) * t[0] + square(k);
  };
  const Eigen::VectorXd theta = Eigen::Vector2d(0.3, -0.4);
  const Exact truth = enumerate(program, theta);
  const Estimate e = estimate(program, theta, LocalExpectation{}, {.samples = 50'000, .seed = 31});
  // 5 standard errors: one false alarm in 1.7 million for each of the two coordinates.
  for (Eigen::Index j = 0; j < 2; ++j) CHECK(std::abs(e.gradient[j] - truth.gradient[j]) < 5 * e.gradient_error[j]);
  const Comparison c = compare(program, theta, {LocalExpectation{}}, {.samples = 2000});
  CHECK(c.rows[0].estimator == "LocalExpectation");
  CHECK(c.rows[0].skipped == "");
  const auto poisson = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Poisson(exp(t[0]))); };
  CHECK_THROWS_WITH_AS(estimate(poisson, theta, LocalExpectation{}), "LocalExpectation: Poisson has infinitely many outcomes",
                       Refusal);
}
