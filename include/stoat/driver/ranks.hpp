// stoat/driver/ranks.hpp: processes that share the work of one computation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace stoat {

/// Processes that run the same program and share the work of its calls. Every rank makes the same calls with the same arguments,
/// and gets the same results: the bits of one process alone. What a call draws, shows or writes to files is the matter of rank 0.
/// stoat::mpi makes ranks of the processes of an MPI job. Not thread-safe: the thread that makes the call uses them.
class Ranks {
 public:
  using Bytes = std::vector<std::uint8_t>;
  virtual ~Ranks() = default;
  virtual int rank() const = 0;  ///< of this process, in [0, size())
  virtual int size() const = 0;
  /// Two ranks get each other's messages in the order in which they were sent. May wait until the message is received.
  virtual void send(int to, std::span<const std::uint8_t> bytes) = 0;
  /// Waits for a message.
  virtual Bytes receive(int from) = 0;
  /// The bytes of rank 0 to all. Called by all.
  virtual void broadcast(Bytes& bytes) = 0;
};

}  // namespace stoat
