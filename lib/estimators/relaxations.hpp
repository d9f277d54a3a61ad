// relaxations.hpp: Gumbel noise given an outcome, and what relaxed recordings have in common.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <stoat/estimators/estimator.hpp>
#include <stoat/program/relaxation.hpp>

namespace stoat::detail {

inline void check_temperature(const char* name, double temperature) {
  if (!(temperature > 0 && std::isfinite(temperature)))
    throw InvalidArgument(std::string(name) + ": " + outside("temperature", temperature, "(0, infinity)"));
}
/// "Name(0.5, 3)"
std::string with_knobs(const char* name, double first);
std::string with_knobs(const char* name, double first, double second);

/// log u of a uniform number in (0, 1).
inline double log_uniform(Generator& noise) { return std::log(std::max(noise.uniform(), 0x1p-54)); }
/// log(v / (1 - v)) of a uniform number in (0, 1).
inline double logistic_noise(Generator& noise) {
  const double v = std::max(noise.uniform(), 0x1p-54);
  return std::log(v) - std::log1p(-v);
}

/// log-odds + logistic noise that is positive (outcome 1) or negative (outcome 0), from logistic noise `l` without condition.
template <class S>
S given_coin(const S& log_odds, std::int64_t outcome, double l) {
  using T = ValueOf<S>;
  if (outcome == 1) return softplus(static_cast<T>(l) + softplus(log_odds));
  return -softplus(static_cast<T>(l) + softplus(-log_odds));
}
/// log_p + Gumbel noise whose largest entry is the outcome, from logarithms of independent draws from Exponential(1): the largest
/// is a Gumbel draw, -log e_y, the others are cut off there, -log(e_k / p_k + e_y).
template <class S>
Vector<S> given_label(const Vector<S>& log_p, std::int64_t outcome, const Eigen::VectorXd& log_e) {
  using T = ValueOf<S>;
  const T top = static_cast<T>(log_e[outcome]);
  return Vector<S>::generate(log_p.size(), [&](Eigen::Index k) -> S {
    if (k == outcome) return S(-top);
    return -log_sum_exp(static_cast<T>(log_e[k]) - log_p[k], top);
  });
}
inline void log_exponentials(Generator& noise, Eigen::Index n, Eigen::VectorXd& out) {
  out.resize(n);
  for (double& e : out) e = std::log(-log_uniform(noise));
}

/// A relaxation with a name and randomness of its own.
template <class T>
class NoisyRelaxation : public Relaxation<T> {
 public:
  NoisyRelaxation(const char* name, Generator noise) : noise_(noise), name_(name) {}
  std::string_view name() const override { return name_; }
  /// Where the noise goes on.
  const Generator& noise() const { return noise_; }

 protected:
  /// Throws where an outcome has probability 0: its log-probability has no derivative.
  void require_finite(std::size_t site, const Var<T>& log_odds) const {
    if (!std::isfinite(log_odds.value())) refuse(site, log_odds.value() > 0 ? 0 : 1);
  }
  void require_finite(std::size_t site, const Vector<Var<T>>& log_p) const {
    for (Eigen::Index k = 0; k < log_p.size(); ++k)
      if (!std::isfinite(value(log_p[k]))) refuse(site, k);
  }

  Generator noise_;
  Eigen::VectorXd log_e_;

 private:
  [[noreturn]] void refuse(std::size_t site, std::int64_t outcome) const {
    throw Refusal(std::string(name_) + ": at site " + std::to_string(site) + " the outcome " + std::to_string(outcome) +
                  " has probability 0, which depends on theta; its log-probability has no derivative");
  }
  const char* name_;
};

/// Gumbel-softmax given the outcomes of the run: the derivative is that of z = log P + noise with the noise held fixed.
template <class T>
class Concrete : public NoisyRelaxation<T> {
 public:
  Concrete(const char* name, Generator noise, double temperature)
      : NoisyRelaxation<T>(name, noise), inverse_(static_cast<T>(1 / temperature)) {}
  bool soft() const override { return true; }
  Var<T> coin(std::size_t site, const Var<T>& log_odds, std::int64_t outcome) override {
    this->require_finite(site, log_odds);
    const T z = given_coin(log_odds.value(), outcome, logistic_noise(this->noise_));
    return logistic((log_odds + (z - log_odds.value())) * inverse_);
  }
  Vector<Var<T>> label(std::size_t site, const Vector<Var<T>>& log_p, std::int64_t outcome) override {
    this->require_finite(site, log_p);
    log_exponentials(this->noise_, log_p.size(), this->log_e_);
    const Vector<T> at(log_p.eigen());
    const Vector<T> z = given_label(at, outcome, this->log_e_);
    return softmax((log_p + (z - at)) * inverse_);
  }

 protected:
  T inverse_;
};

/// Gumbel-softmax given the outcomes, as z~ of REBAR: the derivative goes through the transformation that makes z from the outcome
/// and noise without condition.
template <class T>
class ConditionalConcrete : public Concrete<T> {
 public:
  using Concrete<T>::Concrete;
  Var<T> coin(std::size_t site, const Var<T>& log_odds, std::int64_t outcome) override {
    this->require_finite(site, log_odds);
    return logistic(given_coin(log_odds, outcome, logistic_noise(this->noise_)) * this->inverse_);
  }
  Vector<Var<T>> label(std::size_t site, const Vector<Var<T>>& log_p, std::int64_t outcome) override {
    this->require_finite(site, log_p);
    log_exponentials(this->noise_, log_p.size(), this->log_e_);
    return softmax(given_label(log_p, outcome, this->log_e_) * this->inverse_);
  }
};

/// Outcomes with the derivative sum_i w_i J(s_i) in log P, where J(s) = diag(s) - s s' and the s_i are distributions over the
/// labels.
template <class T>
class StraightThroughRelaxation : public NoisyRelaxation<T> {
 public:
  using NoisyRelaxation<T>::NoisyRelaxation;
  bool soft() const override { return false; }
  Var<T> coin(std::size_t site, const Var<T>& log_odds, std::int64_t outcome) override {
    this->require_finite(site, log_odds);
    const double l = static_cast<double>(log_odds.value());
    log_p_.resize(2);
    log_p_ << -softplus(l), -softplus(-l);
    choose(outcome);
    const double slope = (s_.row(0).array() * s_.row(1).array()).matrix().dot(w_);
    return static_cast<T>(outcome) + static_cast<T>(slope) * (log_odds - log_odds.value());
  }
  Vector<Var<T>> label(std::size_t site, const Vector<Var<T>>& log_p, std::int64_t outcome) override {
    this->require_finite(site, log_p);
    log_p_ = log_p.eigen().template cast<double>();
    choose(outcome);
    // The values are exactly those of the unit vector, as `move` is 0.
    const Vector<Var<T>> move = log_p - Vector<T>(log_p.eigen());
    const Matrix<T> s(s_.template cast<T>().eval()), weighted((s_ * w_.asDiagonal()).template cast<T>().eval());
    const Vector<T> total((s_ * w_.transpose()).template cast<T>().eval());
    const Vector<T> unit(Eigen::VectorX<T>(Eigen::VectorX<T>::Unit(log_p.size(), outcome)));
    return unit + cwise_product(total, move) - weighted * Vector<Var<T>>(s.transpose() * move);
  }

 protected:
  /// Fills s_ (a column for each s_i) and w_ from log_p_.
  virtual void choose(std::int64_t outcome) = 0;
  static Eigen::VectorXd softmax_of(const Eigen::VectorXd& x) {
    const Eigen::VectorXd e = (x.array() - x.maxCoeff()).exp();
    return e / e.sum();
  }

  Eigen::VectorXd log_p_;
  Eigen::MatrixXd s_;
  Eigen::RowVectorXd w_;
};

/// One run on a relaxation, one sweep.
template <class T>
void relaxed_sweep(Trace<T>& trace, const SampleContext& context, Relaxation<T>& relaxation, GradientDraw& out) {
  out.value = static_cast<double>(trace.record(context.key(), relaxation));
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(out.gradient);
}

}  // namespace stoat::detail
