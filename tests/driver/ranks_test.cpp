// The tree in which blocks are combined, on threads and ranks; and interruptions.
#include <doctest/doctest.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <stoat/driver/interruption.hpp>
#include <stoat/driver/reduce.hpp>

#include "local_ranks.hpp"

using namespace stoat;

namespace {

/// Writes down in which order blocks were combined.
struct Text {
  std::string text;
  void merge(Text&& right) { text = '(' + text + right.text + ')'; }
  template <class A>
  void fields(A& archive) {
    archive(text);
  }
};
Text letter(std::int64_t block, int) { return {std::string(1, static_cast<char>('a' + block))}; }

/// The pieces, one after the other.
std::string text(const detail::Reduced<Text>& reduced) {
  std::string all;
  for (const auto& piece : reduced.pieces) all += (all.empty() ? "" : " ") + piece.node.text;
  return all;
}

/// The result, which must be that of every rank.
std::string combined(int ranks, int threads, std::int64_t blocks) {
  std::vector<std::string> texts(static_cast<std::size_t>(ranks));
  local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
    texts[static_cast<std::size_t>(r->rank())] = text(detail::reduce<Text>(r.get(), threads, blocks, true, letter));
  });
  for (const std::string& text : texts) CHECK(text == texts[0]);
  return texts[0];
}

}  // namespace

TEST_CASE("blocks are combined in a tree that depends on their number alone") {
  CHECK(combined(1, 1, 1) == "a");
  CHECK(combined(1, 1, 8) == "(((ab)(cd))((ef)(gh)))");
  for (const std::int64_t blocks : {1, 2, 3, 5, 7, 8, 11, 16, 22, 26}) {
    const std::string alone = text(detail::reduce<Text>(nullptr, 1, blocks, true, letter));
    for (const int ranks : {1, 2, 3, 4, 7, 9})
      for (const int threads : {1, 3}) CHECK_MESSAGE(combined(ranks, threads, blocks) == alone, ranks << ' ' << blocks);
  }
}

TEST_CASE("blocks are dealt to ranks in balanced ranges") {
  for (const std::int64_t blocks : {1, 2, 5, 64, 100})
    for (const int ranks : {1, 2, 3, 7, 64}) {
      std::int64_t next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const detail::BlockRange r = detail::blocks_of(rank, ranks, blocks);
        CHECK(r.first == next);
        CHECK(std::abs(static_cast<double>(r.last - r.first) - static_cast<double>(blocks) / ranks) < 1);
        for (std::int64_t b = r.first; b < r.last; ++b) CHECK(detail::owner_of(b, ranks, blocks) == rank);
        next = r.last;
      }
      CHECK(next == blocks);
    }
}

TEST_CASE("few nodes are held at a time") {
  detail::BlockTree<Text> tree(nullptr, 1 << 12);
  std::size_t most = 0;
  for (std::int64_t b = 0; b < 1 << 12; ++b) {
    tree.add({b, b + 1}, {.pieces = {{1, {}}}, .done = 1, .failure = {}, .times = {}});
    most = std::max(most, tree.held());
  }
  CHECK(most == 12);
  CHECK(tree.held() == 1);
}

TEST_CASE("the first block that fails decides, on every rank") {
  for (const int ranks : {1, 2, 3, 5}) {
    std::vector<std::string> messages(static_cast<std::size_t>(ranks));
    local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
      const auto make = [](std::int64_t block, int) -> Text {
        if (block == 9) throw InvalidArgument("block 9 is wrong");
        if (block >= 11) throw std::runtime_error("block " + std::to_string(block));
        return {"x"};
      };
      try {
        detail::reduce<Text>(r.get(), 2, 16, false, make);
      } catch (const InvalidArgument& error) { messages[static_cast<std::size_t>(r->rank())] = error.what(); }
      // The ranks still understand each other.
      CHECK(text(detail::reduce<Text>(r.get(), 2, 2, true, letter)) == "(ab)");
    });
    const std::string rank = std::to_string(detail::owner_of(9, ranks, 16));
    for (const std::string& message : messages)
      CHECK(message == (ranks > 1 ? "rank " + rank + " of " + std::to_string(ranks) + ": " : "") + "block 9 is wrong");
  }
  struct Own {};
  CHECK_THROWS_AS(detail::reduce<Text>(nullptr, 2, 5, true, [](std::int64_t, int) -> Text { throw Own{}; }), Own);
}

TEST_CASE("after an interruption no block is begun, and the whole nodes before the first gap are there") {
  for (const int ranks : {1, 2, 3})
    for (const int threads : {1, 2})
      for (const std::int64_t blocks : {1, 7, 16, 64}) {
        std::atomic<int> made = 0, late = 0;
        std::vector<std::int64_t> done(static_cast<std::size_t>(ranks));
        std::vector<std::string> texts(static_cast<std::size_t>(ranks));
        {
          const Interruption guard;
          local_ranks::run(ranks, [&](const std::shared_ptr<Ranks>& r) {
            const auto make = [&](std::int64_t block, int thread) {
              if (interrupted()) ++late;
              if (++made == 11) std::raise(SIGTERM);
              if (interrupted() && block % 2 == 1) throw Error("behind the gap, or before it");
              return letter(block, thread);
            };
            const auto rank = static_cast<std::size_t>(r->rank());
            try {
              const auto reduced = detail::reduce<Text>(r.get(), threads, blocks, true, make, detail::Heed::yes);
              done[rank] = reduced.done;
              texts[rank] = text(reduced);
              CHECK(reduced.interrupted == (made >= 11));
            } catch (const Error&) { done[rank] = -1; }
          });
        }
        CAPTURE(ranks);
        CAPTURE(threads);
        CAPTURE(blocks);
        CHECK(late <= ranks * threads);  // each thread may have been about to begin one; and block 0
        for (const std::int64_t d : done) CHECK(d == done[0]);
        if (done[0] < 0) continue;
        CHECK(done[0] >= 1);
        if (blocks < 11) CHECK(done[0] == blocks);
        // The same nodes as those of all blocks have.
        std::string expected;
        for (std::int64_t first = 0, left = done[0]; left > 0;) {
          const auto size = left == blocks ? left : static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(left)));
          expected +=
              (first > 0 ? " " : "") +
              text(detail::reduce<Text>(nullptr, 1, size, true, [&](std::int64_t b, int t) { return letter(first + b, t); }));
          first += size, left -= size;
        }
        for (const std::string& t : texts) CHECK(t == expected);
      }
}

TEST_CASE("what rank 0 makes goes to all ranks, and so does what it throws") {
  local_ranks::run(3, [](const std::shared_ptr<Ranks>& r) {
    const auto bytes = detail::from_first(r.get(), [&] { return Ranks::Bytes{static_cast<std::uint8_t>(7 + r->rank())}; });
    CHECK(bytes == Ranks::Bytes{7});
    CHECK_THROWS_WITH_AS(detail::from_first(r.get(), []() -> Ranks::Bytes { throw Refusal("no"); }), "no", Refusal);
  });
}

TEST_CASE("a message that ends early is refused") {
  detail::Packer packer;
  std::vector<double> numbers = {1, 2};
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Ones(2, 3);
  std::string text = "text";
  packer(numbers, matrix, text);
  for (std::size_t size = 0; size < packer.bytes.size(); ++size) {
    detail::Unpacker unpacker(std::span(packer.bytes).first(size));
    CHECK_THROWS_AS(unpacker(numbers, matrix, text), Error);
  }
  std::vector<double> n;
  Eigen::MatrixXd m;
  std::string t;
  detail::Unpacker unpacker(packer.bytes);
  unpacker(n, m, t);
  CHECK(n == std::vector<double>{1, 2});
  CHECK(m == Eigen::MatrixXd::Ones(2, 3));
  CHECK(t == "text");
}

TEST_CASE("a slow rank is named") {
  detail::RankTimes times;
  times.add({{0, 10, 0.2}, {1, 10, 0.2}, {2, 10, 0.21}, {3, 10, 0.4}});
  CHECK(times.note().empty());  // too short to tell
  times.add({{0, 10, 0.2}, {1, 10, 0.2}, {2, 10, 0.21}, {3, 10, 1.24}});
  CHECK(times.note() == "rank 3 took 4.1 times as long as the others, which waited 76 % of the time");
  detail::RankTimes even;
  even.add({{0, 10, 2.0}, {1, 5, 1.1}});
  CHECK(even.note().empty());
}

TEST_CASE("the first signal is noted, also if it comes twice at once; the second one does what it always did") {
  static int before = 0;
  const auto old = std::signal(SIGTERM, [](int) { ++before; });
  {
    Interruption guard;
    CHECK(!interrupted());
    std::raise(SIGTERM);
    CHECK(interrupted());
    CHECK(before == 0);
    {
      Interruption inner;
      CHECK(interrupted());
    }
    CHECK(interrupted());
    std::raise(SIGTERM);
    CHECK(before == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(110));
    std::raise(SIGTERM);
    CHECK(before == 1);
  }
  CHECK(!interrupted());
  std::raise(SIGTERM);
  CHECK(before == 2);
  std::signal(SIGTERM, old);
}
