// stoat/program/program.hpp: a stochastic program behind a pointer, so that estimators are compiled once.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <stoat/program/higher_order.hpp>
#include <stoat/program/sampler.hpp>

namespace stoat {

/// A callable S(Sampler<S>& draw, const Vector<S>& theta), generic in S: double (or float) when it is run or replayed,
/// Var<double> when it is recorded. It depends on nothing but its arguments and what it captured, and changes neither: a Program
/// holds one copy of it, which its own copies share and which several threads call at once, through a const reference, each with a
/// sampler of its own. A run may keep scratch in local variables, or in thread_local ones that it resets before it reads them.
template <class F, class T>
concept ProgramFor = requires(const F& f, Sampler<T>& draw, Sampler<Var<T>>& recorded, const Vector<T>& x,
                              const Vector<Var<T>>& v) {
  { f(draw, x) } -> std::convertible_to<T>;
  { f(recorded, v) } -> std::convertible_to<Var<T>>;
};

/// A program over data: the mean over `size` data of the expected cost of f(draw, theta, datum).
template <class F>
class OverData {
 public:
  OverData(std::size_t size, F f) : size_(size), f_(std::move(f)) {
    if (size == 0) throw InvalidArgument("over_data: there are no data");
  }
  std::size_t data() const { return size_; }
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    return S(f_(draw, theta, draw.datum()));
  }

 private:
  std::size_t size_;
  F f_;
};
/// over_data(n, f): f is called with one datum, 0 <= datum < n, for each gradient draw. The data are dealt in epochs, each a
/// shuffle of its own: n samples in a row see every datum once. Enumeration goes through all of them.
template <class F>
OverData<F> over_data(std::size_t size, F f) {
  return {size, std::move(f)};
}

/// A program over T = float or double, type-erased per run.
template <class T>
class Program {
 public:
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, Program> && ProgramFor<std::remove_cvref_t<F>, T>)
  Program(F&& f) : model_(made(std::forward<F>(f))) {}

  /// A run on S = T, Var<T>, or in double Dual<double> or Var<NestedDual<n>>, n = 1, 2, 3: the last ones if the program was made
  /// with with_duals<n + 1>(f); else a Refusal.
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    return model_->run(draw, theta);
  }
  /// Number of data that the program is about; 0 if it is about none.
  std::size_t data() const { return model_->data(); }

 private:
  /// What derivatives of an order are made of: forward over reverse.
  template <int Order>
  using Higher = Var<NestedDual<Order - 1>>;
  struct Concept {
    virtual ~Concept() = default;
    virtual std::size_t data() const = 0;
    virtual T run(Sampler<T>&, const Vector<T>&) const = 0;
    virtual Var<T> run(Sampler<Var<T>>&, const Vector<Var<T>>&) const = 0;
    virtual Dual<double> run(Sampler<Dual<double>>&, const Vector<Dual<double>>&) const { not_compiled(2); }
    virtual Higher<2> run(Sampler<Higher<2>>&, const Vector<Higher<2>>&) const { not_compiled(2); }
    virtual Higher<3> run(Sampler<Higher<3>>&, const Vector<Higher<3>>&) const { not_compiled(3); }
    virtual Higher<4> run(Sampler<Higher<4>>&, const Vector<Higher<4>>&) const { not_compiled(4); }
    [[noreturn]] static void not_compiled(int order) {
      if (order == 2) throw Refusal("the program is not compiled for Duals: make it with with_duals(f), in double");
      throw Refusal("the program is not compiled for derivatives of order " + std::to_string(order) + ": make it with with_duals<" +
                    std::to_string(order) + ">(f), in double");
    }
  };
  template <class F>
  struct Model : Concept {
    F f;
    explicit Model(F g) : f(std::move(g)) {}
    std::size_t data() const override {
      if constexpr (requires { f.data(); }) return f.data();
      else return 0;
    }
    T run(Sampler<T>& draw, const Vector<T>& theta) const override { return static_cast<T>(f(draw, theta)); }
    Var<T> run(Sampler<Var<T>>& draw, const Vector<Var<T>>& theta) const override { return Var<T>(f(draw, theta)); }
  };
  template <class F>
  struct DualModel final : Model<F> {
    using Model<F>::Model, Model<F>::run;
    Dual<double> run(Sampler<Dual<double>>& draw, const Vector<Dual<double>>& theta) const override { return this->f(draw, theta); }
    Higher<2> run(Sampler<Higher<2>>& draw, const Vector<Higher<2>>& theta) const override { return this->f(draw, theta); }
    Higher<3> run(Sampler<Higher<3>>& draw, const Vector<Higher<3>>& theta) const override { return higher<3>(draw, theta); }
    Higher<4> run(Sampler<Higher<4>>& draw, const Vector<Higher<4>>& theta) const override { return higher<4>(draw, theta); }
    template <int Order>
    Higher<Order> higher(Sampler<Higher<Order>>& draw, const Vector<Higher<Order>>& theta) const {
      if constexpr (F::order >= Order) return this->f(draw, theta);
      else Concept::not_compiled(Order);
    }
  };
  template <class F>
  static std::shared_ptr<const Concept> made(F&& f) {
    using G = std::remove_cvref_t<F>;
    if constexpr (requires { requires(G::order >= 2) && std::same_as<T, double>; })
      return std::make_shared<const DualModel<G>>(std::forward<F>(f));
    else return std::make_shared<const Model<G>>(std::forward<F>(f));
  }
  std::shared_ptr<const Concept> model_;
};

}  // namespace stoat
