#include "random_program.hpp"

#include <optional>

namespace fuzz {

namespace {

class Generator {
 public:
  Generator(Flavour flavour, std::mt19937_64& random) : flavour_(flavour), random_(random) {}

  RandomProgram make() {
    program_.statements = statements(2 + below(4), 0);
    // The end is a cost of everything.
    std::size_t sum = expression(2);
    for (std::size_t i = 0; i < 3; ++i)
      sum = add({Node::Kind::fused, 0, number(), sum, add({i == 2 ? Node::Kind::integer : Node::Kind::real, i, 0, 0, 0})});
    program_.result = add({Node::Kind::plus, 0, 0, sum, add({Node::Kind::square, 0, 0, expression(1), 0})});
    return std::move(program_);
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  int count_below(int n) { return static_cast<int>(below(static_cast<std::size_t>(n))); }
  bool coin() { return below(2) == 0; }
  double number() { return static_cast<double>(random_() % 2001) / 1000 - 1; }
  std::size_t add(const Node& node) {
    program_.nodes.push_back(node);
    return program_.nodes.size() - 1;
  }
  /// In the parameters alone, or in variables, too.
  std::size_t expression(int depth, bool variables = true) {
    using Kind = Node::Kind;
    const double constant = number();
    if (depth == 0) {
      const std::size_t index = below(3);
      constexpr std::array<Kind, 6> kinds{Kind::parameter, Kind::constant, Kind::parameter, Kind::real, Kind::real, Kind::integer};
      return add({kinds[below(variables ? kinds.size() : 3)], index, constant, 0, 0});
    }
    constexpr std::array<Kind, 10> kinds{Kind::plus,    Kind::minus, Kind::times,    Kind::quotient, Kind::sine,
                                         Kind::tangent, Kind::bell,  Kind::logistic, Kind::square,   Kind::fused};
    const Kind kind = kinds[below(kinds.size())];
    const std::size_t a = expression(depth - 1, variables);
    const std::size_t b = kind < Kind::sine || kind == Kind::fused ? expression(count_below(depth), variables) : a;
    return add({kind, 0, constant, a, b});
  }
  /// Of a probability: what it must depend on, in order not to be constant, is in it.
  std::size_t probability() {
    const std::size_t theta = add({Node::Kind::parameter, below(3), 0, 0, 0});
    const std::size_t rest = expression(1, flavour_ != Flavour::independent_coins);
    return add({Node::Kind::fused, 0, number(), theta, rest});
  }
  std::vector<Statement> statements(std::size_t n, int depth) {
    std::vector<Statement> list;
    while (list.size() < n) list.push_back(statement(depth));
    return list;
  }
  Statement statement(int depth) {
    using Kind = Statement::Kind;
    constexpr std::array<Kind, 16> kinds{Kind::draw,  Kind::draw,   Kind::draw,        Kind::draw,   Kind::append, Kind::assign,
                                         Kind::scale, Kind::cost,   Kind::cost,        Kind::block,  Kind::loop,   Kind::iterate,
                                         Kind::until, Kind::branch, Kind::coin_branch, Kind::one_hot};
    const bool general = flavour_ == Flavour::general;
    Statement s;
    s.kind = kinds[below(depth == 2 ? 10 : general ? 16 : 12)];
    s.x = below(3), s.n = below(3);
    s.count = 1 + count_below(2);
    s.number = general && coin();
    s.arithmetic = coin();
    const bool drawn = s.kind == Kind::draw || s.kind == Kind::block || s.kind == Kind::one_hot || s.kind == Kind::coin_branch ||
                       s.kind == Kind::until;
    s.a = drawn ? probability() : expression(2);
    s.b = drawn ? probability() : expression(1);
    s.c = expression(1);
    if (s.kind == Kind::draw) {
      s.law = static_cast<LawKind>(below(general ? 12 : 2));
      if (general && below(4) == 0) s.label = 1 + below(3);
    }
    if (s.kind >= Kind::branch && s.kind <= Kind::iterate) s.body = statements(1 + below(2), depth + 1);
    if (s.kind == Kind::branch || s.kind == Kind::coin_branch) s.otherwise = statements(below(2), depth + 1);
    return s;
  }

  Flavour flavour_;
  std::mt19937_64& random_;
  RandomProgram program_;
};

/// Looks like a Sampler<double>, but takes given outcomes, and the lowest ones after them.
class Walk {
 public:
  explicit Walk(const std::vector<std::int64_t>& path) : path_(path) {}

  struct Choice {
    std::int64_t outcome, next;  ///< the one that was taken, and another one
    bool last;                   ///< there is no other one
  };
  const std::vector<Choice>& choices() const { return choices_; }
  double probability() const { return probability_; }
  double added_cost() const { return cost_; }

  template <stoat::SingleDraw L>
  stoat::Discrete<double> operator()(const L& law) {
    return stoat::Discrete<double>(decide(stoat::detail::plain(law)));
  }
  template <stoat::SingleDraw L>
  stoat::Discrete<double> operator()(const L& law, std::uint64_t) {
    return (*this)(law);
  }
  struct Several {
    stoat::Vector<double> numbers;
    std::int64_t label;
    operator stoat::Vector<double>() const { return numbers; }
    stoat::Vector<double> vector() const { return numbers; }
    std::int64_t value(Eigen::Index i) const { return static_cast<std::int64_t>(numbers[i]); }
    std::int64_t value() const { return label; }
  };
  Several operator()(const stoat::Bernoulli<stoat::Vector<double>>& law) {
    const double first = static_cast<double>(decide(stoat::Bernoulli(law.p[0])));
    return {{first, static_cast<double>(decide(stoat::Bernoulli(law.p[1])))}, 0};
  }
  Several operator()(const stoat::OneHot<double>& law) {
    const std::int64_t k = decide(law.plain());
    return {{k == 0 ? 1.0 : 0.0, k == 1 ? 1.0 : 0.0, k == 2 ? 1.0 : 0.0}, k};
  }
  void cost(double c) { cost_ += c; }
  template <class Body>
  void iterate(State<double>& state, int steps, const Body& body) {
    for (int t = 0; t < steps; ++t) body(state, t);
  }

 private:
  template <class L>
  std::int64_t decide(const L& law) {
    const stoat::Support support = law.support();
    const std::size_t i = choices_.size();
    const std::int64_t k = i < path_.size() ? path_[i] : support.lower;
    const bool last = support.finite() ? k >= support.upper : stoat::survival(law, k) < 1e-14;
    choices_.push_back({k, k + 1, last});
    probability_ *= law.pmf(k);
    return k;
  }

  const std::vector<std::int64_t>& path_;
  std::vector<Choice> choices_;
  double probability_ = 1, cost_ = 0;
};

}  // namespace

RandomProgram random_program(Flavour flavour, std::mt19937_64& random) { return Generator(flavour, random).make(); }

std::vector<Leaf> leaves(const RandomProgram& program, const Eigen::VectorXd& theta, std::size_t most) {
  std::vector<Leaf> all;
  const stoat::Vector<double> x(theta);
  for (std::vector<std::int64_t> path;;) {
    if (all.size() == most) return {};
    Walk walk(path);
    const double returned = program(walk, x);
    auto choices = walk.choices();
    Leaf& leaf = all.emplace_back(Leaf{{}, walk.probability(), returned + walk.added_cost()});
    for (const auto& c : choices) leaf.outcomes.push_back(c.outcome);
    while (!choices.empty() && choices.back().last) choices.pop_back();
    if (choices.empty()) return all;
    path.clear();
    for (const auto& c : choices) path.push_back(c.outcome);
    path.back() = choices.back().next;
  }
}

}  // namespace fuzz
