#include <iostream>
#include <stoat/hdf5.hpp>
int main(int, char** argv) {
  using namespace stoat::snn;
  const Network network(3, 10, {Linear{2}, Lif{}, Linear{2}, LeakyReadout{}});
  const Eigen::VectorXd theta = network.initial<double>();
  write_weights(argv[1], network, {.theta = theta});
  std::cout << (read_weights(argv[1], network).theta - theta).norm() << '\n';
}
