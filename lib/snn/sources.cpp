#include "sources.hpp"

#include <algorithm>

namespace stoat::snn {

template <class T>
void CoinRow::fill(const Lif& lif, const T* distance, int units, bool slopes) {
  const auto n = static_cast<std::size_t>(units);
  coins.resize(n), outcomes.resize(n), z.resize(n), f.resize(n), slope.resize(n), surrogate.resize(n);
  for (std::size_t i = 0; i < n; ++i) z[i] = static_cast<double>(distance[i]);
  lif.escape.values(z.data(), f.data(), units);
  if (slopes) {
    lif.escape.derivatives(z.data(), slope.data(), units);
    if (lif.surrogate) lif.surrogate->derivatives(z.data(), surrogate.data(), units);
    else surrogate = slope;
  }
  for (std::size_t i = 0; i < n; ++i)
    coins[i] = {f[i], f[i] < 0.5 ? 1 - f[i] : lif.escape.complement(z[i]), slope[i], surrogate[i]};
}
void CoinRow::bits(std::uint64_t* out) const {
  for (std::size_t begin = 0; begin < outcomes.size(); begin += 64) {
    const std::size_t count = std::min<std::size_t>(64, outcomes.size() - begin);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; ++i) word |= static_cast<std::uint64_t>(outcomes[begin + i]) << i;
    *out++ = word;
  }
}
template void CoinRow::fill(const Lif&, const float*, int, bool);
template void CoinRow::fill(const Lif&, const double*, int, bool);

}  // namespace stoat::snn
