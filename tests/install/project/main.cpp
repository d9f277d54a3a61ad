#include <iostream>
#include <stoat/stoat.hpp>
int main() {
  auto coin = []<class S>(stoat::Sampler<S>& draw, const stoat::Vector<S>& p) -> S { return 3 * draw(stoat::Bernoulli(p[0])); };
  std::cout << stoat::estimate(coin, Eigen::VectorXd::Constant(1, 0.3), stoat::StochasticDerivative{}, {.samples = 1000}).gradient
            << '\n';
}
