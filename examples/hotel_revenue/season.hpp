// examples/hotel_revenue/season.hpp: what a hotel sells.
#pragma once

#include <vector>

namespace hotel_revenue {

/// Nights first, ..., last - 1 at one of the rates, for a price; `requests` is the mean number of requests on each day before.
struct Product {
  int first, last;
  double price;
  std::vector<double> requests;
};

/// A week: 28 stays at two rates. Guests who pay the lower rate ask early, those who pay the higher one late; most come for
/// the end of the week.
inline std::vector<Product> week(int days = 14) {
  std::vector<Product> products;
  for (int first = 0; first < 7; ++first)
    for (int last = first + 1; last <= 7; ++last) {
      const double nights = last - first, busy = last >= 6 ? 2 : 1;
      for (const bool early : {true, false}) {
        Product product{first, last, nights * (early ? 70.0 : 140.0), {}};
        for (int day = 0; day < days; ++day) {
          const double when = (day + 0.5) / days, share = early ? 1 - when : when;
          product.requests.push_back((early ? 2.0 : 1.2) * busy * share / (nights * days) * 4);
        }
        products.push_back(product);
      }
    }
  return products;
}

}  // namespace hotel_revenue
