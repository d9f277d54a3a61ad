// A small hotel against the probabilities of all its bookings.
#include <doctest/doctest.h>

#include <map>
#include <vector>

#include <common/showcase.hpp>
#include <hotel_revenue/plain.hpp>
#include <hotel_revenue/program.hpp>

#include "agreement.hpp"

using namespace hotel_revenue;

namespace {

/// The expected cost for limits that are integers, from the probabilities of numbers sold.
double expected_at(const Hotel& hotel, const std::vector<int>& limits) {
  std::map<std::vector<int>, double> sold{{std::vector<int>(limits.size()), 1.0}};
  for (std::size_t day = 0; day < hotel.products[0].requests.size(); ++day)
    for (std::size_t k = 0; k < limits.size(); ++k) {
      std::map<std::vector<int>, double> next;
      for (const auto& entry : sold) {
        int most = limits[k] - entry.first[k];
        for (int night = hotel.products[k].first; night < hotel.products[k].last; ++night) {
          int used = 0;
          for (std::size_t j = 0; j < limits.size(); ++j)
            if (hotel.products[j].first <= night && night < hotel.products[j].last) used += entry.first[j];
          most = std::min(most, static_cast<int>(hotel.rooms) - used);
        }
        double left = 1, chance = std::exp(-hotel.products[k].requests[day]);
        std::vector<int> now = entry.first;
        for (int n = 0; n < most; ++n, ++now[k]) {
          next[now] += entry.second * chance;
          left -= chance;
          chance *= hotel.products[k].requests[day] / (n + 1);
        }
        next[now] += entry.second * left;
      }
      sold = next;
    }
  double cost = 0;
  for (const auto& entry : sold)
    for (std::size_t k = 0; k < limits.size(); ++k) cost -= entry.second * entry.first[k] * hotel.products[k].price / 1000;
  return cost;
}

/// Between integers: linear in each limit.
double expected(const Hotel& hotel, const Eigen::VectorXd& theta, std::vector<int> limits = {}) {
  const auto k = static_cast<Eigen::Index>(limits.size());
  if (k == theta.size()) return expected_at(hotel, limits);
  const double whole = std::floor(theta[k]), part = theta[k] - whole;
  limits.push_back(static_cast<int>(whole));
  const double low = expected(hotel, theta, limits);
  ++limits.back();
  return (1 - part) * low + part * expected(hotel, theta, limits);
}

void check(const Hotel& hotel, const Eigen::VectorXd& theta) {
  const stoat::Exact truth =
      showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(hotel, t); }, theta, "all bookings");
  agreement::check_estimates(hotel, theta, truth, 20'000);
  agreement::check_plain(PlainHotel{hotel.products, hotel.rooms}, theta, truth.value, 100'000);
}

}  // namespace

TEST_CASE("two nights in three stays, estimated, and of the plain twin") {
  const Hotel hotel{.products = {{0, 1, 70, {1, 0.5}}, {1, 2, 100, {0.5, 1.5}}, {0, 2, 150, {1, 1}}}, .rooms = 3};
  check(hotel, Eigen::Vector3d(1.4, 2.2, 1.7));
}

TEST_CASE("the best limit of the lower of two rates is Littlewood's") {
  // Accept the lower rate as long as its price is more than the higher one's times the chance that all other rooms are asked for:
  // with Poisson(4) requests at 2 : 1 and 10 rooms, keep 4, as P(D >= 4) = 0.567 > 1/2 > P(D >= 5) = 0.371.
  const Hotel hotel{.products = {{0, 1, 50, {20.0, 0.0}}, {0, 1, 100, {0.0, 4.0}}}, .rooms = 10};
  const auto cost = [&](double limit) { return expected(hotel, Eigen::Vector2d(limit, 10.5)); };
  CHECK(cost(6) < cost(5));
  CHECK(cost(6) < cost(7));
  for (const double limit : {5.5, 6.5}) {
    const stoat::Estimate e =
        stoat::estimate(hotel, Eigen::Vector2d(limit, 10.5), stoat::StochasticDerivative{2}, {.samples = 20'000, .seed = 2024});
    CHECK(std::abs(e.gradient[0] - (cost(limit + 0.5) - cost(limit - 0.5))) < agreement::bound * e.gradient_error[0]);
    CHECK(std::abs(e.gradient[0]) > agreement::bound * e.gradient_error[0]);
    CHECK((e.gradient[0] < 0) == (limit < 6));
  }
}

TEST_CASE("a week has 28 stays at two rates") {
  const std::vector<Product> products = week();
  CHECK(products.size() == 56);
  for (std::size_t k = 0; k < products.size(); ++k) {
    CHECK(products[k].first < products[k].last);
    CHECK(products[k].last <= 7);
    CHECK(products[k].requests.size() == 14);
  }
}
