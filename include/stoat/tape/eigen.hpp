// stoat/tape/eigen.hpp: lets Eigen's own matrices and algorithms work with Var and Dual as scalars.
//
// For existing code written in Eigen: Eigen::Matrix<Var<double>, ...> records one statement for each scalar operation. New
// code is faster with Vector<S> and Matrix<S>, whose operations are one tape entry each.
#pragma once

#include <Eigen/Core>

#include <stoat/tape/var.hpp>

namespace Eigen {

template <class T>
struct NumTraits<stoat::Var<T>> : NumTraits<T> {
  using Real = stoat::Var<T>;
  using NonInteger = stoat::Var<T>;
  using Nested = stoat::Var<T>;
  using Literal = stoat::Var<T>;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    ReadCost = 1,
    AddCost = 8,
    MulCost = 8,
  };
  static Real epsilon() { return NumTraits<T>::epsilon(); }
  static Real dummy_precision() { return NumTraits<T>::dummy_precision(); }
  static Real highest() { return NumTraits<T>::highest(); }
  static Real lowest() { return NumTraits<T>::lowest(); }
  static Real infinity() { return NumTraits<T>::infinity(); }
  static Real quiet_NaN() { return NumTraits<T>::quiet_NaN(); }
};

template <class T, int N>
struct NumTraits<stoat::Dual<T, N>> : NumTraits<T> {
  using Real = stoat::Dual<T, N>;
  using NonInteger = stoat::Dual<T, N>;
  using Nested = stoat::Dual<T, N>;
  using Literal = stoat::Dual<T, N>;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    ReadCost = 1 + N,
    AddCost = 1 + N,
    MulCost = 1 + 2 * N,
  };
  static Real epsilon() { return NumTraits<T>::epsilon(); }
  static Real dummy_precision() { return NumTraits<T>::dummy_precision(); }
  static Real highest() { return NumTraits<T>::highest(); }
  static Real lowest() { return NumTraits<T>::lowest(); }
  static Real infinity() { return NumTraits<T>::infinity(); }
  static Real quiet_NaN() { return NumTraits<T>::quiet_NaN(); }
};

/// Products, sums and so on of a variable or Dual and a number.
template <class T, class Op>
struct ScalarBinaryOpTraits<stoat::Var<T>, T, Op> {
  using ReturnType = stoat::Var<T>;
};
template <class T, class Op>
struct ScalarBinaryOpTraits<T, stoat::Var<T>, Op> {
  using ReturnType = stoat::Var<T>;
};
template <class T, int N, class Op>
struct ScalarBinaryOpTraits<stoat::Dual<T, N>, T, Op> {
  using ReturnType = stoat::Dual<T, N>;
};
template <class T, int N, class Op>
struct ScalarBinaryOpTraits<T, stoat::Dual<T, N>, Op> {
  using ReturnType = stoat::Dual<T, N>;
};

}  // namespace Eigen
