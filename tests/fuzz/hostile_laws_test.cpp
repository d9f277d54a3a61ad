// Every law with every combination of parameters from a list of numbers that make trouble: it is refused by name, or what it says
// is right.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <stoat/stoat.hpp>

#include "fuzz/hostile.hpp"

using namespace stoat;
using namespace fuzz;

namespace {

struct LawEntry {
  std::string_view name;  ///< in messages
  int parameters;
  bool bounded = false, slow = false;
};
constexpr std::array discrete{LawEntry{"Bernoulli", 1},    LawEntry{"BernoulliLogit", 1},
                              LawEntry{"Binomial", 1},     LawEntry{"Geometric", 1},
                              LawEntry{"Poisson", 1},      LawEntry{"NegativeBinomial", 2, false, true},
                              LawEntry{"BetaBinomial", 2}, LawEntry{"Zipf", 1},
                              LawEntry{"Categorical", 3},  LawEntry{"OneHot", 3},
                              LawEntry{"Truncated", 1},    LawEntry{"Truncated", 2, false, true},
                              LawEntry{"ZeroInflated", 2}, LawEntry{"Categorical", 2, true},
                              LawEntry{"Multinomial", 2}};
constexpr std::array continuous{LawEntry{"Normal", 2},      LawEntry{"LogNormal", 2},  LawEntry{"Uniform", 2},
                                LawEntry{"Exponential", 1}, LawEntry{"Laplace", 2},    LawEntry{"Logistic", 2},
                                LawEntry{"Gumbel", 2},      LawEntry{"Weibull", 2},    LawEntry{"Cauchy", 2},
                                LawEntry{"Pareto", 2},      LawEntry{"Gamma", 2},      LawEntry{"Beta", 2},
                                LawEntry{"StudentT", 3},    LawEntry{"VonMises", 2},   LawEntry{"Normal", 3},
                                LawEntry{"next_event", 2},  LawEntry{"next_event", 3}, LawEntry{"Exponential", 2}};

/// One draw of a discrete law, its parameters being `at` + theta.
struct DiscreteDraw {
  std::size_t law;
  std::array<double, 3> at;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S a = at[0] + t[0], b = at[1] + t[1], c = at[2] + t[2];
    const auto small = [](const auto& k) { return S(tanh(0.1 * S(k))); };
    switch (law) {
      case 0: return small(draw(Bernoulli(a)));
      case 1: return small(draw(BernoulliLogit(a)));
      case 2: return small(draw(Binomial(5, a)));
      case 3: return small(draw(Geometric(a)));
      case 4: return small(draw(Poisson(a)));
      case 5: return small(draw(NegativeBinomial(a, b)));
      case 6: return small(draw(BetaBinomial(5, a, b)));
      case 7: return small(draw(Zipf(a, 20)));
      case 8: return small(draw(Categorical(Vector<S>{a, b, c})));
      case 9: return small(draw(OneHot(Vector<S>{a, b, c}))[1]);
      case 10: return small(draw(Truncated(Poisson(a), 2, 6)));
      case 11: return small(draw(Truncated(NegativeBinomial(a, b), 1, Support::unbounded)));
      case 12: return small(draw(ZeroInflated<S, Poisson<S>>(a, Poisson(b))));
      case 13: return small(draw(Categorical<S>::weights(Vector<S>{a, b}, 2.0)));
      default: return small(draw(Multinomial(4, Vector<S>{a, b}))[0]);
    }
  }
};

/// The same for continuous laws, and for what is made of them.
struct ContinuousDraw {
  std::size_t law;
  std::array<double, 3> at;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S a = at[0] + t[0], b = at[1] + t[1], c = at[2] + t[2];
    switch (law) {
      case 0: return draw(Normal(a, b));
      case 1: return draw(LogNormal(a, b));
      case 2: return draw(Uniform(a, b));
      case 3: return draw(Exponential(a));
      case 4: return draw(Laplace(a, b));
      case 5: return draw(Logistic(a, b));
      case 6: return draw(Gumbel(a, b));
      case 7: return draw(Weibull(a, b));
      case 8: return draw(Cauchy(a, b));
      case 9: return draw(Pareto(a, b));
      case 10: return draw(Gamma(a, b));
      case 11: return draw(Beta(a, b));
      case 12: return draw(StudentT(a, b, c));
      case 13: return draw(VonMises(a, b));
      case 14: {
        const auto split = draw.split(Normal(a, b), c);
        return split.x * (1 + split.below);
      }
      case 15: {
        const auto next = draw.next_event(a, b);
        return next.happened.value() ? next.wait : S(0);
      }
      case 16: {
        const auto next = draw.next_event(Vector<S>{a, b}, c);
        return next.happened.value() ? next.wait + static_cast<double>(next.which) : S(0);
      }
      default: {
        const auto race = draw.race(Exponential(a), Exponential(b));
        return race.a + 2 * race.b + race.first;
      }
    }
  }
};

/// visit(parameters) for every combination.
template <class Visit>
void combinations(int parameters, const Visit& visit) {
  const auto& numbers = hostile_numbers();
  std::array<double, 3> at{0.5, 0.5, 0.5};
  for (const double a : numbers) {
    at[0] = a;
    if (parameters == 1) visit(at);
    for (std::size_t j = 0; parameters > 1 && j<numbers.size(); j += parameters> 2 ? 2 : 1) {
      at[1] = numbers[j];
      if (parameters == 2) visit(at);
      for (std::size_t k = 0; parameters > 2 && k < numbers.size(); k += 3) at[2] = numbers[k], visit(at);
    }
  }
}

bool fraction(double x) { return x >= 0 && x <= 1 + 1e-9; }

/// Parameters within which derivatives must exist. Beyond, where powers and quotients overflow, they may be lost; then estimates
/// throw.
bool tame(const std::array<double, 3>& at, int parameters) {
  return std::all_of(at.begin(), at.begin() + parameters,
                     [](double x) { return x == 0 || (std::abs(x) >= 1e-17 && std::abs(x) <= 1e10); });
}

/// What the law of a recorded draw says of some of its outcomes.
void check_site(const Trace<double>& trace, std::size_t i, bool derivatives) {
  const Site& s = trace.site(i);
  const SiteLaw& law = *s.law;
  const Support support = law.support(s.plain);
  std::vector<double> out(s.count);
  const auto numbers = [&] { return std::none_of(out.begin(), out.end(), [](double x) { return std::isnan(x); }); };
  for (const double u : {0.0, 1e-9, 0.3, 0.5, 0.99, 1 - 0x1p-53}) {
    const std::int64_t k = law.quantile(s.plain, u);
    CAPTURE(u);
    CAPTURE(k);
    CHECK(support.contains(k));
    const double p = s.pmf(k), below = law.cdf(s.plain, k), above = law.survival(s.plain, k);
    CHECK(fraction(p));
    CHECK(fraction(below));
    CHECK(fraction(above));
    CHECK(std::abs(below + above - 1) < 1e-9);
    if (p == 0 || !derivatives) continue;
    law.score(s.plain, k, out);
    CHECK(numbers());
    law.pmf_derivative(s.plain, k, out);
    CHECK(numbers());
    Alternatives alternatives;
    law.alternatives(s.plain, i, k, Flow::independent, alternatives);
    for (const Alternative& y : alternatives.list) {
      CHECK(support.contains(y.outcome));
      CHECK(y.outcome != k);
      for (const Weight& w : alternatives.of(y)) CHECK(!std::isnan(w.value));
    }
  }
}

}  // namespace

TEST_CASE("hostile parameters of discrete laws") {
  std::size_t refused = 0, valid = 0;
  for (std::size_t l = 0; l < discrete.size(); ++l) {
    CAPTURE(std::string(discrete[l].name));
    combinations(discrete[l].parameters, [&](const std::array<double, 3>& at) {
      CAPTURE(at[0]);
      CAPTURE(at[1]);
      CAPTURE(at[2]);
      const Program<double> program = DiscreteDraw{l, at};
      const Eigen::VectorXd theta = Eigen::VectorXd::Zero(3);
      Trace<double> trace(program, theta);
      const Outcome drawn = outcome_of([&] { return std::vector<double>{trace.record({1, 0}, Outcomes::variables)}; });
      if (!drawn.error.empty()) {
        ++refused;
        CHECK_MESSAGE(drawn.names(std::string(discrete[l].name)), drawn.error);
        return;
      }
      ++valid;
      // Proposals look at few of the weights, and find a bad one when they propose it.
      const bool proposed = discrete[l].bounded && !(at[0] >= 0 && at[0] <= 2 && at[1] >= 0 && at[1] <= 2);
      for (const double x : at) CHECK((!std::isnan(x) || proposed));
      for (std::size_t i = 0; i < trace.sites() && !proposed; ++i) check_site(trace, i, tame(at, discrete[l].parameters));
      // Incomplete beta functions of such arguments take up to half a second each.
      if (*std::max_element(at.begin(), at.end()) > 1e15 && discrete[l].slow) return;
      for (const AnyEstimator& e : {AnyEstimator(StochasticDerivative{0}), AnyEstimator(ScoreFunction{})}) {
        const Outcome estimated = outcome_of([&] {
          const Estimate x = estimate(program, theta, e, {.samples = 4, .threads = 1});
          return std::vector<double>{x.value, x.gradient.sum()};
        });
        CHECK_MESSAGE((!estimated.error.empty() || estimated.finite()), e.name());
      }
    });
  }
  CHECK(refused > 500);
  CHECK(valid > 500);
}

TEST_CASE("the largest counts that are let through have the right derivatives") {
  const auto check = [](const Program<double>& program, double at, double derivative) {
    const Estimate e = estimate(program, Eigen::VectorXd::Constant(1, at), StochasticDerivative{}, {.samples = 400, .threads = 1});
    CAPTURE(e.gradient[0]);
    CAPTURE(e.gradient_error[0]);
    CHECK(std::abs(e.gradient[0] - derivative) < 5 * e.gradient_error[0] + 1e-9 * std::abs(derivative));
    CHECK(e.gradient_error[0] < 0.2 * std::abs(derivative));
  };
  const auto number = [](const auto& k) { return static_cast<double>(k.value()); };
  check([&]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return S(number(draw(Poisson(t[0])))); }, 0x1p52, 1);
  check([&]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return S(number(draw(Geometric(t[0])))); }, 0x1p-47, -0x1p94);
  check([&]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return S(number(draw(Binomial(1LL << 53, t[0])))); }, 0.5,
        0x1p53);
  check([&]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return S(number(draw(NegativeBinomial(t[0], 0.5)))); }, 1e15, 1);
}

TEST_CASE("hostile parameters of continuous laws, thresholds and clocks") {
  std::size_t refused = 0, valid = 0;
  for (std::size_t l = 0; l < continuous.size(); ++l) {
    CAPTURE(std::string(continuous[l].name));
    combinations(continuous[l].parameters, [&](const std::array<double, 3>& at) {
      CAPTURE(at[0]);
      CAPTURE(at[1]);
      CAPTURE(at[2]);
      const Program<double> program = ContinuousDraw{l, at};
      const Eigen::VectorXd theta = Eigen::VectorXd::Zero(3);
      bool nan = false;
      for (int j = 0; j < continuous[l].parameters; ++j) nan = nan || std::isnan(at[static_cast<std::size_t>(j)]);
      const Outcome drawn = outcome_of([&] {
        std::vector<double> x;
        for (std::uint64_t k = 0; k < 4; ++k) x.push_back(run(program, theta, {1, k}));
        return x;
      });
      if (!drawn.error.empty()) {
        ++refused;
        CHECK_MESSAGE((drawn.names(std::string(continuous[l].name)) || drawn.names("threshold")), drawn.error);
        return;
      }
      ++valid;
      CHECK(!nan);
      // Overflow to infinity is right where parameters are that large.
      for (const double x : drawn.numbers) CHECK((!std::isnan(x) || !tame(at, continuous[l].parameters)));
      outcome_of([&] {
        const Estimate x = estimate(program, theta, StochasticDerivative{0}, {.samples = 4, .threads = 1});
        CHECK(std::isfinite(x.value));
        CHECK(x.gradient.allFinite());
        return std::vector<double>{};
      });
    });
  }
  CHECK(refused > 500);
  CHECK(valid > 500);
}
