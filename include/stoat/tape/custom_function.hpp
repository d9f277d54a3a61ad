// stoat/tape/custom_function.hpp: a function with a derivative of your own.
//
//   const auto cube = custom_function([](const auto& x) { return x * x * x; },
//                                     [](const auto& x, const auto& y, const auto& adjoint) { return adjoint * 3 * x * x; });
//   S y = cube(theta[0]);
//
// For a vector argument, value and adjoint work on Eigen vectors: value(x) gives y, a vector or a number; adjoint(x, y, a)
// gives the vector (dy/dx)^T a. Use it for what automatic differentiation cannot see through or would see badly: tables,
// solvers, code in other languages, formulas with a better derivative.
#pragma once

#include <memory>
#include <utility>

#include <stoat/tape/vector.hpp>

namespace stoat {

namespace detail {

/// The derivative of y = value(x) for vectors x and y, type-erased for the tape.
template <class T, class Functions>
struct CustomBlock {
  using Column = Eigen::VectorX<T>;
  const Functions* functions;
  Run<T> x;
  const T* y;
  Eigen::Index size;
  Index at_y = 0;

  static Column copy(const View<const T>& v) {
    Column c(v.rows);
    for (Eigen::Index i = 0; i < v.rows; ++i) c[i] = v(i, 0);
    return c;
  }
  /// (dy/dx)^T a
  Column pull_back(const T* a) const {
    const Column at = copy(x.view());
    Column result;
    if constexpr (Functions::template returns_number<T>) {
      result = functions->adjoint(at, y[0], a[0]);
    } else {
      const Column values = Eigen::Map<const Column>(y, size), adjoints = Eigen::Map<const Column>(a, size);
      result = functions->adjoint(at, values, adjoints);
    }
    if (result.size() != at.size()) shape_mismatch("custom_function: adjoint", result.size(), 1, at.size(), 1);
    return result;
  }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const CustomBlock*>(payload);
    const T* const a = adjoints + p.at_y;
    if (std::all_of(a, a + p.size, [](const T& e) { return is_zero(e); })) return;
    const Column add = p.pull_back(a);
    const View<T> target = p.x.adjoint(adjoints);
    for (Eigen::Index i = 0; i < target.rows; ++i) target(i, 0) += add[i];
  }
  /// Row by row of dy/dx.
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    const auto& p = *static_cast<const CustomBlock*>(payload);
    Column unit = Column::Zero(p.size);
    for (Eigen::Index i = 0; i < p.size; ++i) {
      unit[i] = T(1);
      const Column row = p.pull_back(unit.data());
      unit[i] = T(0);
      for (int l = 0; l < Tape<T>::lanes; ++l) {
        T sum(0);
        for (Eigen::Index j = 0; j < row.size(); ++j) sum += chained(row[j], t[p.x.at + static_cast<Index>(j * p.x.row_stride)][l]);
        t[p.at_y + static_cast<Index>(i)][l] = sum;
      }
    }
  }
};

}  // namespace detail

/// See the head of this file.
template <class Value, class Adjoint>
class CustomFunction {
 public:
  CustomFunction(Value value, Adjoint adjoint)
      : functions_(std::make_shared<const Functions>(std::move(value), std::move(adjoint))) {}

  /// A scalar argument: a number, a Dual, a variable or an expression. Records one statement.
  template <class A>
    requires(detail::Operand<A> && !DenseLike<A>)
  auto operator()(A&& a) const {
    using S = ScalarOf<A>;
    const S x = std::forward<A>(a);
    return scalar(x);
  }
  /// A vector argument. Records one operation.
  template <DenseLike A>
    requires detail::is_column<A>
  auto operator()(const A& a) const { return vector(detail::dense_operand<ScalarOf<A>>(a)); }

 private:
  struct Functions {
    Value value;
    Adjoint adjoint;
    Functions(Value v, Adjoint a) : value(std::move(v)), adjoint(std::move(a)) {}
    template <class T>
    static constexpr bool returns_number = std::convertible_to<std::invoke_result_t<const Value&, const Eigen::VectorX<T>&>, T>;
  };

  template <class S>
  S scalar(const S& x) const {
    if constexpr (is_var<S>) {
      using T = ValueOf<S>;
      require<T>();
      const T y = functions_->value(x.value());
      if (!x.active()) return S(y);
      Tape<T>& tape = *Tape<T>::current();
      detail::check_tape(&tape, x.index(), x.tag());
      const T slope = functions_->adjoint(x.value(), y, T(1));
      const auto statement = tape.open_statement(1);
      statement.partials[0].value = slope;
      statement.indices[0].index = x.index();
      return S(y, statement.index, tape.tag());
    } else if constexpr (is_dual<S>) {
      using T = typename S::Value;
      require<T>();
      const T y = functions_->value(x.value());
      S result(y);
      const T slope = functions_->adjoint(x.value(), y, T(1));
      for (int d = 0; d < S::lanes; ++d) result.tangent(d) = detail::chained(slope, x.tangent(d));
      return result;
    } else {
      return S(functions_->value(x));
    }
  }

  template <class S>
  auto vector(const Vector<S>& x) const {
    if constexpr (is_var<S>) {
      using T = ValueOf<S>;
      require<Eigen::VectorX<T>>();
      constexpr bool number = Functions::template returns_number<T>;
      Tape<T>& tape = *Tape<T>::current();
      const auto y = functions_->value(Eigen::VectorX<T>(x.eigen()));
      const Eigen::Index size = [&] {
        if constexpr (number) return Eigen::Index{1};
        else return y.size();
      }();
      const Vector<S> values = Vector<S>::filled(size, 1, [&](T* out) {
        if constexpr (number) new (out) T(y);
        else std::uninitialized_copy_n(y.data(), size, out);
      });
      Index first = 0;
      if (x.active() && size > 0) {
        using Block = detail::CustomBlock<T, Functions>;
        Block* block = tape.arena().template allocate<Block>(1);
        new (block) Block{functions_.get(), x.run(), values.data(), size, 0};
        tape.keep(functions_);
        first = block->at_y = tape.block(static_cast<std::size_t>(size), block, &Block::reverse, &Block::forward);
      }
      if constexpr (number) return S(values.data()[0], first, tape.tag());
      else return first ? Vector<S>::on_tape(values.data(), first, size, 1) : values;
    } else if constexpr (is_dual<S>) {
      // Row by row of dy/dx.
      using T = typename S::Value;
      require<Eigen::VectorX<T>>();
      Eigen::VectorX<T> at(x.size());
      for (Eigen::Index j = 0; j < x.size(); ++j) at[j] = x[j].value();
      const auto y = functions_->value(at);
      const auto chain = [&](const T& value, const auto& adjoint) {
        S result(value);
        const Eigen::VectorX<T> row = functions_->adjoint(at, y, adjoint);
        for (Eigen::Index j = 0; j < x.size(); ++j)
          for (int d = 0; d < S::lanes; ++d) result.tangent(d) += detail::chained(row[j], x[j].tangent(d));
        return result;
      };
      if constexpr (Functions::template returns_number<T>) {
        return chain(T(y), T(1));
      } else {
        return Vector<S>::generate(
            y.size(), [&](Eigen::Index i) { return chain(T(y[i]), Eigen::VectorX<T>(Eigen::VectorX<T>::Unit(y.size(), i))); });
      }
    } else {
      const auto y = functions_->value(Eigen::VectorX<S>(x.eigen()));
      if constexpr (Functions::template returns_number<S>) return S(y);
      else return Vector<S>(y);
    }
  }

  template <class X>
  static constexpr void require() {
    static_assert(std::invocable<const Value&, const X&>,
                  "stoat: custom_function: second derivatives need a value and an adjoint that are generic in the number type");
  }

  std::shared_ptr<const Functions> functions_;
};

/// A function from its value and the product of its transposed derivative with an adjoint.
template <class Value, class Adjoint>
CustomFunction<Value, Adjoint> custom_function(Value value, Adjoint adjoint) {
  return {std::move(value), std::move(adjoint)};
}

}  // namespace stoat
