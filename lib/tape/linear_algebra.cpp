#include <stoat/tape/linear_algebra.hpp>

#include <Eigen/Cholesky>
#include <Eigen/LU>

#include "block.hpp"

namespace stoat::detail {

namespace {

template <class T>
using Square = Eigen::MatrixX<T>;
template <class T>
using Packed = Eigen::Map<const Eigen::MatrixX<T>>;

void check_square(const char* what, Eigen::Index rows, Eigen::Index cols) {
  if (rows != cols) shape_mismatch(what, rows, cols, cols, cols);
}
[[noreturn]] void no_pivot(const char* what, const char* problem, Eigen::Index pivot) {
  throw Error(std::string(what) + ": the matrix is " + problem + " (at row " + std::to_string(pivot) + ")");
}

/// A packed copy in the arena of the current tape.
template <class T>
const T* stored(const Eigen::MatrixX<T>& m) {
  T* to = Tape<T>::current()->arena().template allocate<T>(static_cast<std::size_t>(m.size()));
  std::uninitialized_copy_n(m.data(), m.size(), to);
  return to;
}
template <class T>
Eigen::MatrixX<T> copy_of(const View<const T>& v) {
  return map(v);
}
/// The adjoints (tangents) of a packed result.
template <class T>
Eigen::MatrixX<T> outputs(const T* adjoints, Index at_y, Eigen::Index rows, Eigen::Index cols) {
  return Packed<T>(adjoints + at_y, rows, cols);
}
template <class T>
Eigen::MatrixX<T> tangent_of(Lanes<T>* t, const Run<T>& run, int l) {
  if (!run.at) return Eigen::MatrixX<T>::Zero(run.rows, run.cols);
  return map(lane(t, run, l));
}

template <class T>
View<const T> view_of(const Eigen::MatrixX<T>& m) {
  return {m.data(), Layout::contiguous(m.rows(), m.cols())};
}
/// A B, by the one compiled product.
template <class T>
Eigen::MatrixX<T> times(const View<const T>& a, const View<const T>& b) {
  Eigen::MatrixX<T> c = Eigen::MatrixX<T>::Zero(a.rows, b.cols);
  multiply_add(packed_view(c.data(), c.rows(), c.cols()), a, b);
  return c;
}
template <class T>
Eigen::MatrixX<T> times(const Eigen::MatrixX<T>& a, const Eigen::MatrixX<T>& b) {
  return times<T>(view_of(a), view_of(b));
}

/// Which triangle of a square matrix, whether its diagonal counts as ones, whether it is transposed.
struct Triangular {
  Triangle which;
  bool unit = false;
  bool transpose = false;
};
/// B = (triangle of A)^-1 B. Eigen's solvers for float and double; plain substitution for Duals, for which Eigen has
/// nothing faster and takes long to compile.
template <class T>
void solve_in_place(const Triangular& t, const Eigen::MatrixX<T>& a, Eigen::MatrixX<T>& b) {
  if constexpr (is_dual<T>) {
    const Eigen::Index n = a.rows();
    const bool downwards = (t.which == Triangle::lower) != t.transpose;
    for (Eigen::Index j = 0; j < b.cols(); ++j)
      for (Eigen::Index step = 0; step < n; ++step) {
        const Eigen::Index k = downwards ? step : n - 1 - step;
        if (!t.unit) b(k, j) /= a(k, k);
        for (Eigen::Index i = downwards ? k + 1 : 0; i < (downwards ? n : k); ++i)
          b(i, j) -= (t.transpose ? a(k, i) : a(i, k)) * b(k, j);
      }
  } else {
    const auto with = [&](const auto& view) {
      if (t.transpose) view.transpose().solveInPlace(b);
      else view.solveInPlace(b);
    };
    if (t.which == Triangle::upper) with(a.template triangularView<Eigen::Upper>());
    else if (t.unit) with(a.template triangularView<Eigen::UnitLower>());
    else with(a.template triangularView<Eigen::Lower>());
  }
}

/// P A = L U in place, with rows exchanged so that pivots are large; row i of A is then row permutation[i].
template <class T>
void factorise_lu(Eigen::MatrixX<T>& a, Eigen::VectorXi& permutation) {
  if constexpr (is_dual<T>) {
    const Eigen::Index n = a.rows();
    Eigen::VectorXi order = Eigen::VectorXi::LinSpaced(n, 0, static_cast<int>(n) - 1);
    for (Eigen::Index k = 0; k < n; ++k) {
      Eigen::Index pivot = k;
      for (Eigen::Index i = k + 1; i < n; ++i)
        if (std::abs(base_value(a(i, k))) > std::abs(base_value(a(pivot, k)))) pivot = i;
      a.row(k).swap(a.row(pivot));
      std::swap(order[k], order[pivot]);
      if (base_value(a(k, k)) == 0) continue;
      for (Eigen::Index i = k + 1; i < n; ++i) {
        a(i, k) /= a(k, k);
        for (Eigen::Index j = k + 1; j < n; ++j) a(i, j) -= a(i, k) * a(k, j);
      }
    }
    permutation.resize(n);
    for (Eigen::Index k = 0; k < n; ++k) permutation[order[k]] = static_cast<int>(k);
  } else {
    Eigen::PartialPivLU<Eigen::MatrixX<T>> factors(a);
    a = factors.matrixLU();
    permutation = factors.permutationP().indices();
  }
}

/// The lower triangular L with L L^T = A, from the lower triangle of A.
template <class T>
Eigen::MatrixX<T> factorise_spd(const char* what, const Eigen::MatrixX<T>& a) {
  if constexpr (!is_dual<T>) {
    const Eigen::LLT<Eigen::MatrixX<T>> llt(a);
    if (llt.info() == Eigen::Success) return llt.matrixL();
    // Not positive definite: the plain way, to say where.
  }
  const Eigen::Index n = a.rows();
  Eigen::MatrixX<T> l = Eigen::MatrixX<T>::Zero(n, n);
  for (Eigen::Index j = 0; j < n; ++j)
    for (Eigen::Index i = j; i < n; ++i) {
      T sum = a(i, j);
      for (Eigen::Index k = 0; k < j; ++k) sum -= l(i, k) * l(j, k);
      if (i == j && !(base_value(sum) > 0)) no_pivot(what, "not positive definite", j);
      l(i, j) = i > j ? T(sum / l(j, j)) : T(sqrt(sum));
    }
  return l;
}

// ---- triangular solves ------------------------------------------------------------------------------------------------

template <class T>
struct TriangularBlock {  // Y = A^-1 B: G = A^-T adj Y, adj B += G, adj A -= triangle of G Y^T
  Triangle which;
  Run<T> a, b;
  const T* y;
  Index at_y = 0;

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const TriangularBlock*>(payload);
    Eigen::MatrixX<T> g = outputs<T>(adjoints, p.at_y, p.b.rows, p.b.cols);
    solve_in_place({p.which, false, true}, copy_of(p.a.view()), g);
    if (p.b.at) map(p.b.adjoint(adjoints)) += g;
    if (p.a.at) {
      const View<T> target = p.a.adjoint(adjoints);
      const Square<T> all = times<T>(view_of(g), transposed(packed_view(p.y, p.b.rows, p.b.cols)));
      for (Eigen::Index j = 0; j < all.cols(); ++j)
        for (Eigen::Index i = 0; i < all.rows(); ++i)
          if (p.which == Triangle::lower ? i >= j : i <= j) target(i, j) -= all(i, j);
    }
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dY = A^-1 (dB - dA Y)
    const auto& p = *static_cast<const TriangularBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) {
      Square<T> da = tangent_of(t, p.a, l);
      if (p.which == Triangle::lower) da.template triangularView<Eigen::StrictlyUpper>().setZero();
      else da.template triangularView<Eigen::StrictlyLower>().setZero();
      Eigen::MatrixX<T> dy = tangent_of(t, p.b, l) - times<T>(view_of(da), packed_view(p.y, p.b.rows, p.b.cols));
      solve_in_place({p.which}, copy_of(p.a.view()), dy);
      map(lane<T>(t, Layout::contiguous(p.b.rows, p.b.cols), p.at_y, l)) = dy;
    }
  }
};

// ---- general solves: P A = L U ----------------------------------------------------------------------------------------

template <class T>
struct Factors {
  Eigen::MatrixX<T> lu;
  Eigen::VectorXi permutation;

  Factors(const char* what, const Eigen::MatrixX<T>& a) : lu(a) {
    factorise_lu(lu, permutation);
    for (Eigen::Index i = 0; i < lu.rows(); ++i)
      if (base_value(lu(i, i)) == 0) no_pivot(what, "singular", i);
  }
  Factors(const T* packed, const int* order, Eigen::Index n)
      : lu(Packed<T>(packed, n, n)), permutation(Eigen::Map<const Eigen::VectorXi>(order, n)) {}
  /// A^-1 B
  Eigen::MatrixX<T> solve(const Eigen::MatrixX<T>& b) const {
    Eigen::MatrixX<T> y(b.rows(), b.cols());
    for (Eigen::Index i = 0; i < b.rows(); ++i) y.row(permutation[i]) = b.row(i);
    solve_in_place({Triangle::lower, true}, lu, y);
    solve_in_place({Triangle::upper}, lu, y);
    return y;
  }
  /// A^-T B
  Eigen::MatrixX<T> solve_transposed(Eigen::MatrixX<T> b) const {
    solve_in_place({Triangle::upper, false, true}, lu, b);
    solve_in_place({Triangle::lower, true, true}, lu, b);
    Eigen::MatrixX<T> y(b.rows(), b.cols());
    for (Eigen::Index i = 0; i < b.rows(); ++i) y.row(i) = b.row(permutation[i]);
    return y;
  }
};

/// Factors in the arena.
template <class T>
struct StoredFactors {
  const T* lu;
  const int* permutation;
  Eigen::Index n;

  explicit StoredFactors(const Factors<T>& f) : lu(stored(f.lu)), n(f.lu.rows()) {
    int* to = Tape<T>::current()->arena().template allocate<int>(static_cast<std::size_t>(n));
    std::copy_n(f.permutation.data(), n, to);
    permutation = to;
  }
  Factors<T> get() const { return Factors<T>(lu, permutation, n); }
};

template <class T>
struct SolveBlock {  // Y = A^-1 B: G = A^-T adj Y, adj B += G, adj A -= G Y^T
  StoredFactors<T> factors;
  Run<T> a, b;
  const T* y;
  Index at_y = 0;

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const SolveBlock*>(payload);
    const Eigen::MatrixX<T> g = p.factors.get().solve_transposed(outputs<T>(adjoints, p.at_y, p.b.rows, p.b.cols));
    if (p.b.at) map(p.b.adjoint(adjoints)) += g;
    if (p.a.at) multiply_add<T>(p.a.adjoint(adjoints), view_of(g), transposed(packed_view(p.y, p.b.rows, p.b.cols)), -1);
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dY = A^-1 (dB - dA Y)
    const auto& p = *static_cast<const SolveBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) {
      const Eigen::MatrixX<T> right =
          tangent_of(t, p.b, l) - times<T>(view_of(tangent_of(t, p.a, l)), packed_view(p.y, p.b.rows, p.b.cols));
      map(lane<T>(t, Layout::contiguous(p.b.rows, p.b.cols), p.at_y, l)) = p.factors.get().solve(right);
    }
  }
};

template <class T>
struct LogDeterminantBlock {  // y = log |det A|: adj A += adj y A^-T
  StoredFactors<T> factors;
  Run<T> a;
  Index at_y = 0;

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const LogDeterminantBlock*>(payload);
    const T y = adjoints[p.at_y];
    if (is_zero(y)) return;
    map(p.a.adjoint(adjoints)) += y * p.factors.get().solve_transposed(Square<T>::Identity(p.a.rows, p.a.rows));
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dy = tr(A^-1 dA)
    const auto& p = *static_cast<const LogDeterminantBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) t[p.at_y][l] = p.factors.get().solve(tangent_of(t, p.a, l)).trace();
  }
};

template <class T>
struct InverseBlock {  // Y = A^-1: adj A -= Y^T adj Y Y^T
  Run<T> a;
  const T* y;
  Index at_y = 0;

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const InverseBlock*>(payload);
    const View<const T> y = packed_view(p.y, p.a.rows, p.a.rows);
    const Square<T> left = times<T>(transposed(y), packed_view<const T>(adjoints + p.at_y, p.a.rows, p.a.rows));
    multiply_add<T>(p.a.adjoint(adjoints), view_of(left), transposed(y), -1);
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dY = -Y dA Y
    const auto& p = *static_cast<const InverseBlock*>(payload);
    const View<const T> y = packed_view(p.y, p.a.rows, p.a.rows);
    for (int l = 0; l < lanes<T>; ++l) {
      const Square<T> left = times<T>(y, view_of(tangent_of(t, p.a, l)));
      map(lane<T>(t, Layout::contiguous(p.a.rows, p.a.rows), p.at_y, l)) = -times<T>(view_of(left), y);
    }
  }
};

// ---- symmetric positive definite matrices, of which the lower triangle is read: A = L L^T ------------------------------

/// Adds the derivative with respect to a symmetric matrix, given as any G with the symmetric part that counts, to what was read.
template <class T>
void add_symmetric(const View<T>& target, const Square<T>& g, int sign) {
  for (Eigen::Index j = 0; j < g.cols(); ++j) {
    target(j, j) += T(sign) * g(j, j);
    for (Eigen::Index i = j + 1; i < g.rows(); ++i) target(i, j) += T(sign) * (g(i, j) + g(j, i));
  }
}
/// The whole symmetric matrix behind its lower triangle.
template <class T>
Square<T> symmetric(const Square<T>& lower) {
  return lower.template selfadjointView<Eigen::Lower>();
}
/// The lower triangle with its diagonal halved.
template <class T>
Square<T> halved_lower(const Square<T>& m) {
  Square<T> lower = m.template triangularView<Eigen::Lower>();
  lower.diagonal() *= T(0.5);
  return lower;
}

template <class T>
struct CholeskyBlock {  // Y = L: S = L^-T halved(L^T adj L) L^-1
  Run<T> a;
  const T* y;
  Index at_y = 0;

  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const CholeskyBlock*>(payload);
    const Square<T> l = Packed<T>(p.y, p.a.rows, p.a.rows);
    const Square<T> adjoint = outputs<T>(adjoints, p.at_y, p.a.rows, p.a.rows).template triangularView<Eigen::Lower>();
    Square<T> s = halved_lower<T>(times<T>(transposed(view_of(l)), view_of(adjoint))).transpose();
    solve_in_place({Triangle::lower, false, true}, l, s);  // L^-T halved^T
    s.transposeInPlace();                                  // halved L^-1
    solve_in_place({Triangle::lower, false, true}, l, s);  // L^-T halved L^-1
    add_symmetric(p.a.adjoint(adjoints), s, 1);
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dL = L halved(L^-1 dA L^-T)
    const auto& p = *static_cast<const CholeskyBlock*>(payload);
    const Square<T> l = Packed<T>(p.y, p.a.rows, p.a.rows);
    for (int k = 0; k < lanes<T>; ++k) {
      Square<T> m = symmetric<T>(tangent_of(t, p.a, k));
      solve_in_place({Triangle::lower}, l, m);
      m.transposeInPlace();
      solve_in_place({Triangle::lower}, l, m);
      map(lane<T>(t, Layout::contiguous(p.a.rows, p.a.rows), p.at_y, k)) = times<T>(l, halved_lower(m));
    }
  }
};

template <class T>
struct SpdSolveBlock {  // Y = A^-1 B: G = A^-1 adj Y, adj B += G, adj A -= G Y^T
  const T* l;
  Run<T> a, b;
  const T* y;
  Index at_y = 0;

  Eigen::MatrixX<T> solve(Eigen::MatrixX<T> right) const {
    const Square<T> factor = Packed<T>(l, a.rows, a.rows);
    solve_in_place({Triangle::lower}, factor, right);
    solve_in_place({Triangle::lower, false, true}, factor, right);
    return right;
  }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const SpdSolveBlock*>(payload);
    const Eigen::MatrixX<T> g = p.solve(outputs<T>(adjoints, p.at_y, p.b.rows, p.b.cols));
    if (p.b.at) map(p.b.adjoint(adjoints)) += g;
    if (p.a.at) add_symmetric<T>(p.a.adjoint(adjoints), times<T>(view_of(g), transposed(packed_view(p.y, p.b.rows, p.b.cols))), -1);
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dY = A^-1 (dB - dA Y)
    const auto& p = *static_cast<const SpdSolveBlock*>(payload);
    for (int k = 0; k < lanes<T>; ++k) {
      const Square<T> da = symmetric<T>(tangent_of(t, p.a, k));
      map(lane<T>(t, Layout::contiguous(p.b.rows, p.b.cols), p.at_y, k)) =
          p.solve(tangent_of(t, p.b, k) - times<T>(view_of(da), packed_view(p.y, p.b.rows, p.b.cols)));
    }
  }
};

template <class T>
struct SpdLogDeterminantBlock {  // y = log det A: adj A += adj y A^-1
  const T* l;
  Run<T> a;
  Index at_y = 0;

  Square<T> inverse() const {
    Square<T> inverted = Square<T>::Identity(a.rows, a.rows);
    solve_in_place<T>({Triangle::lower}, Packed<T>(l, a.rows, a.rows), inverted);
    return times<T>(transposed(view_of(inverted)), view_of(inverted));
  }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const SpdLogDeterminantBlock*>(payload);
    const T y = adjoints[p.at_y];
    if (!is_zero(y)) add_symmetric<T>(p.a.adjoint(adjoints), y * p.inverse(), 1);
  }
  static void forward(const void* payload, Lanes<T>* t) {  // dy = tr(A^-1 dA)
    const auto& p = *static_cast<const SpdLogDeterminantBlock*>(payload);
    const Square<T> inverted = p.inverse();
    for (int k = 0; k < lanes<T>; ++k) t[p.at_y][k] = inverted.cwiseProduct(symmetric<T>(tangent_of(t, p.a, k))).sum();
  }
};

/// A result whose values are those of m.
template <class S>
Matrix<S> result(const Eigen::MatrixX<ValueOf<S>>& m) {
  using T = ValueOf<S>;
  return Matrix<S>::filled(m.rows(), m.cols(), [&](T* out) { std::copy_n(m.data(), m.size(), out); });
}
template <class S>
void check_system(const char* what, const Matrix<S>& a, const Matrix<S>& b) {
  check_square(what, a.rows(), a.cols());
  if (a.cols() != b.rows()) shape_mismatch(what, a.rows(), a.cols(), b.rows(), b.cols());
}
template <class S>
bool any_active(const Matrix<S>& a, const Matrix<S>& b) {
  return a.active() || b.active();
}

}  // namespace

template <class S>
Matrix<S> solved_triangular(Triangle which, const Matrix<S>& left, const Matrix<S>& right) {
  using T = ValueOf<S>;
  const char* const what = which == Triangle::lower ? "solve_lower" : "solve_upper";
  check_system(what, left, right);
  const Matrix<S> a = without_repeats(left), b = without_repeats(right);
  const View<const T> values = a.run().view();
  for (Eigen::Index i = 0; i < a.rows(); ++i)
    if (base_value(values(i, i)) == 0) no_pivot(what, "singular", i);
  Eigen::MatrixX<T> x = copy_of(b.run().view());
  solve_in_place({which}, copy_of(values), x);
  Matrix<S> y = result<S>(x);
  if constexpr (is_var<S>)
    if (any_active(a, b)) return recorded(y, TriangularBlock<T>{which, a.run(), b.run(), y.data()});
  return y;
}

template <class S>
Matrix<S> solved(const Matrix<S>& left, const Matrix<S>& right) {
  using T = ValueOf<S>;
  check_system("solve", left, right);
  const Matrix<S> a = without_repeats(left), b = without_repeats(right);
  const Factors<T> f("solve", copy_of(a.run().view()));
  Matrix<S> y = result<S>(f.solve(copy_of(b.run().view())));
  if constexpr (is_var<S>)
    if (any_active(a, b) && a.rows() > 0) return recorded(y, SolveBlock<T>{StoredFactors<T>(f), a.run(), b.run(), y.data()});
  return y;
}

template <class S>
Matrix<S> solved_spd(const Matrix<S>& left, const Matrix<S>& right) {
  using T = ValueOf<S>;
  check_system("solve_spd", left, right);
  const Matrix<S> a = without_repeats(left), b = without_repeats(right);
  const Square<T> l = factorise_spd<T>("solve_spd", copy_of(a.run().view()));
  Eigen::MatrixX<T> x = copy_of(b.run().view());
  solve_in_place({Triangle::lower}, l, x);
  solve_in_place({Triangle::lower, false, true}, l, x);
  Matrix<S> y = result<S>(x);
  if constexpr (is_var<S>)
    if (any_active(a, b)) return recorded(y, SpdSolveBlock<T>{stored(l), a.run(), b.run(), y.data()});
  return y;
}

template <class S>
Matrix<S> cholesky_factor(const Matrix<S>& all) {
  using T = ValueOf<S>;
  check_square("cholesky", all.rows(), all.cols());
  const Matrix<S> a = without_repeats(all);
  Matrix<S> y = result<S>(factorise_spd<T>("cholesky", copy_of(a.run().view())));
  if constexpr (is_var<S>)
    if (a.active()) return recorded(y, CholeskyBlock<T>{a.run(), y.data()});
  return y;
}

template <class S>
Matrix<S> inverted(const Matrix<S>& all) {
  using T = ValueOf<S>;
  check_square("inverse", all.rows(), all.cols());
  const Matrix<S> a = without_repeats(all);
  const Factors<T> f("inverse", copy_of(a.run().view()));
  Matrix<S> y = result<S>(f.solve(Square<T>::Identity(a.rows(), a.rows())));
  if constexpr (is_var<S>)
    if (a.active()) return recorded(y, InverseBlock<T>{a.run(), y.data()});
  return y;
}

template <class S>
S log_abs_determinant(const Matrix<S>& all) {
  using T = ValueOf<S>;
  check_square("log_determinant", all.rows(), all.cols());
  if (all.size() == 0) return S(0);
  const Matrix<S> a = without_repeats(all);
  const Factors<T> f("log_determinant", copy_of(a.run().view()));
  T y(0);
  for (Eigen::Index i = 0; i < a.rows(); ++i) y += log(abs(f.lu(i, i)));
  if constexpr (is_var<S>) return a.active() ? recorded(y, LogDeterminantBlock<T>{StoredFactors<T>(f), a.run()}) : S(y);
  else return y;
}

template <class S>
S log_determinant_of_spd(const Matrix<S>& all) {
  using T = ValueOf<S>;
  check_square("log_determinant_spd", all.rows(), all.cols());
  if (all.size() == 0) return S(0);
  const Matrix<S> a = without_repeats(all);
  const Square<T> l = factorise_spd<T>("log_determinant_spd", copy_of(a.run().view()));
  T y(0);
  for (Eigen::Index i = 0; i < a.rows(); ++i) y += T(2) * log(l(i, i));
  if constexpr (is_var<S>) return a.active() ? recorded(y, SpdLogDeterminantBlock<T>{stored(l), a.run()}) : S(y);
  else return y;
}

#define X(S)                                                                          \
  template Matrix<S> solved_triangular(Triangle, const Matrix<S>&, const Matrix<S>&); \
  template Matrix<S> solved(const Matrix<S>&, const Matrix<S>&);                      \
  template Matrix<S> solved_spd(const Matrix<S>&, const Matrix<S>&);                  \
  template Matrix<S> cholesky_factor(const Matrix<S>&);                               \
  template Matrix<S> inverted(const Matrix<S>&);                                      \
  template S log_abs_determinant(const Matrix<S>&);                                   \
  template S log_determinant_of_spd(const Matrix<S>&);
STOAT_SCALARS(X)
#undef X

}  // namespace stoat::detail
