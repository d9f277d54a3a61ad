// stoat/distributions/table.hpp: a table of outcomes with probabilities.
#pragma once

#include <utility>

#include <stoat/distributions/one_hot.hpp>

namespace stoat {

/// Table(outcomes, weights): outcomes[k], any numbers in any order, with probability weights[k] / sum(weights). Both may depend on
/// parameters. draw(Table(x, w)) gives a TableDraw. One site, that of a OneHot draw: x is the inner product of the outcomes
/// with its unit vector. Vectors of different lengths throw InvalidArgument.
template <class S>
struct Table {
  using Scalar = S;
  Vector<S> outcomes, weights;

  Table(Vector<S> x, Vector<S> w) : outcomes(std::move(x)), weights(std::move(w)) {
    if (outcomes.size() != weights.size()) detail::shape_mismatch("Table", outcomes.size(), 1, weights.size(), 1);
  }
};
template <DenseLike A, DenseLike B>
Table(const A&, const B&) -> Table<CommonScalar<A, B>>;

}  // namespace stoat
