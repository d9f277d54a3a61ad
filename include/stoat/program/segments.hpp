// stoat/program/segments.hpp: a long loop recorded in segments, so that memory does not grow with what it draws.
//
// A recording runs a loop of draw.iterate, and whenever what it recorded of it takes LoopOptions::recording bytes, it keeps the
// state as a checkpoint, forgets the rest, and goes on with the values of the state as new variables. So it does at the end of the
// loop. What stands on the tape then is what came before the loop, the state after it, and what followed.
//
// A sweep goes back to the state after the loop. Then the program runs again, for the body of the loop lives as long as its run
// alone. What comes before the loop is recorded as it was, in the same places of the tape; the segments of the loop are recorded
// from their checkpoints, the last one first, and swept one at a time down to the beginning of the loop, with what the estimator
// has for their sites. Variables from before the loop get their adjoints in place.
//
// Segments are at least as long as the checkpoints take bytes, so that memory grows with the square root of the draws at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/program/loops.hpp>
#include <stoat/program/members.hpp>
#include <stoat/program/sampler_base.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat::detail {

// ---- the variables of a state -------------------------------------------------------------------------------------------

[[noreturn]] void hidden_variables();

/// Calls f with every variable that a state holds: a Var, or a vector or matrix of them. Throws Refusal if it cannot know.
template <class X, class F>
void each_variable(X& x, const F& f) {
  if constexpr (std::is_arithmetic_v<X> || std::is_enum_v<X>) {
  } else if constexpr (is_var<X>) {
    f(x);
  } else if constexpr (requires { typename X::IsDense; }) {
    if constexpr (is_var<ScalarOf<X>>) f(x);
  } else if constexpr (requires { x.variables(f); }) {
    x.variables(f);
  } else if constexpr (std::is_const_v<X>) {
    hidden_variables();
  } else if constexpr (requires { requires std::is_arithmetic_v<typename X::value_type>; }) {  // of vector<bool>, too
  } else if constexpr (requires { x.data() + x.size(); }) {
    for (auto *e = x.data(), *end = e + x.size(); e != end; ++e) each_variable(*e, f);
  } else if constexpr (std::ranges::range<X>) {
    for (auto&& e : x) each_variable(e, f);
  } else if constexpr (requires { std::tuple_size<X>::value; }) {
    std::apply([&](auto&... e) { (each_variable(e, f), ...); }, x);
  } else if constexpr (requires { x.has_value() ? &*x : nullptr; }) {
    if (x.has_value()) each_variable(*x, f);
  } else {
    const bool known = for_members(x, [&](auto&... members) { (each_variable(members, f), ...); });
    if (!known) hidden_variables();
  }
}

// ---- segments -----------------------------------------------------------------------------------------------------------

/// What is to be done for the sites first, ..., end - 1 that are at hand.
using SiteRule = std::function<void(std::size_t first, std::size_t end)>;

/// Sites that a recording passed and no longer has.
struct SiteGap {
  std::size_t begin, end;
};

/// How much there was of a recording.
template <class T>
struct RecordedPlace {
  typename Tape<T>::Mark tape;
  std::size_t log = 0, parameters = 0;
};

/// A loop that was recorded in segments.
template <class T>
struct SegmentedLoop {
  /// Where a segment starts, or the loop ends.
  struct Start {
    int step = 0;
    Place place;
    std::uint32_t blocks = 0;
    Var<T> cost;             ///< added so far
    std::vector<T> values;   ///< of the variables of the state
    std::size_t active = 0;  ///< how many of these, and of the cost, depend on theta
  };
  std::size_t number = 0;  ///< of the loop in the run
  RecordedPlace<T> before;
  Place place;                     ///< where it begins
  std::uint32_t blocks = 0;        ///< up to there
  std::vector<Start> starts;       ///< of all segments but the first, and the end
  std::unique_ptr<States> states;  ///< at these
  /// Most variables of a segment. As many places of the tape stay empty behind what was there before the loop: a variable of a
  /// segment that the body let escape is then never taken for one of what follows.
  std::size_t longest = 0;
  Index end = 0;                    ///< the first variable of the state after the loop ...
  typename Tape<T>::Mark end_mark;  ///< ... and where the last one is followed by others
};

}  // namespace stoat::detail
