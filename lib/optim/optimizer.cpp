#include <stoat/optim/optimizer.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

namespace stoat {
namespace {

using Moments = std::vector<Eigen::VectorXd>;

void require(const char* rule, const char* knob, double value, bool good, const char* range) {
  if (!good) throw InvalidArgument(std::string(rule) + ": " + outside(knob, value, range));
}
void require_positive(const char* rule, const char* knob, double value) {
  require(rule, knob, value, value > 0 && std::isfinite(value), "(0, infinity)");
}
void require_fraction(const char* rule, const char* knob, double value) {
  require(rule, knob, value, value >= 0 && value < 1, "[0, 1)");
}

/// The shortest text that reads back as the same number.
std::string exact(double x) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), x).ptr};
}

std::string rule_of(const Adam& a) {
  return "Adam(rate " + exact(a.rate) + ", beta1 " + exact(a.beta1) + ", beta2 " + exact(a.beta2) + ", epsilon " +
         exact(a.epsilon) + ")";
}
std::string rule_of(const Sgd& s) { return "SGD(rate " + exact(s.rate) + ", momentum " + exact(s.momentum) + ")"; }
std::string rule_of(const Smorms3& s) { return "SMORMS3(rate " + exact(s.rate) + ", epsilon " + exact(s.epsilon) + ")"; }

/// The moments of a rule before its first step.
Moments moments_of(const Adam&, Eigen::Index n) { return Moments(2, Eigen::VectorXd::Zero(n)); }
Moments moments_of(const Sgd&, Eigen::Index n) { return Moments(1, Eigen::VectorXd::Zero(n)); }
Moments moments_of(const Smorms3&, Eigen::Index n) {
  return {Eigen::VectorXd::Ones(n), Eigen::VectorXd::Zero(n), Eigen::VectorXd::Zero(n)};
}

void descend(const Adam& adam, std::int64_t steps, Moments& moments, Eigen::VectorXd& theta, const Eigen::VectorXd& gradient,
             double factor) {
  auto first = moments[0].array(), second = moments[1].array();
  first = adam.beta1 * first + (1 - adam.beta1) * gradient.array();
  second = adam.beta2 * second + (1 - adam.beta2) * gradient.array().square();
  const auto n = static_cast<double>(steps);
  const double m = 1 - std::pow(adam.beta1, n), v = 1 - std::pow(adam.beta2, n);
  theta.array() -= factor * adam.rate * (first / m) / ((second / v).sqrt() + adam.epsilon);
}

void descend(const Sgd& sgd, std::int64_t, Moments& moments, Eigen::VectorXd& theta, const Eigen::VectorXd& gradient,
             double factor) {
  auto velocity = moments[0].array();
  velocity = sgd.momentum * velocity + gradient.array();
  theta.array() -= factor * sgd.rate * velocity;
}

void descend(const Smorms3& smorms3, std::int64_t, Moments& moments, Eigen::VectorXd& theta, const Eigen::VectorXd& gradient,
             double factor) {
  auto memory = moments[0].array(), mean = moments[1].array(), square = moments[2].array();
  const auto g = gradient.array();
  const Eigen::ArrayXd r = 1 / (memory + 1);
  mean = (1 - r) * mean + r * g;
  square = (1 - r) * square + r * g.square();
  const Eigen::ArrayXd q = mean.square() / (square + smorms3.epsilon);
  memory = memory * (1 - q) + 1;
  theta.array() -= q.min(factor * smorms3.rate) * g / (square.sqrt() + smorms3.epsilon);
}

}  // namespace

Optimizer::Optimizer(const Adam& adam) : rule_(adam) {
  require_positive("Adam", "rate", adam.rate);
  require_fraction("Adam", "beta1", adam.beta1);
  require_fraction("Adam", "beta2", adam.beta2);
  require_positive("Adam", "epsilon", adam.epsilon);
}
Optimizer::Optimizer(const Sgd& sgd) : rule_(sgd) {
  require_positive("SGD", "rate", sgd.rate);
  require_fraction("SGD", "momentum", sgd.momentum);
}
Optimizer::Optimizer(const Smorms3& smorms3) : rule_(smorms3) {
  require_positive("SMORMS3", "rate", smorms3.rate);
  require_positive("SMORMS3", "epsilon", smorms3.epsilon);
}

std::string Optimizer::name() const {
  std::ostringstream text;
  if (const Adam* adam = std::get_if<Adam>(&rule_)) text << "Adam(" << adam->rate << ')';
  else if (const Smorms3* smorms3 = std::get_if<Smorms3>(&rule_)) text << "SMORMS3(" << smorms3->rate << ')';
  else if (const Sgd& sgd = std::get<Sgd>(rule_); sgd.momentum == 0) text << "SGD(" << sgd.rate << ')';
  else text << "SGD(" << sgd.rate << ", momentum " << sgd.momentum << ')';
  return text.str();
}

std::string Optimizer::rule() const {
  return std::visit([](const auto& rule) { return rule_of(rule); }, rule_);
}

void Optimizer::step(Eigen::VectorXd& theta, const Eigen::VectorXd& gradient, double factor) {
  if (theta.size() != gradient.size()) throw InvalidArgument("Optimizer: theta and gradient differ in length");
  if (!(factor >= 0 && std::isfinite(factor))) throw InvalidArgument("Optimizer: " + outside("factor", factor, "[0, infinity)"));
  if (moments_.empty()) moments_ = std::visit([&](const auto& rule) { return moments_of(rule, theta.size()); }, rule_);
  if (moments_[0].size() != theta.size())
    throw InvalidArgument("Optimizer: its state is for " + std::to_string(moments_[0].size()) + " parameters, not " +
                          std::to_string(theta.size()));
  ++steps_;
  std::visit([&](const auto& rule) { descend(rule, steps_, moments_, theta, gradient, factor); }, rule_);
}

void Optimizer::restore(OptimizerState state) {
  if (state.rule != rule()) throw InvalidArgument("Optimizer: a state of " + state.rule + " does not fit " + rule());
  const Eigen::Index size = !moments_.empty() ? moments_[0].size() : !state.moments.empty() ? state.moments[0].size() : 0;
  const std::size_t count = std::visit([](const auto& rule) { return moments_of(rule, 0).size(); }, rule_);
  if (state.steps < 0 || (state.steps > 0 || !state.moments.empty()) != (state.moments.size() == count))
    throw InvalidArgument("Optimizer: a state of " + std::to_string(state.steps) + " steps with " +
                          std::to_string(state.moments.size()) + " moments does not fit " + rule());
  for (const Eigen::VectorXd& moment : state.moments)
    if (moment.size() != size)
      throw InvalidArgument("Optimizer: a moment of " + std::to_string(moment.size()) + " numbers instead of " +
                            std::to_string(size));
  steps_ = state.steps;
  moments_ = std::move(state.moments);
}

}  // namespace stoat
