#include <stoat/program/loops.hpp>

#include <algorithm>

#include <stoat/program/segments.hpp>

namespace stoat {

bool LoopOptions::by_default() {
#ifdef NDEBUG
  return false;
#else
  return true;
#endif
}

namespace detail {

void hidden_variables() {
  throw Refusal(
      "draw.iterate: to record this loop in segments, the variables of its state must be visible: scalars, vectors, containers, "
      "structs of up to 11 of them without constructors, or what a member variables(f) calls f with; else set "
      "LoopOptions::recording = 0");
}

void Checkpoints::begin(std::size_t memory) {
  memory_ = memory;
  bytes_ = 0;
  loops_ = 0;
  level_ = 0;
  full_ = false;
  complete = false;
  costs.clear();
  chances.clear();
  labels_.clear();
}

void Checkpoints::finish() {
  where_.clear();
  for (std::size_t i = 0; i < labels_.size(); ++i) where_[labels_[i]].push_back(i);
  complete = !full_;
}

std::uint32_t Checkpoints::uses(std::uint64_t label, std::size_t n) const {
  const auto found = where_.find(label);
  if (found == where_.end()) return 0;
  return static_cast<std::uint32_t>(std::lower_bound(found->second.begin(), found->second.end(), n) - found->second.begin());
}

void Checkpoints::make_room() {
  while (bytes_ > memory_ && level_ < 31) {  // no loop has more iterations
    ++level_;
    bytes_ = 0;
    for (std::size_t l = 0; l < loops_; ++l) states_[l]->thin(), bytes_ += states_[l]->bytes();
  }
  full_ = bytes_ > memory_;
}

}  // namespace detail

}  // namespace stoat
