// stoat/driver/reduce.hpp: how threads and ranks share the work of one computation, and the order in which its parts are combined.
//
// The work is cut into blocks 0, ..., B - 1. A node of a fixed binary tree over them combines two ranges of blocks, the left one of
// the largest power of two that is smaller than the whole. Each rank makes a range of the blocks, on its threads, and combines
// what lies within the range as soon as both halves are there; then the right half of a node that spans several ranks is sent to
// the rank of the left half. So the tree, and with it every bit of the result, depends on B alone, and a rank never holds more
// nodes than it has threads, and about log B.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <stoat/driver/interruption.hpp>
#include <stoat/driver/packer.hpp>
#include <stoat/driver/ranks.hpp>

namespace stoat::detail {

/// An exception on its way to other ranks: its type, if it is one of the library's, else Error; and what it says.
struct Failure {
  enum class Kind : std::uint8_t { none, error, refusal, invalid_argument } kind = Kind::none;
  std::string message;
  std::exception_ptr original;  ///< of this process
  explicit operator bool() const { return kind != Kind::none; }
  template <class A>
  void fields(A& archive) {
    archive(kind, message);
  }
};
/// Inside a catch block: what was caught.
Failure current_failure();
/// Puts "rank 1 of 3: " in front of the message, except of a refusal, which is the same on all ranks.
void name_rank(Failure& failure, const Ranks& ranks);
/// `alone`: the original, whatever its type.
[[noreturn]] void rethrow(const Failure& failure, bool alone);

inline bool alone(const Ranks* ranks) { return !ranks || ranks->size() == 1; }
inline bool first(const Ranks* ranks) { return !ranks || ranks->rank() == 0; }

/// What make() gives on rank 0, on every rank; what it throws there, too.
Ranks::Bytes from_first(Ranks* ranks, const std::function<Ranks::Bytes()>& make);

/// The value of rank 0 on every rank.
template <class T>
void share(Ranks* ranks, T& value) {
  if (alone(ranks)) return;
  Packer packer;
  if (ranks->rank() == 0) packer(value);
  ranks->broadcast(packer.bytes);
  if (ranks->rank() != 0) {
    Unpacker unpacker(packer.bytes);
    unpacker(value);
  }
}

/// How long one rank computed.
struct RankTime {
  int rank = 0;
  std::int64_t blocks = 0;
  double seconds = 0;
  template <class A>
  void fields(A& archive) {
    archive(rank, blocks, seconds);
  }
};

/// Collects how long ranks computed over a call.
class RankTimes {
 public:
  void add(const std::vector<RankTime>& times);
  void add(const RankTimes& times) { add(times.times_); }
  /// "rank 3 took 4.1 times as long as the others, which waited 76 % of the time"; empty unless a rank took at least twice as long
  /// for a block as the median of the others, and half a second in all.
  std::string note() const;

 private:
  std::vector<RankTime> times_;
};

/// A number of threads: that of OpenMP for 0.
int thread_count(int threads);

/// work(block, thread) for blocks first, ..., last - 1, begun in this order on so many threads. It must not throw.
void for_blocks(std::int64_t first, std::int64_t last, int threads, const std::function<void(std::int64_t, int)>& work);

/// The blocks of a rank among `blocks` in all: contiguous, balanced, and block 0 is one of rank 0.
struct BlockRange {
  std::int64_t first = 0, last = 0;
  bool operator==(const BlockRange&) const = default;
  bool contains(const BlockRange& r) const { return first <= r.first && r.last <= last; }
  /// Where a node over these blocks is split.
  std::int64_t middle() const {
    return first + static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(last - first - 1)));
  }
};
inline BlockRange blocks_of(int rank, int ranks, std::int64_t blocks) {
  return {(rank * blocks + ranks - 1) / ranks, ((rank + 1) * blocks + ranks - 1) / ranks};
}
inline int owner_of(std::int64_t block, int ranks, std::int64_t blocks) { return static_cast<int>(block * ranks / blocks); }

/// What some blocks in a row came to.
template <class Node>
struct Piece {
  std::int64_t blocks = 0;
  Node node{};
  template <class A>
  void fields(A& archive) {
    archive(blocks, node);
  }
};

/// A node of the tree: one piece; or, where a block was not made or failed, the whole nodes before it, from left to right.
template <class Node>
struct Part {
  std::vector<Piece<Node>> pieces;
  std::int64_t done = 0;  ///< blocks of the pieces
  bool complete = true;
  Failure failure;  ///< of the first block that was not made
  bool interrupted = false;
  std::vector<RankTime> times;

  void merge(Part&& right) {
    interrupted = interrupted || right.interrupted;
    times.insert(times.end(), right.times.begin(), right.times.end());
    if (!complete) return;  // what comes after a gap is lost
    done += right.done;
    if (right.complete) {
      pieces[0].node.merge(std::move(right.pieces[0].node));
      pieces[0].blocks = done;
      return;
    }
    complete = false;
    failure = std::move(right.failure);
    for (Piece<Node>& piece : right.pieces) pieces.push_back(std::move(piece));
  }
  template <class A>
  void fields(A& archive) {
    archive(pieces, done, complete, failure, interrupted, times);
  }
};

/// Guards what takes less time than to put a thread to sleep.
class SpinLock {
 public:
  void lock() {
    for (int tries = 0; taken_.test_and_set(std::memory_order_acquire); ++tries)
      if (tries > 1000) std::this_thread::yield();
  }
  void unlock() { taken_.clear(std::memory_order_release); }

 private:
  std::atomic_flag taken_;
};

/// The tree over the blocks of one rank, and its way to the root.
template <class Node>
class BlockTree {
 public:
  BlockTree(Ranks* ranks, std::int64_t blocks)
      : ranks_(ranks), rank_(ranks ? ranks->rank() : 0), size_(ranks ? ranks->size() : 1), all_{0, blocks} {
    mine_ = blocks_of(rank_, size_, blocks);
  }
  /// The blocks to make here.
  const BlockRange& mine() const { return mine_; }
  /// Nodes that are held now.
  std::size_t held() const { return parts_.size(); }

  /// What a block came to, or all blocks of a node. From any thread.
  void add(BlockRange at, Part<Node> part) {
    while (at != all_) {
      const BlockRange above = parent(at);
      if (!mine_.contains(above)) break;
      const bool left = at.first == above.first;
      const BlockRange sibling = left ? BlockRange{at.last, above.last} : BlockRange{above.first, at.first};
      std::optional<Part<Node>> other = take(sibling, at, part);
      if (!other) return;
      if (left) part.merge(std::move(*other));
      else other->merge(std::move(part)), part = std::move(*other);
      at = above;
    }
    const std::scoped_lock lock(lock_);
    parts_.emplace(at.first, Held{at.last, std::move(part)});
  }

  /// After all blocks of all ranks: the root, on rank 0; on the others what they sent. `time`: of this rank.
  Part<Node> root(const RankTime& time) {
    Part<Node> part;
    if (mine_.first == mine_.last) return part;
    Part<Node>& some = parts_.begin()->second.part;
    some.times.push_back(time);
    some.interrupted = stoat::interrupted();
    reduce(all_, part);
    return part;
  }

 private:
  struct Held {
    std::int64_t last;
    Part<Node> part;
  };

  BlockRange parent(const BlockRange& child) const {
    BlockRange above = all_;
    for (;;) {
      const std::int64_t middle = above.middle();
      const BlockRange below = child.first < middle ? BlockRange{above.first, middle} : BlockRange{middle, above.last};
      if (below == child) return above;
      above = below;
    }
  }
  /// Takes the sibling out, or else puts the part in.
  std::optional<Part<Node>> take(const BlockRange& sibling, const BlockRange& at, Part<Node>& part) {
    const std::scoped_lock lock(lock_);
    const auto found = parts_.find(sibling.first);
    if (found == parts_.end() || found->second.last != sibling.last) {
      parts_.emplace(at.first, Held{at.last, std::move(part)});
      return {};
    }
    std::optional<Part<Node>> other(std::move(found->second.part));
    parts_.erase(found);
    return other;
  }
  /// The part of a node, on the rank of its first block. All ranks go through the nodes in the same order, so that none waits for
  /// a message that is sent later.
  void reduce(const BlockRange& range, Part<Node>& part) {
    if (range.last <= mine_.first || mine_.last <= range.first) return;
    if (mine_.contains(range)) {
      part = std::move(parts_.extract(range.first).mapped().part);
      return;
    }
    const std::int64_t middle = range.middle();
    const int left = owner_of(range.first, size_, all_.last), right = owner_of(middle, size_, all_.last);
    Part<Node> other;
    reduce({range.first, middle}, part);
    reduce({middle, range.last}, left == rank_ ? other : part);
    if (rank_ == left) {
      if (right != left) Unpacker(ranks_->receive(right))(other);
      part.merge(std::move(other));
    } else if (rank_ == right) {
      Packer packer;
      packer(part);
      ranks_->send(left, packer.bytes);
    }
  }

  Ranks* ranks_;
  int rank_, size_;
  BlockRange all_, mine_;
  SpinLock lock_;
  std::map<std::int64_t, Held> parts_;  ///< by their first block
};

/// What the blocks of a call came to.
template <class Node>
struct Reduced {
  std::vector<Piece<Node>> pieces;  ///< on rank 0, or on all: of all blocks, or of those before an interruption
  std::int64_t done = 0;            ///< blocks; the same on all
  bool interrupted = false;         ///< some rank was; the same on all
  std::vector<RankTime> times;      ///< of the ranks that had blocks; the same on all
};

/// The part of a node from those of its blocks, on one thread.
template <class Node, class One>
Part<Node> combined(const BlockRange& range, const One& one) {
  if (range.last - range.first == 1) return one(range.first);
  Part<Node> left = combined<Node>({range.first, range.middle()}, one);
  left.merge(combined<Node>({range.middle(), range.last}, one));
  return left;
}

/// Whether reduce() heeds an interruption.
enum class Heed : bool { no, yes };

/// Makes nodes of `blocks` > 0 blocks and combines them. make(block, thread) is called from so many threads (0 to threads - 1) of
/// every rank and may throw: the exception of the first block that failed is thrown on all ranks; alone (no ranks, or one), it is
/// the original, else one of the library's that names the rank. Node has `void merge(Node&& right)` and fields(). Alone or with
/// `everywhere`, all ranks get the node. An interruption that is heeded lets no rank begin another block: the pieces are those of
/// the blocks, one at least, before the first that was not made.
template <class Node, class Make>
Reduced<Node> reduce(Ranks* ranks, int threads, std::int64_t blocks, bool everywhere, const Make& make, Heed heed = Heed::no) {
  BlockTree<Node> tree(ranks, blocks);
  const auto start = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> first_failure = blocks;  // blocks after it are not needed
  const auto one = [&](std::int64_t block, int thread) {
    Part<Node> part;
    part.complete = false;
    if (block > first_failure || (heed == Heed::yes && block > 0 && interrupted())) return part;
    try {
      part.pieces.push_back({1, make(block, thread)});
      part.complete = true;
      part.done = 1;
    } catch (...) {
      part.failure = current_failure();
      if (!alone(ranks)) name_rank(part.failure, *ranks);
      std::int64_t before = first_failure;
      while (block < before && !first_failure.compare_exchange_weak(before, block)) {}
    }
    return part;
  };
  // A thread takes some blocks at a time, whole nodes where they lie in this rank's range, and eight times in all or oftener.
  const BlockRange mine = tree.mine();
  const std::int64_t many = std::max<std::int64_t>(1, (mine.last - mine.first) / (8 * threads)),
                     size = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(many)));
  for_blocks(mine.first / size, (mine.last + size - 1) / size, threads, [&](std::int64_t chunk, int thread) {
    const BlockRange all{chunk * size, (chunk + 1) * size};
    if (mine.contains(all)) tree.add(all, combined<Node>(all, [&](std::int64_t block) { return one(block, thread); }));
    else
      for (std::int64_t b = std::max(mine.first, all.first); b < std::min(mine.last, all.last); ++b)
        tree.add({b, b + 1}, one(b, thread));
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Part<Node> root = tree.root({first(ranks) ? 0 : ranks->rank(), mine.last - mine.first, seconds});
  if (!alone(ranks)) {
    std::vector<Piece<Node>> kept;
    if (!everywhere) kept = std::exchange(root.pieces, {});
    share(ranks, root);
    if (!everywhere) root.pieces = std::move(kept);
  }
  if (root.failure) rethrow(root.failure, alone(ranks));
  return {std::move(root.pieces), root.done, root.interrupted, std::move(root.times)};
}

}  // namespace stoat::detail
