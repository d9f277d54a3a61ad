// stoat/tape/reduce.hpp: sums, norms, extremes and log-sum-exp of all elements or by columns and rows; softmax and its kin.
#pragma once

#include <stoat/tape/product.hpp>

namespace stoat {

namespace detail {

/// What a reduction computes, and its slope in terms of an element x, the result y and the number of elements.
enum class Reduction {
  sum,           ///< 1
  mean,          ///< 1 / n
  squared_norm,  ///< 2 x
  norm,          ///< x / y, 0 at the origin
  log_sum_exp,   ///< e^(x - y)
  max,           ///< 1 at the first largest element, else 0
  min,           ///< 1 at the first smallest element, else 0
};
/// One number for each column.
template <class S>
Vector<S> reduced_columns(Reduction what, const Matrix<S>& a);
/// One number for all elements. Of no elements: the sum is 0, and log_sum_exp -infinity; the others throw.
template <class S>
S reduced(Reduction what, const Matrix<S>& a);

/// Each column of the result is a function of that column of x.
enum class Normalisation { softmax, log_softmax, normalised };
template <class S>
Matrix<S> normalised_columns(Normalisation what, const Matrix<S>& a);

template <class A>
auto normalised_like(Normalisation what, const A& a) {
  using S = ScalarOf<A>;
  return Dense<S, columns_of<A>>(normalised_columns<S>(what, matrix_operand<S>(a)));
}

}  // namespace detail

#define STOAT_REDUCTION(name, what)                                                                       \
  template <DenseLike A>                                                                                  \
  ScalarOf<A> name(const A& a) {                                                                          \
    return detail::reduced<ScalarOf<A>>(detail::Reduction::what, detail::matrix_operand<ScalarOf<A>>(a)); \
  }
/// The sum of all elements.
STOAT_REDUCTION(sum, sum)
/// Their mean.
STOAT_REDUCTION(mean, mean)
/// The sum of their squares.
STOAT_REDUCTION(squared_norm, squared_norm)
/// The root of the sum of their squares; its derivative at the origin is taken as 0.
STOAT_REDUCTION(norm, norm)
/// log sum_i e^x_i, without overflow.
STOAT_REDUCTION(log_sum_exp, log_sum_exp)
/// The largest element; at a tie the first one moves it.
STOAT_REDUCTION(max_coeff, max)
/// The smallest element; at a tie the first one moves it.
STOAT_REDUCTION(min_coeff, min)
#undef STOAT_REDUCTION

/// e^x_i / sum_j e^x_j, without overflow; of a matrix, by columns. dy = y (dx - y.dx)
template <DenseLike A>
auto softmax(const A& x) {
  return detail::normalised_like(detail::Normalisation::softmax, x);
}
/// log softmax(x); of a matrix, by columns. dy = dx - softmax(x).dx
template <DenseLike A>
auto log_softmax(const A& x) {
  return detail::normalised_like(detail::Normalisation::log_softmax, x);
}
/// x / sum(x); of a matrix, by columns. dy = (dx - y sum dx) / sum x
template <DenseLike A>
auto normalised(const A& x) {
  return detail::normalised_like(detail::Normalisation::normalised, x);
}

/// The columns (or rows) of a matrix, each to be reduced or combined with the same vector.
template <class S, bool rows>
class Lines {
 public:
  explicit Lines(const Matrix<S>& matrix) : matrix_(matrix) {}
  Vector<S> sum() const { return reduced(detail::Reduction::sum); }
  Vector<S> mean() const { return reduced(detail::Reduction::mean); }
  Vector<S> squared_norm() const { return reduced(detail::Reduction::squared_norm); }
  Vector<S> norm() const { return reduced(detail::Reduction::norm); }
  Vector<S> log_sum_exp() const { return reduced(detail::Reduction::log_sum_exp); }
  Vector<S> max_coeff() const { return reduced(detail::Reduction::max); }
  Vector<S> min_coeff() const { return reduced(detail::Reduction::min); }

  /// The vector as a matrix of the same shape: every column (row) equal to it.
  template <DenseLike V>
    requires detail::is_column<std::remove_cvref_t<V>>
  auto spread(const V& v) const {
    const auto& column = evaluated(v);
    if constexpr (rows) return column.as_rows(matrix_.rows());
    else return column.as_columns(matrix_.cols());
  }
  const Matrix<S>& matrix() const { return matrix_; }

 private:
  Vector<S> reduced(detail::Reduction what) const { return detail::reduced_columns<S>(what, rows ? matrix_.transpose() : matrix_); }
  Matrix<S> matrix_;
};

/// The columns of a matrix: colwise(M).sum(), colwise(M) + v.
template <DenseLike A>
auto colwise(const A& a) {
  return Lines<ScalarOf<A>, false>(detail::matrix_operand<ScalarOf<A>>(a));
}
/// The rows of a matrix: rowwise(M).mean(), rowwise(M) + v.
template <DenseLike A>
auto rowwise(const A& a) {
  return Lines<ScalarOf<A>, true>(detail::matrix_operand<ScalarOf<A>>(a));
}

#define STOAT_LINES(op, function)                         \
  template <class S, bool rows, DenseLike V>              \
  auto operator op(const Lines<S, rows>& m, const V& v) { \
    return function(m.matrix(), m.spread(v));             \
  }                                                       \
  template <class S, bool rows, DenseLike V>              \
  auto operator op(const V& v, const Lines<S, rows>& m) { \
    return function(m.spread(v), m.matrix());             \
  }
STOAT_LINES(+, operator+)
STOAT_LINES(-, operator-)
STOAT_LINES(*, cwise_product)
STOAT_LINES(/, cwise_quotient)
#undef STOAT_LINES

}  // namespace stoat
