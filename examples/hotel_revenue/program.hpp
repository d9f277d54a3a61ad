// examples/hotel_revenue/program.hpp: a hotel that keeps rooms for those who pay more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <stoat/stoat.hpp>

#include "season.hpp"

namespace hotel_revenue {

using namespace stoat;

/// theta[k] = most bookings of product k that are accepted; between two integers it is one of them at random. Requests are
/// Poisson, day by day; a booking needs a room on every night of the stay. The outcome: minus the revenue, in thousands.
struct Hotel {
  std::vector<Product> products;
  std::int64_t rooms = 25;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    std::vector<std::int64_t> limit, free(7, rooms);
    for (std::size_t k = 0; k < products.size(); ++k) {
      const S most = theta[Eigen::Index(k)];
      const double whole = std::floor(value(most));
      limit.push_back(std::int64_t(whole) + draw(Bernoulli(most - whole)).value());
    }
    double revenue = 0;
    for (std::size_t day = 0; day < products[0].requests.size(); ++day)
      for (std::size_t k = 0; k < products.size(); ++k) {
        const Product& p = products[k];
        const auto first = free.begin() + p.first, last = free.begin() + p.last;
        const std::int64_t asked = draw(Poisson(p.requests[day])).value();
        const std::int64_t sold = std::max<std::int64_t>(0, std::min({asked, limit[k], *std::min_element(first, last)}));
        std::for_each(first, last, [&](std::int64_t& r) { r -= sold; });
        limit[k] -= sold;
        revenue += p.price * double(sold);
      }
    return -revenue / 1000;
  }
};

}  // namespace hotel_revenue
