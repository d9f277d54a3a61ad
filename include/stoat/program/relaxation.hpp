// stoat/program/relaxation.hpp: variables that stand for the outcomes of draws, for estimators that relax coins and labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <Eigen/Core>

#include <stoat/tape/vector.hpp>

namespace stoat {

/// What a recorded run sees of a coin or a label in place of its outcome: a variable made from the parameters of the law.
/// Laws are relaxed through log_odds() (two outcomes 0 and 1) or on_tape() (probabilities of labels). Draws whose parameters do
/// not depend on theta stay as they are: a relaxation is asked for active ones only.
template <class T>
class Relaxation {
 public:
  virtual ~Relaxation() = default;
  /// The name of the estimator, for messages.
  virtual std::string_view name() const = 0;
  /// True if the values are not the outcomes, so that they cannot steer control flow.
  virtual bool soft() const = 0;
  /// What stands for the outcome of a coin with these log-odds.
  virtual Var<T> coin(std::size_t site, const Var<T>& log_odds, std::int64_t outcome) = 0;
  /// What stands for the unit vector of a label with these log-probabilities.
  virtual Vector<Var<T>> label(std::size_t site, const Vector<Var<T>>& log_probabilities, std::int64_t outcome) = 0;
};

/// Another way to draw the uniform numbers of a run: antithetic, or any other with the right marginals.
class Coupling {
 public:
  virtual ~Coupling() = default;
  /// The uniform number, in [0, 1), of a site, given the one that its key has.
  virtual double operator()(std::size_t site, double u) const = 0;
};

}  // namespace stoat
