// stoat/mpi/mpi.hpp: the processes of an MPI job share the work. Link stoat::mpi.
//
//   int main(int argc, char** argv) {
//     return stoat::mpi::run(argc, argv, [&](const std::shared_ptr<stoat::Ranks>& ranks) {
//       const Estimate e = estimate(program, theta, StochasticDerivative{}, {.samples = 10'000'000, .ranks = ranks});
//       if (ranks->rank() == 0) std::cout << e;
//     });
//   }
//
// mpirun -n 4 ./program: the same output, bit for bit, as that of ./program alone.
#pragma once

#include <functional>
#include <memory>

#include <stoat/driver/ranks.hpp>

namespace stoat::mpi {

/// Starts MPI, calls body(ranks) on every process of the job with ranks for all of them (one, if the program was not started by
/// mpirun), and ends MPI. Returns what main() should: 0 if it returned everywhere, else 1, after one message on standard error
/// that names a rank and what it threw. If the others do not end within some seconds, as they wait for a rank that has failed, the
/// job is aborted. MPI is used by the thread that calls this. Messages go through a communicator of their own. Throws
/// InvalidArgument if MPI was started before.
int run(int& argc, char**& argv, const std::function<void(const std::shared_ptr<Ranks>&)>& body);

}  // namespace stoat::mpi
