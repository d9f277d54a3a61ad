// stoat/program/changes.hpp: replays by differences.
//
// A block operation may offer, beside its adjoint, to tell which of its outcomes change when one of them is forced, or when its
// input changes, the random numbers held fixed. If all operations of a run do, and the cost tells how it changes with them, a
// replay costs what it changes: the changed operation is forced, those after it respond one after the other, and the cost adds
// up. What they find is what a rerun would find.
//
// Operations offer themselves while a plain run is made whose sampler has a replay_log():
//
//   if (auto* const log = draw.replay_log()) {
//     const std::size_t layer = log->add(operation, first_site, sites);
//     log->add(cost, layer);
//     log->total(value);  // what the program will return: nothing else may be in its cost, or the replays are reruns
//   }
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <stoat/tape/memory.hpp>

namespace stoat {

/// A number of a block that differs from that of the run: its place in the block, in the order of the sites, and by how much.
struct Change {
  std::uint32_t entry;  ///< place in the block
  std::int32_t by;      ///< outcome now minus outcome of the run
};

/// A block operation of a run that knows what its margins are. Lives in the log's arena, which destroys nothing.
class Replayable {
 public:
  /// Appends what changes, in order, when entry `entry` is forced to its other outcome: that entry, and what follows inside.
  virtual void forced(std::uint32_t entry, std::vector<Change>& out) = 0;
  /// Appends what changes, in order, when these entries of its input do, of which there are some.
  virtual void respond(std::span<const Change> in, std::vector<Change>& out) = 0;
  /// True if what follows from a forced entry follows from no other: then all of them can be told at once (CostRecord::each).
  virtual bool separate() const { return false; }
  /// How many entries the last call looked at.
  std::size_t looked_at() const { return looked_at_; }
  /// True if the last call came so close to a margin that rounding may have decided (of logs with a guard alone).
  bool close() const { return close_; }

 protected:
  ~Replayable() = default;
  std::size_t looked_at_ = 0;  ///< by the last call
  bool close_ = false;         ///< see close()
};

/// A part of the cost of a run that depends on the entries of one operation.
template <class T>
class CostRecord {
 public:
  /// By how much it changes with these entries, of which there are some, in order.
  virtual T change(std::span<const Change> changes) = 0;
  /// True if each() is cheaper by far than change() one by one.
  virtual bool at_once() const { return false; }
  /// Adds to out[i] its change when entry i of the operation is forced alone, for all entries: of an operation that is separate().
  virtual void each(Replayable& operation, std::span<T> out) {
    std::vector<Change> changes;
    for (std::size_t i = 0; i < out.size(); ++i) {
      changes.clear();
      operation.forced(static_cast<std::uint32_t>(i), changes);
      out[i] += change(changes);
    }
  }

 protected:
  ~CostRecord() = default;
};

/// What the operations of a run offer.
template <class T>
class ReplayLog {
 public:
  static constexpr std::size_t none = ~std::size_t{0};  ///< in place of the number of an operation
  /// The sites of an operation.
  struct Block {
    std::size_t first = 0, sites = 0;  ///< the first one, and how many
  };

  /// Memory until the next run.
  Arena& arena() { return arena_; }
  /// Distances from a margin below which an operation says close(); 0: none.
  T guard() const { return guard_; }
  void set_guard(T guard) { guard_ = guard; }

  /// An operation that drew so many sites from `first` on, or none, and whose input is the operation of that number, or nothing
  /// that changes. Returns its own number.
  std::size_t add(Replayable& operation, Block block, std::size_t input = none) {
    operations_.push_back({&operation, block, input});
    if (changes_.size() < operations_.size()) changes_.emplace_back();
    return operations_.size() - 1;
  }
  void add(CostRecord<T>& cost, std::size_t input) { costs_.push_back({&cost, input}); }
  /// All of the program's cost.
  void total(T cost) { total_ = cost, told_ = true; }

  // ---- for traces -----------------------------------------------------------------------------------------------

  void begin() {
    arena_.rewind({});
    operations_.clear(), costs_.clear();
    told_ = complete_ = false;
  }
  /// After a run of so many sites and this cost: it is complete if the operations drew all sites and told all of the cost.
  void end(std::size_t sites, T cost) {
    std::size_t next = 0;
    for (const Operation& o : operations_)
      if (o.block.sites > 0) next = o.block.first == next ? next + o.block.sites : none;
    complete_ = told_ && next == sites && total_ == cost;
  }
  bool complete() const { return complete_; }
  void forget() { complete_ = false; }

  /// The change of the cost when a site has its other outcome.
  T change(std::size_t site) {
    std::size_t first = 0;
    while (site - operations_[first].block.first >= operations_[first].block.sites) ++first;
    looked_at_ = 0, close_ = false;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      const Operation& o = operations_[i];
      changes_[i].clear();
      if (i == first) o.operation->forced(static_cast<std::uint32_t>(site - o.block.first), changes_[i]);
      else if (i > first && o.input != none && !changes_[o.input].empty()) o.operation->respond(changes_[o.input], changes_[i]);
      else continue;
      looked_at_ += o.operation->looked_at(), close_ = close_ || o.operation->close();
    }
    T sum = 0;
    for (const auto& [cost, input] : costs_)
      if (!changes_[input].empty()) sum += cost->change(changes_[input]);
    return sum;
  }
  std::size_t looked_at() const { return looked_at_; }
  bool close() const { return close_; }
  /// Makes the outcomes of the run those of the last change().
  void apply(std::span<std::int64_t> outcomes) const {
    for (std::size_t i = 0; i < operations_.size(); ++i)
      if (const Block& b = operations_[i].block; b.sites > 0)
        for (const Change& c : changes_[i]) outcomes[b.first + c.entry] += c.by;
  }
  /// The last block of sites, if no operation follows it and what follows from its entries is separate; else an empty one.
  /// `at_once`: only if the cost tells all its changes at once.
  Block last(bool at_once) const {
    for (const auto& [cost, input] : costs_)
      if (at_once && input + 1 == operations_.size() && !cost->at_once()) return {};
    if (!complete_) return {};
    for (std::size_t i = operations_.size(); i-- > 0;)
      if (operations_[i].block.sites > 0)
        return i + 1 == operations_.size() && operations_[i].operation->separate() ? operations_[i].block : Block{};
    return {};
  }
  /// The changes of the cost when sites of last() have their other outcome, one at a time.
  void each(std::span<T> out) {
    std::fill(out.begin(), out.end(), T(0));
    for (const auto& [cost, input] : costs_)
      if (input + 1 == operations_.size()) cost->each(*operations_[input].operation, out);
  }

 private:
  struct Operation {
    Replayable* operation;
    Block block;
    std::size_t input;
  };
  struct Cost {
    CostRecord<T>* cost;
    std::size_t input;
  };
  Arena arena_;
  T guard_ = 0;
  std::vector<Operation> operations_;
  std::vector<Cost> costs_;
  std::vector<std::vector<Change>> changes_;  // of each operation
  T total_ = 0;
  bool told_ = false, complete_ = false, close_ = false;
  std::size_t looked_at_ = 0;  ///< by the last call
};

}  // namespace stoat
