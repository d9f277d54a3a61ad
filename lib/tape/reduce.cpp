#include <stoat/tape/reduce.hpp>

#include <limits>

#include "block.hpp"

namespace stoat::detail {

namespace {

const char* name_of(Reduction what) {
  switch (what) {
    case Reduction::sum: return "sum";
    case Reduction::mean: return "mean";
    case Reduction::squared_norm: return "squared_norm";
    case Reduction::norm: return "norm";
    case Reduction::log_sum_exp: return "log_sum_exp";
    case Reduction::max: return "max_coeff";
    case Reduction::min: return "min_coeff";
  }
  return "";
}

/// The elements that go into one number, in the order of columns.
template <class T, class F>
void each(const View<T>& x, F&& f) {
  for (Eigen::Index j = 0; j < x.cols; ++j) {
    T* at = x.data + j * x.col_stride;
    for (Eigen::Index i = 0; i < x.rows; ++i, at += x.row_stride) f(*at);
  }
}

template <class T>
T largest(const View<const T>& x) {
  T best = x(0, 0);
  each(x, [&](const T& e) {
    if (base_value(e) > base_value(best) || std::isnan(base_value(e))) best = e;
  });
  return best;
}

template <class T>
T sum_of(const View<const T>& x) {
  if (x.is_contiguous()) return Eigen::Map<const Eigen::VectorX<T>>(x.data, x.size()).sum();
  T sum(0);
  each(x, [&](const T& e) { sum += e; });
  return sum;
}

template <class T>
T reduce(Reduction what, const View<const T>& x) {
  using std::sqrt;
  switch (what) {
    case Reduction::sum: return sum_of(x);
    case Reduction::mean: return sum_of(x) / T(static_cast<BaseOf<T>>(x.size()));
    case Reduction::squared_norm:
    case Reduction::norm: {
      T sum(0);
      if (x.is_contiguous()) sum = Eigen::Map<const Eigen::VectorX<T>>(x.data, x.size()).squaredNorm();
      else each(x, [&](const T& e) { sum += e * e; });
      return what == Reduction::norm ? (is_zero(sum) ? T(0) : T(sqrt(sum))) : sum;
    }
    case Reduction::log_sum_exp: {
      const T high = largest(x);
      if (!std::isfinite(base_value(high))) return high;  // all -infinity, or infinite, or NaN
      T sum(0);
      each(x, [&](const T& e) { sum += exp(e - high); });
      return high + log(sum);
    }
    case Reduction::max: return largest(x);
    case Reduction::min: {
      T best = x(0, 0);
      each(x, [&](const T& e) {
        if (base_value(e) < base_value(best) || std::isnan(base_value(e))) best = e;
      });
      return best;
    }
  }
  return T(0);
}

/// visit(element number within the view, slope) for the derivative of y = reduce(what, x).
template <class T, class F>
void slopes(Reduction what, const View<const T>& x, const T& y, F&& visit) {
  Eigen::Index k = 0;
  const auto all = [&](auto&& slope) { each(x, [&](const T& e) { visit(k++, slope(e)); }); };
  switch (what) {
    case Reduction::sum: return all([](const T&) { return T(1); });
    case Reduction::mean: return all([n = T(1) / T(static_cast<BaseOf<T>>(x.size()))](const T&) { return n; });
    case Reduction::squared_norm: return all([](const T& e) { return T(2) * e; });
    case Reduction::norm: return all([&](const T& e) { return base_value(y) == 0 ? T(0) : e / y; });
    case Reduction::log_sum_exp:
      // Infinite elements: those at +infinity share the slope, and -infinity moves nothing.
      if (std::isinf(base_value(y))) {
        Eigen::Index ties = 0;
        each(x, [&](const T& e) { ties += base_value(e) == base_value(y); });
        const T share = T(1) / T(static_cast<BaseOf<T>>(ties));
        return all([&](const T& e) { return base_value(e) == base_value(y) && base_value(y) > 0 ? share : T(0); });
      }
      return all([&](const T& e) { return exp(e - y); });
    case Reduction::max:
    case Reduction::min:
      return all([&, found = false](const T& e) mutable {
        const bool first = !found && base_value(e) == base_value(y);
        found = found || first;
        return first ? T(1) : T(0);
      });
  }
}

/// y_j = reduce(what, column j of x), or one number for all of x.
template <class T>
struct ReduceBlock {
  Reduction what;
  Run<T> x;
  bool by_columns;
  const T* y;
  Index at_y = 0;

  Eigen::Index count() const { return by_columns ? x.cols : 1; }
  Layout part() const {
    Layout layout = x;
    if (by_columns) layout.cols = 1;
    return layout;
  }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const ReduceBlock*>(payload);
    for (Eigen::Index j = 0; j < p.count(); ++j) {
      const T adjoint = adjoints[p.at_y + static_cast<Index>(j)];
      if (is_zero(adjoint)) continue;
      const View<T> x(adjoints + p.x.at + j * p.x.col_stride, p.part());
      if (p.what == Reduction::sum) {
        each(x, [&](T& a) { a += adjoint; });
        continue;
      }
      const Eigen::Index rows = x.rows;
      slopes<T>(p.what, View<const T>(p.x.values + j * p.x.col_stride, p.part()), p.y[j],
                [&](Eigen::Index k, const T& slope) { x(k % rows, k / rows) += slope * adjoint; });
    }
  }
  static void forward(const void* payload, Lanes<T>* t) {
    const auto& p = *static_cast<const ReduceBlock*>(payload);
    for (Eigen::Index j = 0; j < p.count(); ++j) {
      Lanes<T>& y = t[p.at_y + static_cast<Index>(j)];
      std::fill_n(y, lanes<T>, T(0));
      const Layout part = p.part();
      slopes<T>(p.what, View<const T>(p.x.values + j * p.x.col_stride, part), p.y[j], [&](Eigen::Index k, const T& slope) {
        const Lanes<T>& x = t[p.x.at + static_cast<Index>(j * p.x.col_stride + part.offset(k % part.rows, k / part.rows))];
        for (int l = 0; l < lanes<T>; ++l) y[l] += chained(slope, x[l]);
      });
    }
  }
};

[[noreturn]] void nothing_to_reduce(Reduction what) { throw InvalidArgument(std::string(name_of(what)) + ": of no elements"); }

template <class T>
T of_nothing(Reduction what) {
  if (what == Reduction::sum || what == Reduction::squared_norm || what == Reduction::norm) return T(0);
  if (what == Reduction::log_sum_exp) return T(-std::numeric_limits<BaseOf<T>>::infinity());
  nothing_to_reduce(what);
}

/// y = softmax(x) and its kin, by columns.
template <class T>
struct NormaliseBlock {
  Normalisation what;
  Run<T> x;
  const T* y;       ///< packed
  const T* totals;  ///< sums of the columns of x, for `normalised`
  Index at_y = 0;

  /// One column: out += (d y / d x)^T in for the adjoint; out = (d y / d x) in for the tangent, whose matrix is the transpose.
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const NormaliseBlock*>(payload);
    const View<T> x = p.x.adjoint(adjoints);
    for (Eigen::Index j = 0; j < x.cols; ++j) {
      const T* const y = p.y + j * x.rows;
      const T* const a = adjoints + p.at_y + j * x.rows;
      T sum(0);
      if (p.what == Normalisation::log_softmax) {
        for (Eigen::Index i = 0; i < x.rows; ++i) sum += a[i];
        for (Eigen::Index i = 0; i < x.rows; ++i) x(i, j) += a[i] - exp(y[i]) * sum;
        continue;
      }
      for (Eigen::Index i = 0; i < x.rows; ++i) sum += y[i] * a[i];
      for (Eigen::Index i = 0; i < x.rows; ++i)
        x(i, j) += p.what == Normalisation::softmax ? y[i] * (a[i] - sum) : (a[i] - sum) / p.totals[j];
    }
  }
  static void forward(const void* payload, Lanes<T>* t) {
    const auto& p = *static_cast<const NormaliseBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) {
      const View<T> x = lane(t, p.x, l);
      for (Eigen::Index j = 0; j < x.cols; ++j) {
        const T* const y = p.y + j * x.rows;
        Lanes<T>* const out = t + p.at_y + j * x.rows;
        T sum(0);
        for (Eigen::Index i = 0; i < x.rows; ++i) {
          if (p.what == Normalisation::normalised) sum += x(i, j);
          else sum += (p.what == Normalisation::softmax ? y[i] : T(exp(y[i]))) * x(i, j);
        }
        for (Eigen::Index i = 0; i < x.rows; ++i) {
          switch (p.what) {
            case Normalisation::softmax: out[i][l] = y[i] * (x(i, j) - sum); break;
            case Normalisation::log_softmax: out[i][l] = x(i, j) - sum; break;
            case Normalisation::normalised: out[i][l] = (x(i, j) - y[i] * sum) / p.totals[j]; break;
          }
        }
      }
    }
  }
};

}  // namespace

template <class S>
S reduced(Reduction what, const Matrix<S>& all) {
  using T = ValueOf<S>;
  if (all.size() == 0) return S(of_nothing<T>(what));
  const Matrix<S> a = without_repeats(all);
  const T y = reduce<T>(what, a.run().view());
  if constexpr (is_var<S>) {
    if (!a.active()) return S(y);
    T* stored = Tape<T>::current()->arena().template allocate<T>(1);
    return recorded(y, ReduceBlock<T>{what, a.run(), false, new (stored) T(y)});
  } else {
    return y;
  }
}

template <class S>
Vector<S> reduced_columns(Reduction what, const Matrix<S>& all) {
  using T = ValueOf<S>;
  const Matrix<S> a = without_repeats(all);
  const View<const T> x = a.run().view();
  Vector<S> y = Vector<S>::filled(a.cols(), 1, [&](T* out) {
    for (Eigen::Index j = 0; j < x.cols; ++j)
      out[j] = x.rows == 0 ? of_nothing<T>(what)
                           : reduce<T>(what, View<const T>(x.data + j * x.col_stride, {x.rows, 1, x.row_stride, 0}));
  });
  if constexpr (is_var<S>)
    if (a.active() && a.rows() > 0) return recorded(y, ReduceBlock<T>{what, a.run(), true, y.data()});
  return y;
}

template <class S>
Matrix<S> normalised_columns(Normalisation what, const Matrix<S>& all) {
  using T = ValueOf<S>;
  const Matrix<S> a = without_repeats(all);
  const View<const T> x = a.run().view();
  T* totals = nullptr;
  if constexpr (is_var<S>) {
    if (what == Normalisation::normalised && a.active())
      totals = Tape<T>::current()->arena().template allocate<T>(static_cast<std::size_t>(x.cols));
  }
  Matrix<S> y = Matrix<S>::filled(x.rows, x.cols, [&](T* out) {
    for (Eigen::Index j = 0; j < x.cols && x.rows > 0; ++j, out += x.rows) {
      const View<const T> column(x.data + j * x.col_stride, {x.rows, 1, x.row_stride, 0});
      if (what == Normalisation::normalised) {
        const T total = sum_of(column);
        for (Eigen::Index i = 0; i < x.rows; ++i) out[i] = column(i, 0) / total;
        if (totals) new (totals + j) T(total);
        continue;
      }
      const T high = largest(column);
      T sum(0);
      for (Eigen::Index i = 0; i < x.rows; ++i) {
        out[i] = column(i, 0) - high;
        sum += exp(out[i]);
      }
      if (what == Normalisation::log_softmax) {
        const T log_sum = log(sum);
        for (Eigen::Index i = 0; i < x.rows; ++i) out[i] -= log_sum;
      } else {
        for (Eigen::Index i = 0; i < x.rows; ++i) out[i] = exp(out[i]) / sum;
      }
    }
  });
  if constexpr (is_var<S>)
    if (a.active()) return recorded(y, NormaliseBlock<T>{what, a.run(), y.data(), totals});
  return y;
}

#define X(S)                                                       \
  template S reduced(Reduction, const Matrix<S>&);                 \
  template Vector<S> reduced_columns(Reduction, const Matrix<S>&); \
  template Matrix<S> normalised_columns(Normalisation, const Matrix<S>&);
STOAT_SCALARS(X)
#undef X

}  // namespace stoat::detail
