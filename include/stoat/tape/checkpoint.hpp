// stoat/tape/checkpoint.hpp: a long loop recorded in bounded memory.
//
// The reverse sweep of a loop of n steps needs the recording of every step, backwards. checkpointed_loop keeps some states
// instead and records short stretches of the loop again when the sweep gets there. Stretches are as long as half the memory
// allows, states take the other half; when these are too few, they are placed so that no step is repeated more often than
// it must be (Griewank and Walther 2000, "revolve").
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <stoat/tape/vector.hpp>

namespace stoat {

/// How much memory checkpointed_loop() may use.
struct CheckpointOptions {
  std::size_t memory = std::size_t{64} << 20;  ///< bytes for kept states and for one recorded stretch together
};

namespace detail {

/// The most steps that can be reversed with so many kept states and repetitions: (states + repetitions choose states).
std::int64_t reversible_steps(std::int64_t states, std::int64_t repetitions);
/// Of `steps` stretches to be reversed with so many kept states besides the first: how many to go before keeping one.
std::int64_t steps_to_checkpoint(std::int64_t steps, std::int64_t states);
[[noreturn]] void checkpoint_memory(std::size_t memory, std::size_t needed);

/// A loop of a recorded program: what its reverse sweep needs.
template <class T, class Step>
class CheckpointedLoop {
 public:
  using Column = Eigen::VectorX<T>;

  CheckpointedLoop(Step step, const Run<T>& state, const Run<T>& parameters, std::int64_t steps, const CheckpointOptions& options)
      : step_(std::move(step)), state_(state), parameters_(parameters), parameter_values_(column(parameters)), steps_(steps) {
    plan(options.memory);
  }
  /// Runs the loop in plain numbers, keeping the states that the reverse sweep will ask for first.
  Column run() {
    Column x = column(state_);
    std::int64_t first = 0, left = kept_;
    while (stretches_ - first > 1 && left > 0) {
      const std::int64_t next = first + steps_to_checkpoint(stretches_ - first, left);
      x = advance(std::move(x), first, next);
      spine_.push_back(x);
      first = next, --left;
    }
    return advance(std::move(x), first, stretches_);
  }
  void reverse(T* adjoints, Index at_y) {
    adjoint_ = Eigen::Map<const Column>(adjoints + at_y, state_.rows);
    parameter_adjoint_ = Column::Zero(parameters_.rows);
    {
      typename Tape<T>::Scratch tape(tape_memory_ + pages);
      reverse(*tape, column(state_), 0, stretches_, kept_, 0);
    }
    add(state_, adjoints, adjoint_);
    add(parameters_, adjoints, parameter_adjoint_);
  }
  void forward(typename Tape<T>::Lanes* t, Index at_y) {
    // Stretch by stretch on a tape of its own, carrying tangents.
    Eigen::Matrix<T, Eigen::Dynamic, Tape<T>::lanes> dx(state_.rows, Tape<T>::lanes), dp(parameters_.rows, Tape<T>::lanes);
    const auto read = [&](const Run<T>& run, auto& d) {
      for (Eigen::Index i = 0; i < run.rows; ++i)
        for (int l = 0; l < Tape<T>::lanes; ++l) d(i, l) = run.at ? t[run.at + static_cast<Index>(i * run.row_stride)][l] : T(0);
    };
    read(state_, dx), read(parameters_, dp);
    Column now = column(state_);
    for (std::int64_t s = 0; s < stretches_; ++s) {
      typename Tape<T>::Scratch tape;
      const Recorded r = record(*tape, now, s);
      tape->clear_tangents();
      for (int l = 0; l < Tape<T>::lanes; ++l) {
        for (Eigen::Index i = 0; i < dx.rows(); ++i) tape->tangents()[r.state.first() + static_cast<Index>(i)][l] = dx(i, l);
        for (Eigen::Index i = 0; i < dp.rows(); ++i) tape->tangents()[r.parameters.first() + static_cast<Index>(i)][l] = dp(i, l);
      }
      tape->forward();
      for (Eigen::Index i = 0; i < dx.rows(); ++i) {
        now[i] = r.result[i].value();
        const Index index = r.result[i].index();
        for (int l = 0; l < Tape<T>::lanes; ++l) dx(i, l) = index ? tape->tangents()[index][l] : T(0);
      }
    }
    for (Eigen::Index i = 0; i < dx.rows(); ++i)
      for (int l = 0; l < Tape<T>::lanes; ++l) t[at_y + static_cast<Index>(i)][l] = dx(i, l);
  }

 private:
  static constexpr std::size_t pages = std::size_t{256} << 10;  ///< a tape takes memory in pages, whatever it uses
  static constexpr std::size_t no_spine = std::numeric_limits<std::size_t>::max();
  struct Recorded {
    Vector<Var<T>> state, parameters, result;
  };

  static Column column(const Run<T>& run) {
    Column c(run.rows);
    for (Eigen::Index i = 0; i < run.rows; ++i) c[i] = run.view()(i, 0);
    return c;
  }
  static void add(const Run<T>& run, T* adjoints, const Column& values) {
    if (!run.at) return;
    const View<T> target = run.adjoint(adjoints);
    for (Eigen::Index i = 0; i < run.rows; ++i) target(i, 0) += values[i];
  }
  std::int64_t start(std::int64_t s) const { return std::min(steps_, s * length_); }
  void check(Eigen::Index size, std::int64_t t) const {
    if (size != state_.rows)
      throw InvalidArgument("checkpointed_loop: step " + std::to_string(t) + " turned a state of length " +
                            std::to_string(state_.rows) + " into one of length " + std::to_string(size));
  }

  /// The state after stretches from, ..., to - 1, in plain numbers.
  Column advance(Column x, std::int64_t from, std::int64_t to) const {
    Vector<T> state(x);
    const Vector<T> parameters(parameter_values_);
    for (std::int64_t t = start(from); t < start(to); ++t) {
      state = Vector<T>(evaluated(step_(std::as_const(state), parameters, t)));
      check(state.size(), t);
    }
    return state.eigen();
  }
  Recorded record(Tape<T>& tape, const Column& x, std::int64_t s) const {
    Recorded r{variables(tape, x), variables(tape, parameter_values_), {}};
    r.result = r.state;
    for (std::int64_t t = start(s); t < start(s + 1); ++t) {
      r.result = Vector<Var<T>>(evaluated(step_(std::as_const(r.result), std::as_const(r.parameters), t)));
      check(r.result.size(), t);
    }
    return r;
  }
  /// Sends the adjoint of the state at the end of a stretch back to its beginning.
  void reverse_stretch(Tape<T>& tape, const Column& x, std::int64_t s) {
    tape.clear();
    const Recorded r = record(tape, x, s);
    tape.clear_adjoints();
    for (Eigen::Index i = 0; i < adjoint_.size(); ++i) tape.adjoints()[r.result[i].index()] += adjoint_[i];
    tape.adjoints()[0] = T(0);
    tape.reverse();
    adjoint_ = Eigen::Map<const Column>(tape.adjoints() + r.state.first(), adjoint_.size());
    parameter_adjoint_ += Eigen::Map<const Column>(tape.adjoints() + r.parameters.first(), parameter_adjoint_.size());
  }
  /// Reverses stretches first, ..., end - 1 from the state x at `first`, with room for `left` more states. On the first way
  /// down the states that run() kept are at hand.
  void reverse(Tape<T>& tape, const Column& x, std::int64_t first, std::int64_t end, std::int64_t left, std::size_t depth) {
    if (end - first == 1) return reverse_stretch(tape, x, first);
    if (left == 0) {
      for (std::int64_t s = end; s-- > first;) reverse_stretch(tape, advance(x, first, s), s);
      return;
    }
    const std::int64_t middle = first + steps_to_checkpoint(end - first, left);
    {
      // A second sweep finds the states of the first one gone, and works them out again.
      const bool at_hand = depth < spine_.size();
      const Column kept = at_hand ? std::move(spine_[depth]) : advance(x, first, middle);
      if (depth + 1 == spine_.size()) spine_.clear();
      reverse(tape, kept, middle, end, left - 1, at_hand ? depth + 1 : no_spine);
    }
    reverse(tape, x, first, middle, left, no_spine);
  }

  /// Cuts the loop into stretches by the memory that one recorded step takes.
  void plan(std::size_t memory) {
    const std::size_t state_bytes = static_cast<std::size_t>(state_.rows) * sizeof(T) + sizeof(Column);
    std::size_t step_bytes = 0;
    {
      length_ = 1;
      typename Tape<T>::Scratch tape(memory + pages);
      const std::size_t before = tape->bytes();
      record(*tape, column(state_), 0);
      step_bytes = tape->bytes() - before;
    }
    const std::size_t least = step_bytes + 2 * state_bytes;
    if (memory < least) checkpoint_memory(memory, least);
    // A quarter, as memory grows by doubling and steps may differ.
    length_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(memory / 4 / std::max<std::size_t>(step_bytes, 1)));
    length_ = std::min(length_, std::max<std::int64_t>(steps_, 1));
    stretches_ = (steps_ + length_ - 1) / length_;
    const std::size_t for_states = memory > 2 * step_bytes ? std::min(memory / 2, memory - 2 * step_bytes) : 0;
    kept_ = std::min<std::int64_t>(static_cast<std::int64_t>(for_states / state_bytes), std::max<std::int64_t>(stretches_ - 1, 0));
    tape_memory_ = memory - static_cast<std::size_t>(kept_) * state_bytes;
  }

  Step step_;
  Run<T> state_, parameters_;
  Column parameter_values_;
  std::int64_t steps_, length_ = 1, stretches_ = 0, kept_ = 0;
  std::size_t tape_memory_ = 0;
  std::vector<Column> spine_;  ///< states kept by run(), from early to late
  Column adjoint_, parameter_adjoint_;
};

template <class T, class Step>
struct CheckpointedBlock {
  CheckpointedLoop<T, Step>* loop;
  Index at_y = 0;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const CheckpointedBlock*>(payload);
    p.loop->reverse(adjoints, p.at_y);
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    const auto& p = *static_cast<const CheckpointedBlock*>(payload);
    p.loop->forward(t, p.at_y);
  }
};

}  // namespace detail

/// The state after t = 0, ..., steps - 1 of state = step(state, parameters, t). The step is called as
///   step(const Vector<S>& state, const Vector<S>& parameters, std::int64_t t) -> Vector<S>
/// in plain numbers and in variables, several times for each t; it must depend on nothing else that varies, and what it is to
/// be differentiated in must come in as state or parameters. Recorded, the whole loop is one operation that holds
/// `options.memory` bytes (and some pages) at most during the reverse sweep. Throws InvalidArgument if the memory does not suffice
/// for one step, Error if later steps take much more than the first.
template <DenseLike X, DenseLike P, class Step>
auto checkpointed_loop(const X& state, const P& parameters, std::int64_t steps, Step step, const CheckpointOptions& options = {}) {
  using S = CommonScalar<X, P>;
  const Vector<S> x = detail::dense_operand<S>(state), p = detail::dense_operand<S>(parameters);
  if (steps < 0) throw InvalidArgument("checkpointed_loop: " + outside("steps", static_cast<double>(steps), "[0, infinity)"));
  if constexpr (!is_var<S>) {
    Vector<S> now = x;
    for (std::int64_t t = 0; t < steps; ++t) now = Vector<S>(evaluated(step(std::as_const(now), p, t)));
    return now;
  } else {
    using T = ValueOf<S>;
    if (steps == 0) return x;
    Tape<T>& tape = *Tape<T>::current();
    using Loop = detail::CheckpointedLoop<T, Step>;
    const auto loop = std::make_shared<Loop>(std::move(step), x.run(), p.run(), steps, options);
    const Eigen::VectorX<T> y = loop->run();
    const Vector<S> values(y);
    if ((!x.active() && !p.active()) || y.size() == 0) return values;
    using Block = detail::CheckpointedBlock<T, Step>;
    Block* block = tape.arena().template allocate<Block>(1);
    new (block) Block{loop.get()};
    tape.keep(loop);
    block->at_y = tape.block(static_cast<std::size_t>(y.size()), block, &Block::reverse, &Block::forward);
    return Vector<S>::on_tape(values.data(), block->at_y, y.size(), 1);
  }
}

}  // namespace stoat
