// stoat/program/recorded_segments.hpp: how a recorded run goes through a loop in segments (segments.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <stoat/program/recorded_sampler.hpp>

namespace stoat {

template <class T>
template <class State>
std::vector<T> Sampler<Var<T>>::values_of(State& state) {
  std::vector<T> values;
  detail::each_variable(state, [&](const auto& x) {
    if constexpr (DenseLike<decltype(x)>) {
      const auto dense = x.eigen();
      for (Eigen::Index j = 0; j < dense.cols(); ++j)
        for (Eigen::Index i = 0; i < dense.rows(); ++i) values.push_back(dense(i, j));
    } else {
      values.push_back(x.value());
    }
  });
  return values;
}

template <class T>
template <class State>
void Sampler<Var<T>>::open(LoopRun<State>& loop, State& state) {
  make_nodes();
  loop.before = here();
  loop.place = this->place();
  loop.blocks = blocks_;
  loop.bytes = recorded_bytes() + std::max(most_bytes_, kept_bytes_);
  loop.limited = !again_;
  if (!again_ || next_ == segmented_.size() || segmented_[next_].number != this->loop()) return;
  const Segmented& known = segmented_[next_];
  if (known.before.tape.next != loop.before.tape.next || known.before.tape.arguments != loop.before.tape.arguments ||
      known.before.log != loop.before.log || known.place.site != site_ || known.starts.back().step != loop.steps)
    another_path();
  loop.known = true;
  gaps_.push_back({site_, site_});
  if (next_ != target_) return finish(loop, state);
  loop.state = state;
  loop.cost = cost_;
  // One of the segments is recorded twice: a sum that the body keeps for itself would come out right if all ran once.
  loop.trial = true;
  start(loop, state, this->plan().key.run % known.starts.size());
}

template <class T>
void Sampler<Var<T>>::another_path() const {
  throw Error("draw.iterate: run " + std::to_string(this->plan().key.run) + ", recorded again, came to loop " +
              std::to_string(this->loop()) + " on another path; the program depends on more than theta and its draws " +
              this->where());
}

template <class T>
template <class State>
bool Sampler<Var<T>>::next(LoopRun<State>& loop, State& state) {
  if (again_) return back(loop, state);
  if (loop.end == loop.steps && !loop.known) return false;  // it fitted
  keep(loop, state);
  loop.first = loop.end;
  loop.end = loop.steps;
  if (loop.first == loop.end) {
    finish(loop, state);
    return false;
  }
  resume(segmented_.back(), segmented_.back().starts.size() - 1, state);
  loop.bytes = recorded_bytes() + std::max(most_bytes_, kept_bytes_);
  return true;
}

template <class T>
template <class State>
void Sampler<Var<T>>::keep(LoopRun<State>& loop, State& state) {
  if (seen_) {
    look();
    moving_.clear();
    const auto take = [this](Index index) {
      auto& lanes = moving_.emplace_back();
      std::copy_n(tape_->tangents()[index], lanes.size(), lanes.begin());
    };
    const auto tangents = [&](const auto& x) {
      if (!x.active()) return;
      if constexpr (DenseLike<decltype(x)>) {
        for (Eigen::Index j = 0; j < x.cols(); ++j)
          for (Eigen::Index i = 0; i < x.rows(); ++i) take(x(i, j).index());
      } else {
        take(x.index());
      }
    };
    detail::each_variable(state, tangents);
    tangents(cost_);
  }
  if (!loop.known) {
    loop.known = true;
    Segmented fresh;
    fresh.number = this->loop();
    fresh.before = loop.before;
    fresh.place = loop.place;
    fresh.blocks = loop.blocks;
    fresh.states = std::make_unique<detail::StatesOf<State>>();
    segmented_.push_back(std::move(fresh));
    gaps_.push_back({loop.place.site, site_});
  }
  Segmented& segmented = segmented_.back();
  Start start{loop.end, this->place(), blocks_, cost_, values_of(state)};
  detail::each_variable(state, [&](const auto& x) {
    if (x.active()) {
      if constexpr (DenseLike<decltype(x)>) start.active += static_cast<std::size_t>(x.size());
      else start.active += 1;
    }
  });
  start.active += cost_.active();
  static_cast<detail::StatesOf<State>&>(*segmented.states).keep(state);
  kept_bytes_ += sizeof(Start) + start.values.size() * sizeof(T) + detail::bytes_of(state);
  segmented.starts.push_back(std::move(start));
  segmented.longest = std::max<std::size_t>(segmented.longest, tape_->size() - loop.before.tape.next);
  for (const Site& s : std::span(log_).subspan(loop.before.log)) forgotten_.note(s);
}

template <class T>
template <class State>
void Sampler<Var<T>>::resume(const Segmented& segmented, std::size_t k, State& state, std::size_t empty) {
  rewind(segmented.before);
  if (empty > 0) tape_->inputs(empty);
  const Start& start = segmented.starts[k];
  this->go_to(start.place);
  blocks_ = start.blocks;
  state = static_cast<const detail::StatesOf<State>&>(*segmented.states)[k];
  cost_ = start.cost;
  active_ = start.active;
  first_ = active_ > 0 ? tape_->inputs(active_) : 0;
  looked_ = segmented.before.tape;
  Index index = first_;
  const T* value = start.values.data();
  const auto renew = [&](auto& x) {
    using X = std::remove_cvref_t<decltype(x)>;
    if constexpr (DenseLike<X>) {
      const auto n = static_cast<std::size_t>(x.size());
      T* const values = tape_->arena().template allocate<T>(n);
      std::copy_n(value, n, values);
      const bool active = x.active();
      x = X::on_tape(values, active ? index : 0, x.rows(), x.cols());
      value += n;
      if (active) index += static_cast<Index>(n);
    } else {
      if (x.active()) x = X(x.value(), index++, tape_->tag());
      ++value;
    }
  };
  detail::each_variable(state, renew);
  renew(cost_);
  gaps_.back() = {segmented.place.site, site_};
  mind_gaps();
}

template <class T>
template <class State>
void Sampler<Var<T>>::finish(LoopRun<State>& loop, State& state) {
  Segmented& segmented = segmented_[next_++];
  resume(segmented, segmented.starts.size() - 1, state, segmented.longest);
  segmented.end = first_;
  segmented.end_mark = tape_->mark();
  loop.first = loop.end = loop.steps;
}

template <class T>
template <class State>
void Sampler<Var<T>>::start(LoopRun<State>& loop, State& state, std::size_t segment) {
  const Segmented& segmented = segmented_[next_];
  loop.segment = segment;
  if (segment > 0) {
    resume(segmented, segment - 1, state);
  } else {
    rewind(segmented.before);
    this->go_to(segmented.place);
    blocks_ = segmented.blocks;
    state = *loop.state;
    cost_ = loop.cost;
    active_ = 0;
    gaps_.back() = {site_, site_};
    mind_gaps();
  }
  loop.place.site = site_;
  loop.first = segment > 0 ? segmented.starts[segment - 1].step : 0;
  loop.end = segmented.starts[segment].step;
}

template <class T>
template <class State>
bool Sampler<Var<T>>::back(LoopRun<State>& loop, State& state) {
  if (loop.first == loop.end) return false;  // the loop was passed over
  const Segmented& segmented = segmented_[next_];
  const Start& end = segmented.starts[loop.segment];
  const std::vector<T> values = values_of(state);
  if (site_ != end.place.site || cost_.value() != end.cost.value() || values.size() != end.values.size() ||
      (!values.empty() && std::memcmp(values.data(), end.values.data(), values.size() * sizeof(T)) != 0))
    throw Error("draw.iterate: in run " + std::to_string(this->plan().key.run) + " the iterations " + std::to_string(loop.first) +
                " to " + std::to_string(loop.end - 1) + " of loop " + std::to_string(this->loop()) +
                ", recorded again, did not end in the same state; the body of this loop changes something besides its state, or "
                "the program depends on more than theta and its draws");
  if (std::exchange(loop.trial, false)) {
    start(loop, state, segmented.starts.size() - 1);
    return true;
  }
  tape_->clear_adjoints(segmented.before.tape);
  const T* adjoint = adjoint_.data();
  const auto seed = [&](const auto& x) {
    if (!x.active()) return;
    if constexpr (DenseLike<decltype(x)>) {
      for (Eigen::Index j = 0; j < x.cols(); ++j)
        for (Eigen::Index i = 0; i < x.rows(); ++i) tape_->adjoints()[x(i, j).index()] += *adjoint++;
    } else {
      tape_->adjoints()[x.index()] += *adjoint++;
    }
  };
  detail::each_variable(state, seed);
  seed(cost_);
  in_segment_ = true;
  rule_(loop.place.site, site_);
  in_segment_ = false;
  tape_->adjoints()[0] = 0;
  tape_->reverse(segmented.before.tape);
  adjoint_.assign(tape_->adjoints() + first_, tape_->adjoints() + first_ + active_);
  if (loop.segment == 0) {
    gaps_.back() = {segmented.place.site, segmented.place.site};
    finish(loop, state);
    return false;
  }
  start(loop, state, loop.segment - 1);
  return true;
}

}  // namespace stoat
