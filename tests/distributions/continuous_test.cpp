// The continuous laws as differentiable functions: tails, quantiles, densities and draws, in every scalar.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <boost/random/normal_distribution.hpp>
#include <stoat/stoat.hpp>

#include "tape/differences.hpp"

using namespace stoat;
using test::close;
using test::difference;

// Every member in single precision.
template struct stoat::Normal<float>;
template struct stoat::LogNormal<float>;
template struct stoat::Uniform<float>;
template struct stoat::Exponential<float>;
template struct stoat::Laplace<float>;
template struct stoat::Logistic<float>;
template struct stoat::Gumbel<float>;
template struct stoat::Weibull<float>;
template struct stoat::Cauchy<float>;
template struct stoat::Pareto<float>;
template struct stoat::Gamma<float>;
template struct stoat::Beta<float>;
template struct stoat::StudentT<float>;
template struct stoat::VonMises<float>;
template struct stoat::Dirichlet<float>;
template class stoat::MultivariateNormal<float>;

namespace {

using V = Var<double>;
using D = Dual<double>;
constexpr double inf = std::numeric_limits<double>::infinity();

/// How the draws of a law depend on its parameters while the words stay the same.
enum class Path {
  smooth,    ///< as a smooth function
  implicit,  ///< so that the cdf of the draw stays
  composed,  ///< through other laws
};

/// A row of the table of laws.
struct Row {
  Path path;
  double least;        ///< probabilities below are too near to an end that moves for the steps of differences
  bool fixed_support;  ///< then d E f = E[f score]
  std::vector<Eigen::VectorXd> parameters;
};

Eigen::VectorXd at(const std::vector<double>& p) {
  return Eigen::Map<const Eigen::VectorXd>(p.data(), static_cast<Eigen::Index>(p.size()));
}

/// A law of one number with its type forgotten, so that a test is compiled once and not once for every law.
template <class S>
struct Law {
  std::string name;
  std::optional<S> mean;  ///< of those laws that state it
  std::function<S(const S&)> cdf, survival, log_density, quantile, upper_quantile;
  std::function<S(Generator&)> draw;
};

/// make(Vector<S>) is the law at these parameters, for the scalars of the drivers.
class Make {
 public:
  template <class M>
    requires(!std::same_as<M, Make>)
  Make(M make)
      : forms_(form<double>(make), form<float>(make), form<D>(make), form<V>(make), form<Var<D>>(make),
               form<Var<Dual<double, 4>>>(make)) {}
  template <class S>
  Law<S> operator()(const Vector<S>& parameters) const {
    return std::get<Form<S>>(forms_)(parameters);
  }

 private:
  template <class S>
  using Form = std::function<Law<S>(const Vector<S>&)>;
  template <class S, class M>
  static Form<S> form(const M& make) {
    return [make](const Vector<S>& parameters) {
      const auto law = make(parameters);
      Law<S> l;
      l.name = law.name;
      l.draw = [law](Generator& generator) -> S { return law.draw(generator); };
      if constexpr (requires { law.mean(); }) l.mean = law.mean();
      if constexpr (!std::same_as<S, float> && !std::same_as<S, Var<D>>) {  // those are for draws
        l.cdf = [law](const S& x) -> S { return law.cdf(x); };
        l.survival = [law](const S& x) -> S { return law.survival(x); };
        l.log_density = [law](const S& x) -> S { return law.log_density(x); };
        l.quantile = [law](const S& p) -> S { return law.quantile(p); };
        l.upper_quantile = [law](const S& p) -> S { return law.upper_quantile(p); };
      }
      return l;
    };
  }
  std::tuple<Form<double>, Form<float>, Form<D>, Form<V>, Form<Var<D>>, Form<Var<Dual<double, 4>>>> forms_;
};

/// visit(make, row) for every law of one number.
void each_law(const std::function<void(const Make&, const Row&)>& visit) {
  visit([](const auto& t) { return Normal(t[0], t[1]); }, Row{Path::smooth, 0, true, {at({0.7, 1.3})}});
  visit([](const auto& t) { return LogNormal(t[0], t[1]); }, Row{Path::smooth, 0, true, {at({-0.2, 0.6})}});
  visit([](const auto& t) { return Uniform(t[0], t[1]); }, Row{Path::smooth, 0.02, false, {at({-0.5, 1.5})}});
  visit([](const auto& t) { return Exponential(t[0]); }, Row{Path::smooth, 0, true, {at({1.7})}});
  visit([](const auto& t) { return Laplace(t[0], t[1]); }, Row{Path::smooth, 0, true, {at({0.4, 1.5})}});
  visit([](const auto& t) { return Logistic(t[0], t[1]); }, Row{Path::smooth, 0, true, {at({0.4, 0.8})}});
  visit([](const auto& t) { return Gumbel(t[0], t[1]); }, Row{Path::smooth, 0, true, {at({0.4, 0.8})}});
  visit([](const auto& t) { return Weibull(t[0], t[1]); },
        Row{Path::smooth, 0, true, {at({0.7, 1.2}), at({1.0, 2.0}), at({3.0, 0.8})}});
  visit([](const auto& t) { return Cauchy(t[0], t[1]); }, Row{Path::smooth, 0, true, {at({0.4, 0.8})}});
  visit([](const auto& t) { return Pareto(t[0], t[1]); }, Row{Path::smooth, 0.1, false, {at({0.8, 2.5})}});
  visit([](const auto& t) { return Gamma(t[0], t[1]); },
        Row{Path::implicit, 0, true, {at({0.3, 2.0}), at({1.0, 0.7}), at({4.5, 0.3}), at({80.0, 0.02})}});
  visit([](const auto& t) { return Beta(t[0], t[1]); },
        Row{Path::implicit, 0, true, {at({0.4, 0.6}), at({1.0, 2.0}), at({3.0, 1.5}), at({40.0, 25.0})}});
  visit([](const auto& t) { return StudentT(t[0], t[1], t[2]); },
        Row{Path::composed, 0, true, {at({0.9, 0.3, 0.8}), at({4.0, 0.3, 1.2}), at({60.0, -0.5, 1.0})}});
  const auto von_mises = [](const auto& t) { return VonMises(t[0], t[1]); };
  visit(von_mises, Row{Path::implicit, 0.02, true, {at({0.3, 0.2}), at({-0.4, 1.8})}});  // the ends of the circle move
  visit(von_mises, Row{Path::implicit, 0, true, {at({0.3, 30.0})}});
}

/// f of (parameters, argument), each in units in which a step of 1 is small, around 0.
template <class F>
auto scaled(const Eigen::VectorXd& centre, const Eigen::VectorXd& unit, F f) {
  return [=]<class S>(const Vector<S>& s) -> S {
    return f(Vector<S>::generate(centre.size(), [&](Eigen::Index j) { return S(centre[j] + unit[j] * s[j]); }));
  };
}
Eigen::VectorXd unit_of(const Eigen::VectorXd& parameters) { return 0.1 * parameters.cwiseAbs(); }

/// The Hessian of f at x against differences of its gradient, relative to the largest element.
template <class F>
void check_hessian(const F& f, const Eigen::VectorXd& x, double tolerance) {
  const Eigen::MatrixXd h = hessian(f, x);
  const double size = h.cwiseAbs().maxCoeff();
  CHECK(std::isfinite(size));
  for (Eigen::Index i = 0; i < x.size(); ++i)
    for (Eigen::Index j = 0; j < x.size(); ++j) {
      const double d = difference(
          [&](double t) {
            Eigen::VectorXd at = x;
            at[j] = t;
            return value_and_gradient(f, at).second[i];
          },
          x[j], 0.02);
      CHECK_MESSAGE(std::abs(h(i, j) - d) <= tolerance * std::max(size, 1e-6), "(", i, ", ", j, ") ", h(i, j), " against ", d);
    }
}

const std::vector<double> probabilities = {1e-6, 0.02, 0.4, 0.55, 0.9, 1 - 1e-4};

}  // namespace

TEST_CASE("tails, densities and quantiles are differentiable in parameters and argument") {
  each_law([](const Make& make, const Row& row) {
    for (const Eigen::VectorXd& parameters : row.parameters)
      for (const double p : probabilities) {
        const auto law = make(Vector<double>(parameters));
        CAPTURE(law.name);
        CAPTURE(parameters.transpose());
        CAPTURE(p);
        if (p < row.least || 1 - p < row.least) continue;
        const Eigen::Index n = parameters.size();
        Eigen::VectorXd centre(n + 1), unit(n + 1);
        const auto at = [&](auto f, double argument, double step) {
          centre << parameters, argument;
          unit << unit_of(parameters), step;
          return scaled(centre, unit, [=]<class S>(const Vector<S>& t) -> S { return f(make(Vector<S>(t.head(n))), S(t[n])); });
        };
        const Eigen::VectorXd zero = Eigen::VectorXd::Zero(n + 1);
        const auto check = [&](auto f, double argument, double step) {
          const auto g = at(f, argument, step);
          const auto result = gradient_check(g, zero, {.tolerance = 1e-7});
          CHECK_MESSAGE(result, result);
          check_hessian(g, zero, 1e-6);
        };
        const double x = law.quantile(p), rest = std::min(p, 1 - p), width = 0.1 * rest / std::exp(law.log_density(x));
        // Where a tail is near 1, differences see only rounding; but it moves against the other one.
        if (p < 0.99) check([](const auto& l, const auto& t) { return log(l.cdf(t)); }, x, width);
        if (p > 0.01) check([](const auto& l, const auto& t) { return log(l.survival(t)); }, x, width);
        const auto below = at([](const auto& l, const auto& t) { return l.cdf(t); }, x, width);
        const auto above = at([](const auto& l, const auto& t) { return l.survival(t); }, x, width);
        CHECK(value_and_gradient(below, zero).second.isApprox(-value_and_gradient(above, zero).second, 1e-10));
        check([](const auto& l, const auto& t) { return l.log_density(t); }, x, width);
        check([](const auto& l, const auto& t) { return l.quantile(t); }, p, 0.1 * rest);
        check([](const auto& l, const auto& t) { return l.upper_quantile(t); }, p, 0.1 * rest);
      }
  });
}

TEST_CASE("Student's law at its centre, where its formulas meet") {
  for (const double freedom : {0.5, 3.0, 300.0}) {
    const auto f = [](const auto& t) { return StudentT(t[0], t[1], t[2]).cdf(t[3]) * exp(t[2]); };
    const Eigen::Vector4d centre(freedom, 0.5, 2, 0.5);
    CHECK(gradient_check(f, centre, {.tolerance = 1e-8}));
    check_hessian(f, centre, 1e-8);
  }
}

TEST_CASE("means are differentiable") {
  each_law([](const Make& make, const Row& row) {
    for (const Eigen::VectorXd& parameters : row.parameters) {
      const auto mean = [&]<class S>(const Vector<S>& t) -> S { return *make(t).mean; };
      const Law<double> law = make(Vector<double>(parameters));
      if (law.mean && std::isfinite(*law.mean)) CHECK(gradient_check(mean, parameters));
    }
  });
}

TEST_CASE("draws are the same number in every scalar") {
  const auto same = [](auto draw, const Eigen::VectorXd& parameters) {
    for (std::uint64_t run = 0; run < 200; ++run) {
      CAPTURE(run);
      const auto in = [&]<class S>(const Vector<S>& t) {
        Generator generator({.seed = 9, .run = run});
        return draw(t, generator);
      };
      const double x = in(Vector<double>(parameters));
      CHECK(in(Vector<D>(parameters)).value() == x);
      Tape<double> tape;
      CHECK(in(variables(tape, parameters)).value() == x);
      Tape<D> nested;
      CHECK(in(variables(nested, Eigen::VectorX<D>(parameters.cast<D>()))).value().value() == x);
      // Beside the rounding of the parameters
      const float narrow = in(Vector<float>(Eigen::VectorXf(parameters.cast<float>())));
      if (run == 0) CHECK(std::isfinite(narrow));
    }
  };
  each_law([&](const Make& make, const Row& row) {
    for (const Eigen::VectorXd& parameters : row.parameters) {
      CAPTURE(make(Vector<double>(parameters)).name);
      CAPTURE(parameters.transpose());
      same([&]<class S>(const Vector<S>& t, Generator& generator) -> S { return make(t).draw(generator); }, parameters);
    }
  });
  same([](const auto& t, Generator& generator) { return Dirichlet(t).draw(generator)[1]; }, Eigen::Vector3d(0.01, 1.3, 7));
  same([](const auto& t, Generator& generator) { return MultivariateNormal(t.head(2), t.matrix(2, 2, 2)).draw(generator)[1]; },
       (Eigen::VectorXd(6) << 1, -1, 2, 0.4, 0.4, 1).finished());
}

TEST_CASE("draws move with the parameters as they should, to second order") {
  each_law([](const Make& make, const Row& row) {
    if (row.path == Path::composed) return;
    for (const Eigen::VectorXd& parameters : row.parameters)
      for (std::uint64_t run = 0; run < 12; ++run) {
        const auto law = make(Vector<double>(parameters));
        CAPTURE(law.name);
        CAPTURE(parameters.transpose());
        CAPTURE(run);
        const Eigen::VectorXd zero = Eigen::VectorXd::Zero(parameters.size());
        const auto draw = scaled(parameters, unit_of(parameters), [&]<class S>(const Vector<S>& t) -> S {
          Generator generator({.seed = 21, .run = run});
          return make(t).draw(generator);
        });
        if (row.path == Path::smooth) {
          const auto result = gradient_check(draw, zero, {.tolerance = 1e-8});
          CHECK_MESSAGE(result, result);
          check_hessian(draw, zero, 1e-6);
        } else {
          // dx/dtheta = -(dF/dtheta) / f with differences of the nearer tail F in plain numbers.
          const double x = draw(Vector<double>(zero));
          const bool upper = law.cdf(x) > 0.5;
          const auto tail = [&](const auto& l, const auto& at) { return upper ? l.survival(at) : l.cdf(at); };
          const Eigen::VectorXd slope = value_and_gradient(draw, zero).second;
          const auto moved = scaled(parameters, unit_of(parameters), [&](const Vector<double>& t) { return tail(make(t), x); });
          for (Eigen::Index j = 0; j < zero.size(); ++j) {
            const double dF =
                difference([&](double s) { return moved(Vector<double>(s * Eigen::VectorXd::Unit(zero.size(), j))); }, 0, 0.05);
            const double truth = (upper ? dF : -dF) / std::exp(law.log_density(x));
            const double off = slope[j] - truth;
            CHECK_MESSAGE(close(slope[j], truth, 1e-8, 1e-4 * std::abs(x)), slope[j], " against ", truth, ", off by ", off);
          }
          // The quantile at the tail's probability is the same function of the parameters.
          const double p = tail(law, x);
          const auto quantile = scaled(parameters, unit_of(parameters), [&]<class S>(const Vector<S>& t) -> S {
            return upper ? make(t).upper_quantile(p) : make(t).quantile(p);
          });
          const Eigen::MatrixXd h = hessian(draw, zero), expected = hessian(quantile, zero);
          CHECK_MESSAGE((h - expected).cwiseAbs().maxCoeff() <= 1e-8 * expected.cwiseAbs().maxCoeff(), h, "\nagainst\n", expected);
        }
      }
  });
}

TEST_CASE("composed draws have the derivatives of their parts") {
  for (std::uint64_t run = 0; run < 20; ++run) {
    const RunKey key{.seed = 4, .run = run};
    const auto student = [&](const auto& t) {
      Generator generator(key);
      return StudentT(t[0], t[1], t[2]).draw(generator);
    };
    const auto parts = [&]<class S>(const Vector<S>& t) -> S {
      Generator generator(key);
      const double z = boost::random::normal_distribution<double>{}(generator);
      const S half = 0.5 * t[0];
      return t[1] + t[2] * z * sqrt(half / Gamma(half, 1).draw(generator));
    };
    const Eigen::Vector3d at(3.5, 0.3, 1.2);
    CHECK(value_and_gradient(student, at).second.isApprox(value_and_gradient(parts, at).second, 1e-12));
    CHECK(hessian(student, at).isApprox(hessian(parts, at), 1e-10));

    const auto dirichlet = [&](const auto& t) {
      Generator generator(key);
      return Dirichlet(t).draw(generator);
    };
    const auto gammas = [&]<class S>(const Vector<S>& t) -> Vector<S> {
      Generator generator(key);
      return normalised(Vector<S>::generate(t.size(), [&](Eigen::Index i) { return Gamma(t[i], 1).draw(generator); }));
    };
    const Eigen::Vector3d concentration(0.6, 1.3, 7);
    CHECK(jacobian(dirichlet, concentration).isApprox(jacobian(gammas, concentration), 1e-12));

    // One entry above the diagonal is not read.
    const auto normal = [&]<class S>(const Vector<S>& t) -> S {
      Generator generator(key);
      return sum(cwise_product(Vector<S>{1, -2}, MultivariateNormal(t.head(2), t.matrix(2, 2, 2)).draw(generator)));
    };
    CHECK(gradient_check(normal, (Eigen::VectorXd(6) << 1, -1, 2, 0.4, 0.4, 1).finished()));
  }
}

TEST_CASE("log densities of vector laws are differentiable") {
  CHECK(gradient_check([](const auto& t) { return Dirichlet(t.head(3)).log_density(t.tail(3) / sum(t.tail(3))); },
                       (Eigen::VectorXd(6) << 0.4, 1, 2.5, 0.2, 0.3, 0.5).finished()));
  CHECK(gradient_check(
      [](const auto& t) { return MultivariateNormal(t.head(2), t.segment(2, 4).matrix(0, 2, 2)).log_density(t.tail(2)); },
      (Eigen::VectorXd(8) << 1, -1, 2, 0.4, 0.4, 1, 1.7, -0.4).finished()));
}

namespace {

/// The means over 20000 draws at a fixed seed of f'(X) dX/dtheta - f(X) score, where score = d log density / dtheta, are 0: both
/// terms have the mean d E f. They stay within 5.5 standard errors, false alarms 4e-8 for each. One f at least moves by 8
/// standard errors with every parameter, so the test has something to see.
template <class Sample>
void check_expectations(const Eigen::VectorXd& parameters, Sample&& sample) {
  constexpr int n = 20'000, functions = 2;
  const Eigen::Index size = parameters.size();
  Eigen::MatrixXd gap = Eigen::MatrixXd::Zero(size, functions), gap2 = gap, path = gap, path2 = gap;
  Tape<double> tape;
  for (std::uint64_t run = 0; run < n; ++run) {
    tape.clear();
    const Vector<V> t = variables(tape, parameters);
    Generator generator({.seed = 77, .run = run});
    const auto [x, log_density] = sample(t, generator);  // the density at a constant x
    tape.backward(V(log_density));
    Eigen::VectorXd score(size), slope(size);
    for (Eigen::Index j = 0; j < size; ++j) score[j] = tape.adjoint(t[j]);
    tape.backward(V(x));
    for (Eigen::Index j = 0; j < size; ++j) slope[j] = tape.adjoint(t[j]);
    const double v = x.value(), r = 1 / (1 + (v - 0.4) * (v - 0.4));
    const double f[] = {std::atan(v - 0.4), r}, df[] = {r, -2 * (v - 0.4) * r * r};
    for (int k = 0; k < functions; ++k) {
      const Eigen::VectorXd along = df[k] * slope, difference = along - f[k] * score;
      gap.col(k) += difference, gap2.col(k) += difference.cwiseAbs2();
      path.col(k) += along, path2.col(k) += along.cwiseAbs2();
    }
  }
  const auto z = [&](const Eigen::MatrixXd& s, const Eigen::MatrixXd& s2) -> Eigen::MatrixXd {
    return (s.array() / n) / ((s2.array() / n - (s.array() / n).square()).max(1e-300) / n).sqrt();
  };
  CHECK_MESSAGE(z(gap, gap2).cwiseAbs().maxCoeff() < 5.5, z(gap, gap2));
  CHECK_MESSAGE(z(path, path2).cwiseAbs().rowwise().maxCoeff().minCoeff() > 8, z(path, path2));
}

}  // namespace

TEST_CASE("the derivative of an expectation is the expectation along the path") {
  each_law([](const Make& make, const Row& row) {
    if (!row.fixed_support) return;
    const Eigen::VectorXd& parameters = row.parameters[row.parameters.size() / 2];
    CAPTURE(make(Vector<double>(parameters)).name);
    check_expectations(parameters, [&](const Vector<V>& t, Generator& generator) {
      const Law<V> law = make(t);
      const V x = law.draw(generator);
      return std::pair<V, V>(x, law.log_density(x.value()));
    });
  });
  check_expectations(Eigen::Vector3d(0.3, 1.3, 2), [](const Vector<V>& t, Generator& generator) {
    const Dirichlet law(t);
    const Vector<V> x = law.draw(generator);
    return std::pair<V, V>(2 * x[0] + x[2], law.log_density(Vector<double>(x.eigen())));
  });
}

TEST_CASE("derivatives of draws are finite and right at extreme parameters") {
  const auto slope = [](auto make, std::uint64_t run, const Eigen::VectorXd& parameters) {
    return value_and_gradient(
        [&](const auto& t) {
          Generator generator({.seed = 6, .run = run});
          return make(t).draw(generator);
        },
        parameters);
  };
  const auto gamma = [](const auto& t) { return Gamma(t[0], 1); };
  const auto beta = [](const auto& t) { return Beta(t[0], t[1]); };
  int zeros = 0, ones = 0;
  for (std::uint64_t run = 0; run < 300; ++run) {
    CAPTURE(run);
    for (const double shape : {1e-300, 1e-3, 0.02}) {
      // P(a, x) = x^a / Gamma(a + 1) for small x, so dx/da = x (digamma(a + 1) - log x) / a.
      const auto [x, d] = slope(gamma, run, Eigen::VectorXd::Constant(1, shape));
      zeros += x == 0;
      const double truth = x == 0 ? 0 : x * (digamma(shape + 1) - std::log(x)) / shape;
      if (x < 1e-13) CHECK(close(d[0], truth, 1e-10, 1e-300));
      CHECK(std::isfinite(d[0]));
    }
    const auto [x, d] = slope(gamma, run, Eigen::VectorXd::Constant(1, 1e14));
    CHECK(close(d[0], 1 + (x - 1e14) / 2e14, 1e-12));

    for (const auto& ab :
         {Eigen::Vector2d(1e-300, 1e-300), Eigen::Vector2d(0.01, 0.01), Eigen::Vector2d(1e-3, 40), Eigen::Vector2d(1e5, 2e5)}) {
      const auto [y, g] = slope(beta, run, ab);
      ones += y == 1;
      zeros += y == 0;
      CHECK(g.allFinite());
      CHECK(g[0] >= 0);
      CHECK(g[1] <= 0);
    }
    const auto dirichlet = [&](const auto& t) {
      Generator generator({.seed = 6, .run = run});
      return Dirichlet(t).draw(generator);
    };
    const Eigen::Vector3d concentration(1e-3, 2e-3, 1e-300);
    CHECK(sum(dirichlet(Vector<double>(concentration))) == doctest::Approx(1));
    CHECK(jacobian(dirichlet, concentration).allFinite());
    for (const double kappa : {0.0, 1e-12, 1e6, 1e12}) {
      const auto [theta, g] = slope([](const auto& t) { return VonMises(0, t[0]); }, run, Eigen::VectorXd::Constant(1, kappa));
      // Normal with variance 1 / kappa for a large kappa.
      if (kappa > 1) CHECK(close(g[0], -theta / (2 * kappa), 1e-5));
      // d/dkappa of F = 1/2 + (theta + kappa sin theta) / (2 pi) at 0.
      else CHECK(close(g[0], -std::sin(theta), 1e-9));
    }
  }
  CHECK(zeros > 100);
  CHECK(ones > 100);
}

TEST_CASE("the tail of the von Mises law has the derivative of its integral") {
  // d/dkappa of the tail by differences, for kappa far from and near to 0, and in the far tail.
  for (const double kappa : {0.0, 0.5, 40.0, 1e6})
    for (const double z : {0.1, 1.0, 2.5}) {
      const double theta = z / std::sqrt(kappa + 1);
      const auto tail = [&](const auto& k) { return VonMises(0, k).survival(theta); };
      const double h = 0.02 * (kappa + 0.1);
      // At a negative concentration the law would be the one around pi.
      const auto plain = [&](double k) { return k >= 0 ? tail(k) : 0.5 - VonMises(0, -k).survival(std::numbers::pi - theta); };
      CHECK(close(tail(D(kappa, 1)).tangent(), difference(plain, kappa, h), 1e-8, 0));
    }
}

TEST_CASE("outside the support nothing depends on the parameters") {
  const auto check = [](auto law, double x) {
    Tape<double> tape;
    const V at = tape.variable(x);
    const auto l = law(tape.variable(0.7), tape.variable(1.3));
    CAPTURE(l.name);
    for (const V& y : {l.cdf(at), l.survival(at), l.log_density(at)}) CHECK_FALSE(y.active());
  };
  check([](V a, V b) { return LogNormal(a, b); }, -1);
  check([](V a, V b) { return Uniform(a, b); }, 0.6);
  check([](V a, V b) { return Uniform(a, b); }, 1.4);
  check([](V a, V) { return Exponential(a); }, -1);
  check([](V a, V b) { return Weibull(a, b); }, -1);
  check([](V a, V b) { return Pareto(a, b); }, 0.6);
  check([](V a, V b) { return Gamma(a, b); }, -1);
  check([](V a, V b) { return Beta(a, b); }, -0.1);
  check([](V a, V b) { return Beta(a, b); }, 1.1);
  check([](V a, V b) { return VonMises(a, b); }, 4);
  // The questions that laws ask of numbers are not comparisons of the program.
  Tape<double> tape;
  const V shape = tape.variable(0.7);
  const Gamma law(shape, 2);
  Generator generator({.seed = 1});
  tape.backward(law.draw(generator) + law.quantile(0.3) + law.cdf(1.2) + Beta(shape, 2).draw(generator) +
                StudentT(shape).upper_quantile(0.3) + VonMises(0, shape).quantile(0.2));
  CHECK(tape.comparisons().count == 0);
}

TEST_CASE("problems of continuous laws name parameter, value and range") {
  const auto check = [](const auto& law, const std::string& problem) { CHECK(law.problem() == problem); };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string line = "(-infinity, infinity)", positive = "(0, infinity)", not_negative = "[0, infinity)";
  check(Normal(nan, 1), "mean = nan is outside " + line);
  check(Normal(0, inf), "sd = inf is outside " + not_negative);
  check(LogNormal(inf, 1), "mu = inf is outside " + line);
  check(LogNormal(0, -1), "sigma = -1 is outside " + not_negative);
  check(Uniform(nan, 1), "a = nan is outside " + line);
  check(Exponential(nan), "rate = nan is outside " + positive);
  check(Weibull(0, 1), "shape = 0 is outside " + positive);
  check(Weibull(1, nan), "scale = nan is outside " + positive);
  check(Pareto(0, 1), "scale = 0 is outside " + positive);
  check(Pareto(1, inf), "shape = inf is outside " + positive);
  check(Gamma(-2, 1), "shape = -2 is outside " + positive);
  check(Gamma(1, inf), "scale = inf is outside " + positive);
  check(Beta(nan, 1), "a = nan is outside " + positive);
  check(Beta(1, 0), "b = 0 is outside " + positive);
  check(StudentT(0), "freedom = 0 is outside " + positive);
  check(StudentT(1, nan, 1), "location = nan is outside " + line);
  check(StudentT(1, 0, 0), "scale = 0 is outside " + positive);
  check(VonMises(inf, 1), "direction = inf is outside " + line);
  check(VonMises(0, -0.1), "concentration = -0.1 is outside " + not_negative);
  check(Dirichlet(Vector<double>{1.0, 0.0}), "concentration[1] = 0 is outside " + positive);
  check(Dirichlet(Vector<double>()), "no concentrations");
  for (const auto& [location, scale] : {std::pair(nan, 1.0), std::pair(0.0, -3.0)}) {
    const std::string problem = std::isnan(location) ? "location = nan is outside " + line : "scale = -3 is outside " + positive;
    check(Laplace(location, scale), problem);
    check(Logistic(location, scale), problem);
    check(Gumbel(location, scale), problem);
    check(Cauchy(location, scale), problem);
  }

  using Mean = Vector<double>;
  const auto matrix = [](double a, double b, double c, double d) { return Matrix<double>(Eigen::Matrix2d{{a, b}, {c, d}}); };
  check(MultivariateNormal(Mean{0, nan}, matrix(1, 0, 0, 1)), "mean[1] = nan is outside " + line);
  check(MultivariateNormal(Mean{0, 0}, matrix(1, 0, inf, 1)), "covariance(1, 0) = inf is outside " + line);
  const MultivariateNormal indefinite(Mean{0, 0}, matrix(1, 2, 2, 1));
  CHECK(indefinite.problem().starts_with("covariance is not positive definite"));
  Generator generator({.seed = 1});
  CHECK_THROWS_WITH_AS((void)indefinite.draw(generator),
                       doctest::Contains("MultivariateNormal: covariance is not positive definite"), InvalidArgument);
  CHECK_THROWS_WITH_AS((void)indefinite.log_density(Mean{0, 0}), doctest::Contains("MultivariateNormal: covariance"),
                       InvalidArgument);
  CHECK_THROWS_WITH_AS((MultivariateNormal(Mean{0, 0, 0}, matrix(1, 0, 0, 1))), doctest::Contains("MultivariateNormal"),
                       InvalidArgument);
  const auto from = [&](const Matrix<double>& l) { return MultivariateNormal<double>::from_cholesky(Mean{0, 0}, l); };
  check(from(matrix(1, 0, 3, 0)), "factor(1, 1) = 0 is outside " + positive);
  check(from(matrix(1, 2, 0, 1)), "factor(0, 1) = 2 is outside {0}: it must be lower triangular");
  check(from(matrix(1, 0, 3, 1)), "");
  CHECK_THROWS_WITH_AS((void)Dirichlet(Mean{1, 1}).log_density(Mean{1}), doctest::Contains("Dirichlet"), InvalidArgument);

  // The plain form of a recorded law has the same problem, and a program reports it with the law and the place.
  Tape<double> tape;
  Tape<double>::Use use(tape);
  CHECK(MultivariateNormal(Vector<V>{0, 0}, Matrix<V>(matrix(1, 2, 2, 1))).plain().problem() == indefinite.problem());
  CHECK(Dirichlet(Vector<V>{V(1), V(-1)}).plain().problem() == "concentration[1] = -1 is outside " + positive);
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Gamma(t[0], 2)); };
  CHECK_THROWS_WITH_AS((void)estimate(program, Eigen::VectorXd::Constant(1, -1.0), ScoreFunction{}, {.samples = 2}),
                       doctest::Contains("Gamma: shape = -1 is outside (0, infinity) (site 0"), Error);
}

namespace {
template <class L>
concept VariesInWords = requires {
  requires L::rejection;
};
}  // namespace

TEST_CASE("arguments of continuous laws are turned into scalars") {
  using Product = decltype(std::declval<V>() * std::declval<V>());
  const auto deduce = [](auto two) {
    static_assert(std::is_same_v<decltype(two(0, 1)), decltype(two(0.0, 1.0))>);
    static_assert(std::is_same_v<typename decltype(two(0, 1))::Scalar, double>);
    static_assert(std::is_same_v<typename decltype(two(0.0f, 1.0f))::Scalar, float>);
    static_assert(std::is_same_v<typename decltype(two(0, std::declval<V>()))::Scalar, V>);
    static_assert(std::is_same_v<typename decltype(two(std::declval<Product>(), 2))::Scalar, V>);
    static_assert(std::is_same_v<typename decltype(two(std::declval<D>(), 2))::Scalar, D>);
    static_assert(std::is_same_v<typename decltype(two(2, std::declval<Var<D>>()))::Scalar, Var<D>>);
    static_assert(ThresholdLaw<decltype(two(0, 1))> && ThresholdLaw<decltype(two(0, std::declval<Var<D>>()))>);
  };
  deduce([](auto&& a, auto&& b) { return Normal(a, b); });
  deduce([](auto&& a, auto&& b) { return LogNormal(a, b); });
  deduce([](auto&& a, auto&& b) { return Uniform(a, b); });
  deduce([](auto&& a, auto&& b) { return Exponential(a * b); });
  deduce([](auto&& a, auto&& b) { return Laplace(a, b); });
  deduce([](auto&& a, auto&& b) { return Logistic(a, b); });
  deduce([](auto&& a, auto&& b) { return Gumbel(a, b); });
  deduce([](auto&& a, auto&& b) { return Weibull(a, b); });
  deduce([](auto&& a, auto&& b) { return Cauchy(a, b); });
  deduce([](auto&& a, auto&& b) { return Pareto(a, b); });
  deduce([](auto&& a, auto&& b) { return Gamma(a, b); });
  deduce([](auto&& a, auto&& b) { return Beta(a, b); });
  deduce([](auto&& a, auto&& b) { return StudentT(a, b, a); });
  deduce([](auto&& a, auto&& b) { return StudentT(a * b); });
  deduce([](auto&& a, auto&& b) { return VonMises(a, b); });
  static_assert(std::is_same_v<decltype(Dirichlet(std::declval<Vector<V>>()))::Scalar, V>);
  static_assert(std::is_same_v<decltype(MultivariateNormal(std::declval<Vector<double>>(), std::declval<Matrix<V>>()))::Scalar, V>);
  static_assert(ContinuousLaw<Dirichlet<V>> && ContinuousLaw<MultivariateNormal<V>> && !ThresholdLaw<Dirichlet<V>>);
  static_assert(VariesInWords<Gamma<V>> && VariesInWords<Normal<V>> && !VariesInWords<Exponential<V>>);
}
