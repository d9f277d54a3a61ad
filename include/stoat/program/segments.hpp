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
#include <cstdlib>
#include <functional>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/program/loops.hpp>
#include <stoat/program/sampler_base.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat::detail {

// ---- the variables of a state -------------------------------------------------------------------------------------------

/// Initialises a member of A of any class, but A itself and its bases.
template <class A>
struct AnyMember {
  template <class B>
    requires(!std::is_base_of_v<B, A>)
  operator B() const {
    std::abort();  // nobody calls it
  }
};
template <class A, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { A{(static_cast<void>(I), AnyMember<A>{})...}; };
}
template <class A, int N = 12>
constexpr int most_taken() {
  if constexpr (takes<A>(std::make_index_sequence<N>{})) return N;
  else if constexpr (N > 0) return most_taken<A, N - 1>();
  else return -1;
}
/// The number of members of an aggregate without bases, arrays and members that need an initialiser; -1 of anything else, and of
/// one with more than 11.
template <class A>
constexpr int members_of() {
  if constexpr (!std::is_aggregate_v<A>) {
    return -1;
  } else {
    constexpr int n = most_taken<A>();
    // An array takes several initialisers, and one pair of braces.
    constexpr int braces = requires { A{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; }
    ? -1 : requires { A{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; }
    ? 11 : requires { A{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; }
    ? 10 : requires { A{{}, {}, {}, {}, {}, {}, {}, {}, {}}; }
    ? 9 : requires { A{{}, {}, {}, {}, {}, {}, {}, {}}; }
    ? 8 : requires { A{{}, {}, {}, {}, {}, {}, {}}; }
    ? 7 : requires { A{{}, {}, {}, {}, {}, {}}; }
    ? 6 : requires { A{{}, {}, {}, {}, {}}; }
    ? 5 : requires { A{{}, {}, {}, {}}; }
    ? 4 : requires { A{{}, {}, {}}; }
    ? 3 : requires { A{{}, {}}; }
    ? 2 : requires { A{{}}; }
    ? 1 : 0;
    return n == braces ? n : -1;
  }
}

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
    constexpr int members = members_of<X>();
    const auto all = [&](auto&... e) { (each_variable(e, f), ...); };
    if constexpr (members < 0) {
      hidden_variables();
    } else if constexpr (members == 0) {
    } else if constexpr (members == 1) {
      auto& [a] = x;
      all(a);
    } else if constexpr (members == 2) {
      auto& [a, b] = x;
      all(a, b);
    } else if constexpr (members == 3) {
      auto& [a, b, c] = x;
      all(a, b, c);
    } else if constexpr (members == 4) {
      auto& [a, b, c, d] = x;
      all(a, b, c, d);
    } else if constexpr (members == 5) {
      auto& [a, b, c, d, e] = x;
      all(a, b, c, d, e);
    } else if constexpr (members == 6) {
      auto& [a, b, c, d, e, g] = x;
      all(a, b, c, d, e, g);
    } else if constexpr (members == 7) {
      auto& [a, b, c, d, e, g, h] = x;
      all(a, b, c, d, e, g, h);
    } else if constexpr (members == 8) {
      auto& [a, b, c, d, e, g, h, i] = x;
      all(a, b, c, d, e, g, h, i);
    } else if constexpr (members == 9) {
      auto& [a, b, c, d, e, g, h, i, j] = x;
      all(a, b, c, d, e, g, h, i, j);
    } else if constexpr (members == 10) {
      auto& [a, b, c, d, e, g, h, i, j, k] = x;
      all(a, b, c, d, e, g, h, i, j, k);
    } else {
      auto& [a, b, c, d, e, g, h, i, j, k, l] = x;
      all(a, b, c, d, e, g, h, i, j, k, l);
    }
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
  std::size_t longest = 0;         ///< most variables of a segment
  typename Tape<T>::Mark after;    ///< behind the variables of the state after the loop, and ...
  typename Tape<T>::Mark behind;   ///< ... behind as many as a segment had: those of a segment are never those of what follows
  Index end = 0;                   ///< the first variable of the state after the loop
};

}  // namespace stoat::detail
