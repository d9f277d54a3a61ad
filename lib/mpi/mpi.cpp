#include <stoat/mpi/mpi.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <boost/mpi/collectives/broadcast.hpp>
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>

#include <stoat/error.hpp>

namespace stoat::mpi {
namespace {

namespace bmpi = boost::mpi;

constexpr int tag = 0;
constexpr std::size_t largest = std::size_t{1} << 30;  // bytes of one message: MPI counts them by an int
constexpr std::chrono::seconds grace{5};

class World final : public Ranks {
 public:
  explicit World(const bmpi::communicator& world) : world_(world) {}
  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  /// In pieces; one that is shorter than it may be is the last.
  void send(int to, std::span<const std::uint8_t> bytes) override {
    for (;;) {
      const std::size_t count = std::min(bytes.size(), largest);
      world_.send(to, tag, bytes.data(), static_cast<int>(count));
      if (count < largest) return;
      bytes = bytes.subspan(count);
    }
  }
  Bytes receive(int from) override {
    Bytes bytes;
    for (;;) {
      const auto count = static_cast<std::size_t>(*world_.probe(from, tag).count<std::uint8_t>()), before = bytes.size();
      bytes.resize(before + count);
      world_.recv(from, tag, bytes.data() + before, static_cast<int>(count));
      if (count < largest) return bytes;
    }
  }
  /// The size and what fits beside it, then the rest.
  void broadcast(Bytes& bytes) override {
    std::array<std::uint8_t, 1024> frame{};
    std::uint64_t size = bytes.size();
    constexpr std::size_t room = frame.size() - sizeof size;
    if (rank() == 0) {
      std::memcpy(frame.data(), &size, sizeof size);
      std::copy_n(bytes.begin(), std::min<std::size_t>(size, room), frame.begin() + sizeof size);
    }
    bmpi::broadcast(world_, frame.data(), static_cast<int>(frame.size()), 0);
    if (rank() > 0) {
      std::memcpy(&size, frame.data(), sizeof size);
      bytes.resize(size);
      std::copy_n(frame.begin() + sizeof size, std::min<std::size_t>(size, room), bytes.begin());
    }
    for (std::size_t at = room; at < size; at += largest)
      bmpi::broadcast(world_, bytes.data() + at, static_cast<int>(std::min(largest, size - at)), 0);
  }

 private:
  bmpi::communicator world_;
};

/// Waits until all ranks are here and tells which of them failed: only so long for the others, if this one did.
bool gather(const bmpi::communicator& world, bool failed, std::vector<char>& failures) {
  const char mine = failed ? 1 : 0;
  failures.resize(static_cast<std::size_t>(world.size()));
  MPI_Request request;
  MPI_Iallgather(&mine, 1, MPI_CHAR, failures.data(), 1, MPI_CHAR, world, &request);
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done) return true;
    if (failed && std::chrono::steady_clock::now() - start > grace) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

int run(int& argc, char**& argv, const std::function<void(const std::shared_ptr<Ranks>&)>& body) {
  if (bmpi::environment::initialized()) throw InvalidArgument("mpi::run: MPI was started before");
  bmpi::environment environment(argc, argv, bmpi::threading::funneled, false);
  const bmpi::communicator world(MPI_COMM_WORLD, bmpi::comm_duplicate);
  std::string message;
  bool failed = true;
  try {
    body(std::make_shared<World>(world));
    failed = false;
  } catch (const std::exception& error) { message = error.what(); } catch (...) {
    message = "an exception of unknown type";
  }
  std::vector<char> failures;
  const std::string self =
      "rank " + std::to_string(world.rank()) + " of " + std::to_string(world.size()) + " failed: " + message + '\n';
  if (!gather(world, failed, failures)) {
    std::cerr << self << std::flush;
    bmpi::environment::abort(1);
  }
  const auto count = std::count(failures.begin(), failures.end(), 1);
  if (count == 0) return 0;
  if (std::find(failures.begin(), failures.end(), 1) - failures.begin() == world.rank()) {
    if (count == 1) std::cerr << self << std::flush;
    else std::cerr << count << " of " << world.size() << " ranks failed: " << message << std::endl;
  }
  return 1;
}

}  // namespace stoat::mpi
