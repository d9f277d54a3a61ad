// examples/epidemic/network.hpp: places and the ways between them.
#pragma once

#include <cstddef>
#include <vector>

#include <boost/random/mersenne_twister.hpp>

namespace epidemic {

/// Where one can go from each place; staying is one of the ways.
using Network = std::vector<std::vector<int>>;

/// A ring on which every place is joined to the three next ones on either side, and some ways across, always the same.
inline Network small_world(int places = 100, int across = 43) {
  Network ways(static_cast<std::size_t>(places));
  const auto join = [&](int a, int b) {
    ways[static_cast<std::size_t>(a)].push_back(b);
    ways[static_cast<std::size_t>(b)].push_back(a);
  };
  for (int v = 0; v < places; ++v) {
    ways[static_cast<std::size_t>(v)].push_back(v);
    for (int next = 1; next <= 3; ++next) join(v, (v + next) % places);
  }
  boost::random::mt19937 generator(1);
  const auto any = [&] { return static_cast<int>(generator() % static_cast<unsigned>(places)); };
  for (int k = 0; k < across; ++k) {
    const int from = any();
    join(from, (from + 4 + any() % (places - 8)) % places);
  }
  return ways;
}

}  // namespace epidemic
