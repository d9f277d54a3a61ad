#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

double second();

double second() {
  const auto [value, gradient] = stoat::value_and_gradient([](const auto& x) { return x[0] * x[0]; }, Eigen::VectorXd::Ones(1));
  const stoat::snn::Network network(3, 10, {stoat::snn::Linear{2}, stoat::snn::Lif{}});
  return value + 0 * (gradient[0] + network.initial<double>().sum());
}
