// stoat/program/members.hpp: the members of plain structs, such as the states of loops.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace stoat::detail {

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

/// Calls f(members...) of such a struct. False of anything else.
template <class X, class F>
bool for_members(X& x, const F& f) {
  constexpr int n = members_of<std::remove_const_t<X>>();
  if constexpr (n == 1) {
    auto& [a] = x;
    f(a);
  } else if constexpr (n == 2) {
    auto& [a, b] = x;
    f(a, b);
  } else if constexpr (n == 3) {
    auto& [a, b, c] = x;
    f(a, b, c);
  } else if constexpr (n == 4) {
    auto& [a, b, c, d] = x;
    f(a, b, c, d);
  } else if constexpr (n == 5) {
    auto& [a, b, c, d, e] = x;
    f(a, b, c, d, e);
  } else if constexpr (n == 6) {
    auto& [a, b, c, d, e, g] = x;
    f(a, b, c, d, e, g);
  } else if constexpr (n == 7) {
    auto& [a, b, c, d, e, g, h] = x;
    f(a, b, c, d, e, g, h);
  } else if constexpr (n == 8) {
    auto& [a, b, c, d, e, g, h, i] = x;
    f(a, b, c, d, e, g, h, i);
  } else if constexpr (n == 9) {
    auto& [a, b, c, d, e, g, h, i, j] = x;
    f(a, b, c, d, e, g, h, i, j);
  } else if constexpr (n == 10) {
    auto& [a, b, c, d, e, g, h, i, j, k] = x;
    f(a, b, c, d, e, g, h, i, j, k);
  } else if constexpr (n == 11) {
    auto& [a, b, c, d, e, g, h, i, j, k, l] = x;
    f(a, b, c, d, e, g, h, i, j, k, l);
  }
  return n >= 0;
}

}  // namespace stoat::detail
