#include <iostream>
#include <stoat/mpi/mpi.hpp>
int main(int argc, char** argv) {
  return stoat::mpi::run(argc, argv, [](const std::shared_ptr<stoat::Ranks>& ranks) { std::cout << ranks->size() << '\n'; });
}
