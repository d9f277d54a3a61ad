#include <stoat/tape/cwise.hpp>

#include "block.hpp"

namespace stoat::detail {

namespace {

/// y = f(x, ...), element by element: d y = sum over terms of scale * partials * d x.
template <class T>
struct CwiseBlock {
  const CwiseTerm<T>* terms;
  std::size_t count;
  Eigen::Index size;
  Index at_y;

  /// An adjoint of 0 passes nothing on, whatever the slope: nothing times infinity is nothing.
  static T passed(const CwiseTerm<T>& term, Eigen::Index k, const T& adjoint) {
    const T p = term.partials ? term.scale * term.partials[k] : term.scale;
    const T product = p * adjoint;
    return is_zero(adjoint) ? T(0) : product;
  }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const CwiseBlock*>(payload);
    const T* const y = adjoints + p.at_y;
    for (const CwiseTerm<T>& term : std::span(p.terms, p.count)) {
      T* const x = adjoints + term.at;
      if (term.is_contiguous() && term.size() == p.size) {
        for (Eigen::Index k = 0; k < p.size; ++k) x[k] += passed(term, k, y[k]);
      } else if (term.row_stride == 0 && term.col_stride == 0) {
        T sum(0);
        for (Eigen::Index k = 0; k < p.size; ++k) sum += passed(term, k, y[k]);
        *x += sum;
      } else {
        for (Eigen::Index j = 0, k = 0; j < term.cols; ++j)
          for (Eigen::Index i = 0; i < term.rows; ++i, ++k) x[term.offset(i, j)] += passed(term, k, y[k]);
      }
    }
  }
  static void forward(const void* payload, Lanes<T>* t) {
    const auto& p = *static_cast<const CwiseBlock*>(payload);
    Lanes<T>* const y = t + p.at_y;
    for (Eigen::Index k = 0; k < p.size; ++k)
      for (int l = 0; l < Tape<T>::lanes; ++l) y[k][l] = T(0);
    for (const CwiseTerm<T>& term : std::span(p.terms, p.count)) {
      const Eigen::Index rows = term.rows > 0 ? term.rows : p.size;
      for (Eigen::Index k = 0; k < p.size; ++k) {
        const Lanes<T>& x = t[term.at + static_cast<Index>(term.offset(k % rows, k / rows))];
        for (int l = 0; l < Tape<T>::lanes; ++l) y[k][l] += passed(term, k, x[l]);
      }
    }
  }
};

}  // namespace

template <class T>
Index record_cwise(Eigen::Index size, std::span<const CwiseTerm<T>> terms) {
  Tape<T>& tape = *Tape<T>::current();
  auto* stored = tape.arena().template allocate<CwiseTerm<T>>(terms.size());
  std::copy(terms.begin(), terms.end(), stored);
  return record_block(tape, CwiseBlock<T>{stored, terms.size(), size, 0}, size);
}

#define X(T) template Index record_cwise<T>(Eigen::Index, std::span<const CwiseTerm<T>>);
STOAT_TAPE_NUMBERS(X)
#undef X

}  // namespace stoat::detail
