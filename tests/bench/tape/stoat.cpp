// stoat: scalar loops, and the same models on whole vectors and matrices.
#include <memory>

#include <stoat/tape/gradient.hpp>

#include "engine.hpp"

namespace bench {

template <>
struct NumberOf<stoat::Var<double>> {
  static double get(const stoat::Var<double>& x) { return x.value(); }
};

namespace {

using stoat::Matrix, stoat::Tape, stoat::Var, stoat::Vector;

/// value, gradient: f records on a tape that is used again and again.
template <class F>
Task task(const std::string& workload, const std::string& engine, double statements, const std::vector<double>& x, F f) {
  struct State {
    Tape<double> tape;
    Vector<double> x;
  };
  const auto state = std::make_shared<State>();
  state->x = Vector<double>(x);
  return {workload,
          engine,
          statements,
          x.size(),
          [state, f](std::vector<double>& g) {
            Tape<double>::Use use(state->tape);
            state->tape.clear();
            const Vector<Var<double>> v = variables(state->tape, state->x);
            const Var<double> y = f(v);
            state->tape.backward(y);
            std::copy_n(state->tape.adjoints() + v.first(), g.size(), g.begin());
            return y.value();
          },
          [state, statements] { return static_cast<double>(state->tape.bytes()) / statements; }};
}

/// x[i] with the index type of the workloads.
struct Inputs {
  const Vector<Var<double>>& v;
  Var<double> operator[](std::size_t i) const { return v[static_cast<Eigen::Index>(i)]; }
};

struct Stoat {
  template <class W>
  static void add() {
    const auto w = std::make_shared<W>();
    tasks().push_back(
        task(W::name, "stoat", W::statements, w->x, [w](const auto& v) { return w->template run<Var<double>>(Inputs{v}); }));
  }
};

bool add_matrix_forms() {
  const auto logistic = std::make_shared<Logistic>();
  const Matrix<double> data(
      Eigen::MatrixXd(Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
          logistic->data.data(), Logistic::observations, Logistic::features)));
  const Vector<double> failures = Vector<double>::generate(
      Logistic::observations, [](Eigen::Index i) { return 1 - Logistic::label(static_cast<std::size_t>(i)); });
  tasks().push_back(task(Logistic::name, "stoat, matrices", Logistic::statements, logistic->x, [=](const auto& w) {
    const Vector<Var<double>> z = data * w;
    return sum(softplus(-z) + cwise_product(failures, z));
  }));

  const auto perceptron = std::make_shared<Perceptron>();
  const Vector<double> input(Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(perceptron->input.data(), Perceptron::in)));
  tasks().push_back(task(Perceptron::name, "stoat, matrices", Perceptron::statements, perceptron->x, [=](const auto& w) {
    // The weights of a unit are a column, its bias the last element.
    constexpr Eigen::Index in = Perceptron::in, first = Perceptron::first, second = Perceptron::second;
    const auto u = w.matrix(0, in + 1, first), v = w.matrix(Perceptron::at_second, first + 1, second);
    const Vector<Var<double>> h = tanh(u.block(0, 0, in, first).transpose() * input + u.row(in));
    const Vector<Var<double>> k = tanh(v.block(0, 0, first, second).transpose() * h + v.row(first));
    return square(dot(w.segment(Perceptron::at_third, second), k) + w[Perceptron::at_third + second]);
  }));
  return true;
}

const bool registered = add_engine<Stoat>() && add_matrix_forms();

}  // namespace
}  // namespace bench
