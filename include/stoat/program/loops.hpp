// stoat/program/loops.hpp: what replays know of the loops of a run.
//
//   draw.iterate(x, 1000, [&](S& x, int t) {               // all state that crosses iterations is the first argument
//     if (draw(Bernoulli(exp(-x / theta[0])))) x += 1; else x -= 1;
//   });
//
// A recording, and a run of any other kind, just loops. A replay starts at the last state that was kept before the site that it
// changes; once its state is the one that the run had at the start of the same iteration, the rest of the loop would repeat the
// run: it takes the state that the run ended with, and goes on after the loop. Replays so cost what they draw until they rejoin
// the run, and their costs are bit for bit those of full reruns.
//
// What the body reads may be anything. What it changes must be its state, the cost through draw.cost(), or gone at the end of the
// iteration: a sum that it keeps in a captured variable is not restored, nor the second half of a std::normal_distribution.
// LoopOptions::check finds such bodies. A running cost belongs in draw.cost(), since a state with it in hardly ever rejoins.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <stoat/program/members.hpp>

namespace stoat {

/// What a loop may carry from one iteration to the next: scalars, structs with a defaulted ==, std::vector, Vector<S>, Matrix<S>.
/// States that compare equal are taken for the same.
template <class State>
concept LoopState = std::copyable<State> && std::equality_comparable<State>;

/// How replays use the loops of draw.iterate.
struct LoopOptions {
  /// Most bytes of states that a thread keeps. If those of every iteration are more, it keeps every second one, every fourth, ...
  /// A state counts with its size and that of its elements and members, a class that owns memory with what a member bytes() says.
  std::size_t memory = std::size_t{64} << 20;
  /// Compares replays with reruns, so that a body that changes more than its state throws Error: once a run, and one replay in
  /// 64. By default in debug builds of the library.
  bool check = by_default();
  /// Most bytes that a recording has of a loop at a time. 0: a loop is recorded as a whole, some 130 bytes a draw. Else a longer
  /// one is recorded in segments, and once more in the sweep, one segment at a time (see segments.hpp): memory then holds one of
  /// them and the states between them, up to the square root of what all of them would take. A state's variables must be visible:
  /// members of structs without constructors, of containers, or what a member variables(f) calls f for. ScoreFunction, LeaveOneOut,
  /// StochasticDerivative, StraightThrough and SmoothedDerivative can do this; others throw Refusal once a loop takes more.
  std::size_t recording = 0;

  static bool by_default();
};

namespace detail {

/// What a run had made when an iteration began or a loop ended.
struct Mark {
  std::size_t sites;
  std::uint32_t costs, labels;
};

/// The loops of a run that are not inside others.
struct LoopLog {
  struct Loop {
    std::size_t first;  ///< its marks: of the starts of its iterations, then of its end
    std::size_t steps;
    std::size_t end() const { return first + steps; }
  };
  std::vector<Loop> loops;
  std::vector<Mark> marks;

  void clear() { loops.clear(), marks.clear(); }
};

/// Bytes that a value takes.
template <class V>
std::size_t bytes_of(const V& v) {
  if constexpr (std::is_trivially_copyable_v<V>) {
    return sizeof(V);
  } else if constexpr (requires { static_cast<std::size_t>(v.bytes()); }) {
    return static_cast<std::size_t>(v.bytes());
  } else if constexpr (requires {
                         v.data() + v.size();
                         requires std::is_trivially_copyable_v<std::remove_cvref_t<decltype(*v.data())>>;
                       }) {
    return sizeof(V) + static_cast<std::size_t>(v.size()) * sizeof(*v.data());
  } else if constexpr (std::ranges::range<const V>) {
    std::size_t sum = sizeof(V);
    for (const auto& x : v) sum += bytes_of(x);
    return sum;
  } else {
    std::size_t sum = 0;
    const bool known = for_members(v, [&](const auto&... members) { sum = (std::size_t{0} + ... + bytes_of(members)); });
    return known ? std::max(sum, sizeof(V)) : sizeof(V);
  }
}

/// The states of a loop at the starts of its iterations, or of each 2^j-th,, and at its end.
class States {
 public:
  virtual ~States() = default;
  virtual void clear() = 0;
  virtual std::size_t bytes() const = 0;
  /// Forgets every second one of the starts.
  virtual void thin() = 0;
};
template <class State>
class StatesOf final : public States {
 public:
  // Memory that a state of an earlier run owned serves again.
  void clear() override { count_ = 0, ended_ = false; }
  void keep(const State& state) {
    if (count_ == starts_.size()) starts_.push_back(state);
    else starts_[count_] = state;
    ++count_;
  }
  void keep_end(const State& state) {
    if (end_) *end_ = state;
    else end_.emplace(state);
    ended_ = true;
  }
  const State& operator[](std::size_t k) const { return starts_[k]; }
  const State& end() const { return *end_; }
  std::size_t bytes() const override {
    std::size_t sum = ended_ ? bytes_of(*end_) : 0;
    for (std::size_t k = 0; k < count_; ++k) sum += bytes_of(starts_[k]);
    return sum;
  }
  void thin() override {
    for (std::size_t k = 1; 2 * k < count_; ++k) std::swap(starts_[k], starts_[2 * k]);
    count_ = (count_ + 1) / 2;
    starts_.erase(starts_.begin() + static_cast<std::ptrdiff_t>(count_), starts_.end());
  }

 private:
  std::vector<State> starts_;
  std::optional<State> end_;
  std::size_t count_ = 0;
  bool ended_ = false;
};

/// What a plain run left for its replays.
class Checkpoints {
 public:
  struct Cost {
    double added, total;
  };
  /// Of which iterations there are states: each 2^j-th.
  bool has(std::size_t step) const { return (step & ((std::size_t{1} << level_) - 1)) == 0; }
  std::size_t index(std::size_t step) const { return step >> level_; }
  std::size_t step(std::size_t index) const { return index << level_; }

  std::vector<Cost> costs;      ///< that draw.cost() added, and what they came to
  std::vector<double> chances;  ///< of outcome 1 at every site, if they were asked for
  bool complete = false;

  void begin(std::size_t memory);
  void finish();
  /// True if the memory did not even hold a state a loop.
  bool full() const { return full_; }
  void add_label(std::uint64_t label) { labels_.push_back(label); }
  const std::vector<std::uint64_t>& labels() const { return labels_; }
  /// How often a label was among the first n.
  std::uint32_t uses(std::uint64_t label, std::size_t n) const;

  /// Room for the states of the next loop.
  template <class State>
  StatesOf<State>& open() {
    if (loops_ == states_.size()) states_.emplace_back();
    auto& states = states_[loops_++];
    if (!dynamic_cast<StatesOf<State>*>(states.get())) states = std::make_unique<StatesOf<State>>();
    states->clear();
    return static_cast<StatesOf<State>&>(*states);
  }
  template <class State>
  void keep(StatesOf<State>& states, const State& state, bool end) {
    if (full_) return;
    if (end) states.keep_end(state);
    else states.keep(state);
    bytes_ += bytes_of(state);
    if (bytes_ > memory_) make_room();
  }
  /// Null if the loop of this number had a state of another type.
  template <class State>
  const StatesOf<State>* states(std::size_t loop) const {
    return loop < loops_ ? dynamic_cast<const StatesOf<State>*>(states_[loop].get()) : nullptr;
  }

 private:
  void make_room();

  int level_ = 0;
  std::vector<std::unique_ptr<States>> states_;
  std::size_t loops_ = 0;
  std::vector<std::uint64_t> labels_;                                  // in order
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> where_;  // each label is among them
  std::size_t memory_ = 0, bytes_ = 0;
  bool full_ = false;
};

}  // namespace detail

}  // namespace stoat
