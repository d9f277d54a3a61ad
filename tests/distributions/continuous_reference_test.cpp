// The continuous laws in plain numbers: densities, tails and their inverses against Boost.Math in long double, draws against
// the tails.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/cauchy.hpp>
#include <boost/math/distributions/exponential.hpp>
#include <boost/math/distributions/extreme_value.hpp>
#include <boost/math/distributions/gamma.hpp>
#include <boost/math/distributions/laplace.hpp>
#include <boost/math/distributions/logistic.hpp>
#include <boost/math/distributions/lognormal.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/pareto.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/distributions/uniform.hpp>
#include <boost/math/distributions/weibull.hpp>
#include <boost/math/quadrature/exp_sinh.hpp>
#include <boost/math/quadrature/tanh_sinh.hpp>
#include <boost/math/special_functions/bessel.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <stoat/stoat.hpp>

#include "distributions/kolmogorov.hpp"

using namespace stoat;

namespace {

using Long = long double;
namespace bm = boost::math;
constexpr double inf = std::numeric_limits<double>::infinity();

/// The law of Boost.Math with the parameters of ours.
bm::normal_distribution<Long> reference(const Normal<double>& l) { return {l.centre, l.sd}; }
bm::lognormal_distribution<Long> reference(const LogNormal<double>& l) { return {l.mu, l.sigma}; }
bm::uniform_distribution<Long> reference(const Uniform<double>& l) { return {l.a, l.b}; }
bm::exponential_distribution<Long> reference(const Exponential<double>& l) { return bm::exponential_distribution<Long>(l.rate); }
bm::laplace_distribution<Long> reference(const Laplace<double>& l) { return {l.location, l.scale}; }
bm::logistic_distribution<Long> reference(const Logistic<double>& l) { return {l.location, l.scale}; }
bm::extreme_value_distribution<Long> reference(const Gumbel<double>& l) { return {l.location, l.scale}; }
bm::weibull_distribution<Long> reference(const Weibull<double>& l) { return {l.shape, l.scale}; }
bm::cauchy_distribution<Long> reference(const Cauchy<double>& l) { return {l.location, l.scale}; }
bm::pareto_distribution<Long> reference(const Pareto<double>& l) { return {l.scale, l.shape}; }
bm::gamma_distribution<Long> reference(const Gamma<double>& l) { return {l.shape, l.scale}; }
bm::beta_distribution<Long> reference(const Beta<double>& l) { return {l.a, l.b}; }
/// Location and scale are not among the parameters of Boost.Math.
bm::students_t_distribution<Long> reference(const StudentT<double>& l) { return bm::students_t_distribution<Long>(l.freedom); }

/// Probabilities in either tail, and the median.
const std::vector<double> tails = {1e-250, 1e-100, 1e-30, 1e-16, 1e-9, 1e-4, 0.02, 0.1, 0.3, 0.45, 0.5};

/// In both tails, at the x where the law puts the probabilities `tails` from `least` on: its cdf, survival and density against
/// pdf, cdf and survival of a reference in long double, within 1e-12 or four roundings of x, times `accuracy`.
template <class L, class Pdf, class Cdf, class Survival>
void check_against(const L& law, Pdf&& pdf, Cdf&& cdf, Survival&& survival, double least, double accuracy) {
  CAPTURE(L::name);
  std::string parameters;
  law.map([&](double parameter) { return parameters += std::to_string(parameter) + " ", parameter; });
  CAPTURE(parameters);
  for (const bool upper : {false, true})
    for (const double p : tails) {
      if (p < least) continue;
      CAPTURE(upper);
      CAPTURE(p);
      const double x = upper ? law.upper_quantile(p) : law.quantile(p);
      if (!std::isnormal(x) || x == 1) continue;  // rounded to an end of the support
      const Long f = pdf(x), below = cdf(x), above = survival(x), log_f = std::log(f);
      const auto close = [&](double ours, Long truth) {
        const Long rounding = 4 * std::numeric_limits<double>::epsilon() * std::abs(x * f / truth);
        return (ours == 0 && truth < 1e-307L) || std::abs(ours / truth - 1) < accuracy * (1e-12L + rounding);
      };
      CHECK_MESSAGE(close(law.cdf(x), below), law.cdf(x), " against ", below);
      CHECK_MESSAGE(close(law.survival(x), above), law.survival(x), " against ", above);
      CHECK(std::abs(law.log_density(x) - log_f) < accuracy * 1e-12L * std::max<Long>(1, std::abs(log_f)));
      // The argument within 1e-12 of the true quantile.
      const Long reached = upper ? above : below;
      CHECK_MESSAGE(std::abs(reached / p - 1) < accuracy * 1e-12L * (1 + std::abs(x * f / p)), reached);
    }
}
template <class L>
void check_against_reference(const L& law, double least = 0, double accuracy = 1) {
  const auto r = reference(law);
  check_against(
      law, [&](Long x) { return pdf(r, x); }, [&](Long x) { return cdf(r, x); }, [&](Long x) { return cdf(complement(r, x)); },
      least, accuracy);
}

/// The von Mises law by quadrature in long double, around 0.
struct Circle {
  Long kappa;
  Long integral(Long from) const {
    bm::quadrature::tanh_sinh<Long> rule;
    const Long pi = std::numbers::pi_v<Long>;
    const auto e = [&](Long t) { return std::exp(-2 * kappa * (std::pow(std::sin(t / 2), 2) - std::pow(std::sin(from / 2), 2))); };
    // Where the density is narrow, in pieces of a few of its widths.
    Long sum = 0, width = 4 / std::sqrt(kappa + 1);
    for (Long t = from; t < pi && e(t) > 1e-25L; t += width) sum += rule.integrate(e, t, std::min(t + width, pi));
    return sum;
  }
  Long density(Long x) const { return std::exp(-2 * kappa * std::pow(std::sin(x / 2), 2)) / (2 * integral(0)); }
  Long survival(Long x) const { return x < 0 ? 1 - survival(-x) : density(x) * integral(x); }
};

}  // namespace

TEST_CASE("densities, tails and quantiles agree with Boost.Math in long double to 1e-12") {
  check_against_reference(Normal(0, 1));
  check_against_reference(Normal(-3, 0.01), 1e-16);
  check_against_reference(LogNormal(0.5, 1.5));
  check_against_reference(LogNormal(-2, 0.1));
  check_against_reference(Uniform(-1, 3), 1e-9, 10);
  check_against_reference(Exponential(2.5));
  check_against_reference(Laplace(0, 2));
  check_against_reference(Laplace(1, 0.5));
  check_against_reference(Logistic(0, 2));
  check_against_reference(Logistic(1, 0.5));
  check_against_reference(Gumbel(0, 1));
  check_against_reference(Gumbel(2, 0.7));
  for (const double shape : {0.2, 1.0, 5.0}) check_against_reference(Weibull(shape, 2.0));
  check_against_reference(Cauchy(0, 1));
  check_against_reference(Cauchy(1, 0.5));
  for (const double shape : {0.3, 1.0, 7.0}) check_against_reference(Pareto(2.0, shape));
  for (const double shape : {1e-3, 0.1, 1.0, 2.5, 30.0, 1e3}) check_against_reference(Gamma(shape, 2.0));
  check_against_reference(Gamma(0.99e5, 2.0), 0, 4);
  check_against_reference(Gamma(1.01e5, 2.0), 0, 4);
  for (const double a : {0.01, 0.5, 1.0, 3.0, 3000.0})
    for (const double b : {0.02, 1.0, 7.0, 4000.0}) check_against_reference(Beta(a, b));
  for (const double freedom : {0.3, 1.0, 2.5, 30.0, 1e4, 1e7}) check_against_reference(StudentT(freedom));
  for (const double kappa : {0.0, 1e-3, 0.8, 5.0, 300.0, 1e6}) {
    const Circle circle{kappa};
    check_against(
        VonMises(0, kappa), [&](Long x) { return circle.density(x); }, [&](Long x) { return circle.survival(-x); },
        [&](Long x) { return circle.survival(x); }, 1e-16, 1);
  }
}

TEST_CASE("draws follow the cdf") {
  const auto check = [](const auto& law) {
    CAPTURE(law.name);
    CHECK(test::kolmogorov_distance([&](Generator& g) { return law.draw(g); }, [&](double x) { return law.cdf(x); }) < 2.7);
  };
  check(Normal(1, 2.5));
  check(LogNormal(0.3, 0.8));
  check(Uniform(-1, 3));
  check(Exponential(2));
  check(Laplace(1, 0.5));
  check(Logistic(-1, 2));
  check(Gumbel(1, 2));
  check(Weibull(0.6, 2));
  check(Cauchy(1, 2));
  check(Pareto(2, 1.5));
  for (const double shape : {0.05, 0.7, 1.0, 3.5, 1e4}) check(Gamma(shape, 0.5));
  // At such a shape the law is normal within 1e-7.
  const Gamma large(1e12, 1);
  CHECK(test::kolmogorov_distance([&](Generator& g) { return large.draw(g); }, [](double x) { return Normal(1e12, 1e6).cdf(x); }) <
        2.7);
  check(Beta(0.05, 0.1));
  check(Beta(2, 0.7));
  check(Beta(50, 2000));
  for (const double freedom : {0.5, 3.0, 1e6}) check(StudentT(freedom, 1, 2));
  for (const double kappa : {0.0, 0.7, 20.0, 1e6, 1e12}) check(VonMises(1, kappa));

  // Components of a Dirichlet law are Beta, those of a normal law normal.
  const Dirichlet dirichlet(Vector<double>{0.4, 2.0, 3.1});
  CHECK(test::kolmogorov_distance([&](Generator& g) { return dirichlet.draw(g)[1]; },
                                  [](double x) { return Beta(2.0, 3.5).cdf(x); }) < 2.7);
  const MultivariateNormal normal(Vector<double>{1, -1}, Matrix<double>((Eigen::Matrix2d() << 4, 1.5, 1.5, 1).finished()));
  CHECK(test::kolmogorov_distance([&](Generator& g) { return sum(normal.draw(g)); },
                                  [](double x) { return Normal(0, std::sqrt(8.0)).cdf(x); }) < 2.7);
}

TEST_CASE("means") {
  const auto check = [](const auto& law, double truth) { CHECK(law.mean() == doctest::Approx(truth).epsilon(1e-14)); };
  const auto check_reference = [&](const auto& law) { check(law, static_cast<double>(mean(reference(law)))); };
  check_reference(Normal(0.3, 2));
  check_reference(LogNormal(0.3, 2));
  check_reference(Uniform(-1, 3));
  check_reference(Exponential(2));
  check_reference(Laplace(0.3, 2));
  check_reference(Logistic(0.3, 2));
  check_reference(Gumbel(0.3, 2));
  check_reference(Weibull(0.6, 2));
  check_reference(Pareto(2, 1.5));
  check_reference(Gamma(0.3, 2));
  check_reference(Beta(0.3, 2));
  check(StudentT(1.5, 0.3, 2), 0.3);
  check(VonMises(0.3, 2), 0.3);
  CHECK(Pareto(2, 1).mean() == inf);
  CHECK(std::isnan(StudentT(1, 0.3, 2).mean()));
  CHECK(Dirichlet(Vector<double>{1.0, 3.0}).mean().eigen() == Eigen::Vector2d(0.25, 0.75));
}

TEST_CASE("StudentT: derivatives in many degrees of freedom") {
  const auto score = [](double nu, double t) { return StudentT(Dual<double>(nu, 1)).log_density(Dual<double>(t)).tangent(); };
  for (const double nu : {150.0, 1e4, 0.9e5, 1.1e5, 1e8, 1e12, 1e15})
    for (const double t : {0.0, 0.3, 2.0, 4.0, 7.0}) {
      CAPTURE(nu);
      CAPTURE(t);
      // In long double up to where it cancels; from there on by the leading term in 1 / nu.
      const Long n = nu, s = static_cast<Long>(t) * static_cast<Long>(t);
      const Long exact =
          nu < 1e6 ? (bm::digamma((n + 1) / 2) - bm::digamma(n / 2) - std::log1p(s / n) + ((n + 1) * s / (n + s) - 1) / n) / 2
                   : -(s * s - 2 * s - 1) / (4 * n * n);
      CHECK(score(nu, t) == doctest::Approx(static_cast<double>(exact)).epsilon(nu < 1e5 ? 1e-8 : 1e-5).scale(0));
      // d P(T > t) / d nu is the integral of density times score over the tail.
      bm::quadrature::exp_sinh<double> integrator;
      const StudentT law(nu);
      const double tail = integrator.integrate([&](double x) { return std::exp(law.log_density(t + x)) * score(nu, t + x); });
      CHECK(StudentT(Dual<double>(nu, 1)).survival(Dual<double>(t)).tangent() ==
            doctest::Approx(tail).epsilon(1e-8).scale(t > 0 ? 0 : 1 / nu));
    }
}

TEST_CASE("quantiles of large shapes") {
  for (const double a : {1e4, 0.9e5, 1.1e5, 1e9, 1e12, 1e15})
    for (const double p : {1e-300, 1e-12, 0.02, 0.5, 0.8, 1 - 1e-9}) {
      CAPTURE(a);
      CAPTURE(p);
      const Gamma gamma(a, 1.0);
      const double x = gamma.quantile(p), sd = std::sqrt(a), tolerance = 1e-9 + 4 * 2.3e-16 * a / sd * std::max(1.0, -std::log(p));
      CHECK(gamma.cdf(x) == doctest::Approx(p).epsilon(tolerance).scale(0));
      CHECK(gamma.survival(x) == doctest::Approx(1 - p).epsilon(tolerance * 40).scale(0));
      const Beta beta(a, 2 * a);
      CHECK(beta.cdf(beta.quantile(p)) == doctest::Approx(p).epsilon(100 * tolerance).scale(0));
    }
}

TEST_CASE("densities of vector laws") {
  // Dirichlet of two components is Beta of one.
  for (const double x : {1e-8, 0.2, 0.9})
    CHECK(Dirichlet(Vector<double>{0.4, 2.5}).log_density(Vector<double>{x, 1 - x}) ==
          doctest::Approx(Beta(0.4, 2.5).log_density(x)).epsilon(1e-13));
  const Dirichlet law(Vector<double>{0.4, 1.0, 2.5});
  CHECK(law.log_density(Vector<double>{0.7, 0.4, -0.1}) == -inf);
  CHECK(law.log_density(Vector<double>{0.7, 0.1, 0.1}) == -inf);
  // At concentration 1 a component of 0 is as good as another: Gamma(3.9) / (Gamma(0.4) Gamma(2.5)) 0.7^-0.6 0.3^1.5.
  CHECK(law.log_density(Vector<double>{0.7, 0.0, 0.3}) ==
        doctest::Approx(std::lgamma(3.9) - std::lgamma(0.4) - std::lgamma(2.5) - 0.6 * std::log(0.7) + 1.5 * std::log(0.3)));

  // A normal law of two components: the textbook formula.
  const double a = 2, b = 0.5, rho = 0.3, x = 1.7, y = -0.4;
  const Eigen::Matrix2d covariance{{a * a, rho * a * b}, {rho * a * b, b * b}};
  const MultivariateNormal normal(Vector<double>{1, -1}, Matrix<double>(covariance));
  const double u = (x - 1) / a, v = (y + 1) / b;
  const double truth = -(u * u - 2 * rho * u * v + v * v) / (2 * (1 - rho * rho)) -
                       std::log(2 * std::numbers::pi * a * b * std::sqrt(1 - rho * rho));
  CHECK(normal.log_density(Vector<double>{x, y}) == doctest::Approx(truth).epsilon(1e-14));
  const auto same = MultivariateNormal<double>::from_cholesky(normal.mean(), normal.factor());
  CHECK(same.log_density(Vector<double>{x, y}) == normal.log_density(Vector<double>{x, y}));
  CHECK((normal.factor().eigen() * normal.factor().eigen().transpose()).isApprox(covariance, 1e-15));
}

TEST_CASE("outside the support") {
  const auto check = [](const auto& law, double below, double above) {
    CAPTURE(law.name);
    for (const double x : {below, above}) {
      if (std::isnan(x)) continue;
      CHECK(law.cdf(x) == (x == above));
      CHECK(law.survival(x) == (x == below));
      CHECK(law.log_density(x) == -inf);
    }
    for (const double p : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
      CHECK_FALSE(law.quantile(p) <= inf);
      CHECK_FALSE(law.upper_quantile(p) <= inf);
    }
  };
  const double none = std::numeric_limits<double>::quiet_NaN();
  check(LogNormal(0.3, 2), -1, none);
  check(Exponential(2), -1, none);
  check(Weibull(0.6, 2), -1, none);
  check(Pareto(2, 1.5), 1.9, none);
  check(Gamma(0.3, 2), -1, none);
  check(Beta(0.3, 2), -0.1, 1.1);
  check(Uniform(0.3, 2), 0.2, 2.1);
  check(VonMises(1, 2), -3, 5);
  check(Normal(1, 2), none, none);
  check(Laplace(1, 2), none, none);
  check(Logistic(1, 2), none, none);
  check(Gumbel(1, 2), none, none);
  check(Cauchy(1, 2), none, none);
  check(StudentT(1.5, 1, 2), none, none);
}

TEST_CASE("noise reaches both tails and is never infinite") {
  // Words that are all zeros or all ones are the ends of the uniform noise.
  for (const std::uint32_t low : {0u, ~0u})
    for (const std::uint32_t high : {0u, ~0u >> 1, 1u << 31, ~0u}) {
      CAPTURE(high);
      int calls = 0;
      const auto words = [&]() { return calls++ % 2 ? high : low; };
      const detail::Tail u = detail::uniform_tail(words);
      CHECK(u.p > 0);
      CHECK(u.p <= 0.5);
      CHECK(u.upper == (high >> 31 != 0));
      const double e = detail::standard_exponential(words);
      CHECK(e > 0);
      CHECK(e < 46);
      CHECK(std::isfinite(detail::standard_cauchy(words)));
      CHECK(calls == 6);
      for (const double x : {Laplace(0, 1).draw(words), Logistic(0, 1).draw(words), Gumbel(0, 1).draw(words),
                             Pareto(1, 1).draw(words), Weibull(1, 1).draw(words), Exponential(1).draw(words)})
        CHECK(std::isfinite(x));
    }
  int calls = 0;
  const auto first = [&] { return ++calls == 1 ? 1u : 0u; };
  CHECK(detail::uniform_tail(first).p == 1.5 * 0x1p-64);
}
