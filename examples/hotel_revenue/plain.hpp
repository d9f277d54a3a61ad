// examples/hotel_revenue/plain.hpp: the same hotel without stoat.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/poisson_distribution.hpp>

#include "season.hpp"

namespace hotel_revenue {

struct PlainHotel {
  std::vector<Product> products;
  std::int64_t rooms = 25;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    std::vector<std::int64_t> limit, free(7, rooms);
    for (const double most : theta) {
      const double whole = std::floor(most);
      limit.push_back(std::int64_t(whole) + boost::random::bernoulli_distribution<>(most - whole)(generator));
    }
    double revenue = 0;
    for (std::size_t day = 0; day < products[0].requests.size(); ++day)
      for (std::size_t k = 0; k < products.size(); ++k) {
        const Product& p = products[k];
        const auto first = free.begin() + p.first, last = free.begin() + p.last;
        const std::int64_t asked = boost::random::poisson_distribution<std::int64_t>(p.requests[day])(generator);
        const std::int64_t sold = std::max<std::int64_t>(0, std::min({asked, limit[k], *std::min_element(first, last)}));
        std::for_each(first, last, [&](std::int64_t& r) { r -= sold; });
        limit[k] -= sold;
        revenue += p.price * double(sold);
      }
    return -revenue / 1000;
  }
};

}  // namespace hotel_revenue
