// tests/fuzz/random_program.hpp: stochastic programs made from a seed, as syntax trees that one generic callable interprets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <stoat/distributions/beta_binomial.hpp>
#include <stoat/distributions/truncated.hpp>
#include <stoat/distributions/zero_inflated.hpp>
#include <stoat/program/program.hpp>

namespace fuzz {

/// What programs may contain.
enum class Flavour {
  general,            ///< everything
  coins,              ///< coins that depend on coins, but no control flow that does
  independent_coins,  ///< coins whose probabilities depend on the parameters alone
};

/// A node of an expression: its arguments are earlier nodes. Every operation is smooth and bounded on what comes in.
struct Node {
  enum class Kind {
    constant,
    parameter,
    real,
    integer,
    plus,
    minus,
    times,
    quotient,
    sine,
    tangent,
    bell,
    logistic,
    square,
    fused
  };
  Kind kind = Kind::constant;
  std::size_t index = 0;  ///< of a parameter or variable
  double number = 0;
  std::size_t a = 0, b = 0;
};

enum class LawKind {
  coin,
  logit_coin,
  binomial,
  uniform,
  categorical,
  logits,
  beta_binomial,
  truncated_poisson,
  truncated_binomial,
  zero_inflated,
  poisson,
  geometric,
};

struct Statement {
  enum class Kind { draw, assign, append, scale, cost, branch, coin_branch, loop, until, iterate, block, one_hot };
  Kind kind = Kind::assign;
  std::size_t x = 0, n = 0;                    ///< the variables that it writes or reads
  std::size_t a = 0, b = 0, c = 0;             ///< expressions
  int count = 0;                               ///< of a loop, trials or the like
  LawKind law = LawKind::coin;                 ///< of a draw
  bool number = false, arithmetic = false;     ///< how the outcome is read
  std::uint64_t label = 0;                     ///< 0: none
  std::vector<Statement> body{}, otherwise{};  ///< of branches and loops
};

/// All that a program changes.
template <class S>
struct State {
  std::array<S, 3> x;
  std::array<std::int64_t, 3> n;
  bool operator==(const State&) const = default;
};

/// A program of three parameters. `draw` is a Sampler<S> or something that looks like one.
struct RandomProgram {
  static constexpr Eigen::Index parameters = 3;
  std::vector<Node> nodes;
  std::vector<Statement> statements;
  std::size_t result = 0;  ///< an expression

  template <class Draw, class S>
  S operator()(Draw& draw, const stoat::Vector<S>& theta) const {
    State<S> state{{S(0.5), S(0), S(-0.25)}, {0, 1, 2}};
    run(statements, draw, theta, state);
    return value(result, theta, state);
  }

 private:
  template <class S>
  S value(std::size_t e, const stoat::Vector<S>& theta, const State<S>& state) const {
    const Node& node = nodes[e];
    const auto arg = [&](std::size_t i) { return value(i, theta, state); };
    switch (node.kind) {
      case Node::Kind::constant: return S(node.number);
      case Node::Kind::parameter: return S(theta[static_cast<Eigen::Index>(node.index)]);
      case Node::Kind::real: return state.x[node.index];
      case Node::Kind::integer: return S(static_cast<double>(state.n[node.index]));
      case Node::Kind::plus: return arg(node.a) + arg(node.b);
      case Node::Kind::minus: return arg(node.a) - node.number * arg(node.b);
      case Node::Kind::times: return arg(node.a) * arg(node.b);
      case Node::Kind::quotient: return arg(node.a) / (1 + stoat::square(arg(node.b)));
      case Node::Kind::sine: return sin(arg(node.a));
      case Node::Kind::tangent: return tanh(arg(node.a));
      case Node::Kind::bell: return exp(-0.5 * stoat::square(arg(node.a)));
      case Node::Kind::logistic: return stoat::logistic(arg(node.a));
      case Node::Kind::square: return stoat::square(arg(node.a));
      case Node::Kind::fused: break;
    }
    S sum = arg(node.a);
    sum += node.number * arg(node.b);
    sum -= arg(node.a) * arg(node.b);
    return sum;
  }
  /// Between 0.15 and 0.85: every path is likely enough for statistics.
  template <class S>
  S chance(std::size_t e, const stoat::Vector<S>& theta, const State<S>& state) const {
    return 0.5 + 0.35 * tanh(value(e, theta, state));
  }

  template <class Draw, class S>
  void run(const std::vector<Statement>& list, Draw& draw, const stoat::Vector<S>& theta, State<S>& state) const {
    for (const Statement& s : list) run(s, draw, theta, state);
  }
  template <class Draw, class S>
  void run(const Statement& s, Draw& draw, const stoat::Vector<S>& theta, State<S>& state) const {
    using Kind = Statement::Kind;
    const auto expression = [&](std::size_t e) { return value(e, theta, state); };
    switch (s.kind) {
      case Kind::draw: return draw_one(s, draw, theta, state);
      case Kind::assign: state.x[s.x] = expression(s.a); return;
      case Kind::append:
        state.x[s.x] += expression(s.a) * expression(s.b);
        state.x[s.x] -= 0.3 * expression(s.b);
        return;
      case Kind::scale: state.x[s.x] *= tanh(expression(s.a)); return;
      case Kind::cost: draw.cost(expression(s.a) + s.count * stoat::square(tanh(expression(s.b)))); return;
      case Kind::branch: return run(state.n[s.n] > s.count ? s.body : s.otherwise, draw, theta, state);
      case Kind::coin_branch:
        if (draw(stoat::Bernoulli(chance(s.a, theta, state)))) run(s.body, draw, theta, state);
        else run(s.otherwise, draw, theta, state);
        return;
      case Kind::loop:
        for (std::int64_t i = 0, end = s.number ? 1 + state.n[s.n] % 2 : s.count; i < end; ++i) run(s.body, draw, theta, state);
        return;
      case Kind::until:
        for (int i = 0; i < s.count && draw(stoat::Bernoulli(chance(s.a, theta, state))); ++i) run(s.body, draw, theta, state);
        return;
      case Kind::iterate:
        draw.iterate(state, s.count, [&](State<S>& inner, int t) {
          inner.x[s.x] = inner.x[s.x] * (0.5 + 0.1 * t);
          run(s.body, draw, theta, inner);
        });
        return;
      case Kind::block: {
        const stoat::Vector<S> p{chance(s.a, theta, state), chance(s.b, theta, state)};
        const auto spikes = draw(stoat::Bernoulli(p));
        const stoat::Vector<S> spike = spikes;
        state.x[s.x] += dot(spike, stoat::Vector<S>{expression(s.c), S(0.7)}) + spike[0] * spike[1];
        if (s.number) state.n[s.n] = spikes.value(1);
        return;
      }
      case Kind::one_hot: {
        const auto e =
            draw(stoat::OneHot(stoat::Vector<S>{chance(s.a, theta, state), chance(s.b, theta, state), chance(s.c, theta, state)}));
        const stoat::Vector<S> unit = e.vector();
        state.x[s.x] += unit[0] * expression(s.b) - 0.5 * unit[2];
        if (s.number) state.n[s.n] = e.value();
        return;
      }
    }
  }
  template <class Draw, class S>
  void draw_one(const Statement& s, Draw& draw, const stoat::Vector<S>& theta, State<S>& state) const {
    const auto take = [&](const auto& law) {
      const auto k = s.label ? draw(law, s.label) : draw(law);
      if (s.arithmetic) state.x[s.x] += value(s.c, theta, state) * k;
      else state.x[s.x] = k;
      if (s.number) state.n[s.n] = k.value();
    };
    const S p = chance(s.a, theta, state);
    const auto weights = [&] { return stoat::Vector<S>{p, chance(s.b, theta, state), S(0.4)}; };
    const std::int64_t n = 1 + (s.count + state.n[s.n]) % 3;
    switch (s.law) {
      case LawKind::coin: return take(stoat::Bernoulli(p));
      case LawKind::logit_coin: return take(stoat::BernoulliLogit(S(4 * p - 2)));
      case LawKind::binomial: return take(stoat::Binomial(n, p));
      case LawKind::uniform: return take(stoat::DiscreteUniform(-1, n));
      case LawKind::categorical: return take(stoat::Categorical(weights()));
      case LawKind::logits: return take(stoat::CategoricalLogit(stoat::Vector<S>(weights() * 2.0)));
      case LawKind::beta_binomial: return take(stoat::BetaBinomial(n, S(3 * p), chance(s.b, theta, state)));
      case LawKind::truncated_poisson: return take(stoat::Truncated(stoat::Poisson(S(3 * p)), n - 1, n + 2));
      case LawKind::truncated_binomial: return take(stoat::Truncated(stoat::Binomial(n + 2, p), 1, n + 1));
      case LawKind::zero_inflated:
        return take(stoat::ZeroInflated<S, stoat::Binomial<S>>(chance(s.b, theta, state), stoat::Binomial(n, p)));
      case LawKind::poisson: return take(stoat::Poisson(S(0.5 * p)));
      case LawKind::geometric: return take(stoat::Geometric(S(0.6 + 0.4 * p)));
    }
  }
};

/// A program of the flavour; the same for the same seed on every machine.
RandomProgram random_program(Flavour flavour, std::mt19937_64& random);

/// One path through a program that ends with this cost.
struct Leaf {
  std::vector<std::int64_t> outcomes;
  double probability, cost;
};
/// Every path, by running the program again and again: written for this test, apart from the library's own enumeration. Empty if
/// there are more than `most`. Outcomes of infinite laws are left out once 1e-14 is left of them.
std::vector<Leaf> leaves(const RandomProgram& program, const Eigen::VectorXd& theta, std::size_t most);

}  // namespace fuzz
