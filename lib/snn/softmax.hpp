// The softmax of a few numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace stoat::snn {

/// log sum of e^x, and the softmax.
template <class T>
T log_sum_exp(const std::vector<T>& x, std::vector<T>& softmax) {
  const T top = *std::max_element(x.begin(), x.end());
  T sum = 0;
  softmax.resize(x.size());
  for (std::size_t c = 0; c < x.size(); ++c) sum += softmax[c] = std::exp(x[c] - top);
  for (T& s : softmax) s /= sum;
  return top + std::log(sum);
}

}  // namespace stoat::snn
