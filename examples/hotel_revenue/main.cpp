// examples/hotel_revenue/main.cpp: how many bookings of each kind a hotel should accept.
#include <common/showcase.hpp>

#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace hotel_revenue;

namespace {

std::string name(const Product& p, bool early) {
  static const char* const nights[] = {"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "Mo"};
  return std::string(nights[p.first]) + "-" + nights[p.last] + (early ? " low" : " high");
}

/// Mean cost if every request is accepted for which there is a room.
double first_come(const PlainHotel& hotel, const Eigen::VectorXd& limits) {
  boost::random::mt19937 generator(3);
  double mean = 0;
  constexpr int runs = 10'000;
  for (int r = 0; r < runs; ++r) mean += hotel(generator, limits) / runs;
  return mean;
}

}  // namespace

int main(int argc, char** argv) {
  const Hotel hotel{week()};
  const PlainHotel plain{hotel.products, hotel.rooms};
  const auto products = static_cast<Eigen::Index>(hotel.products.size());
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(products, 1.5), start = Eigen::VectorXd::Constant(products, 0.5),
                        rooms = Eigen::VectorXd::Constant(products, static_cast<double>(hotel.rooms));
  std::vector<std::string> names;
  for (std::size_t k = 0; k < hotel.products.size(); ++k) names.push_back(name(hotel.products[k], k % 2 == 0));
  return showcase::run(
      {.name = "hotel_revenue",
       .title = "How many bookings of each kind a hotel should accept",
       .text =
           "<p>A hotel sells the nights of a week in 28 stays at two rates. Who pays less asks early. How does the revenue depend "
           "on the most bookings that are accepted of each of the 56 products?</p>",
       .program = hotel,
       .theta = theta,
       .parameters = names,
       .plain = [plain](const Eigen::VectorXd& t, auto& generator) { return plain(generator, t); },
       .difference_step = 0.5,
       .estimator = StochasticDerivative{16},
       .samples = 10'000,
       .descent = {.program = hotel,
                   .start = start,
                   .estimator = StochasticDerivative{16},
                   .optimizer = Adam{0.1},
                   .iterations = 200,
                   .samples = 16,
                   .cost = "minus revenue, thousands",
                   .parameters = names,
                   .known = [&] { return first_come(plain, rooms); },
                   .known_source = "first come, first served"},
       .figures = [names](const showcase::Findings& found) -> std::vector<showcase::Figure> {
         namespace colour = showcase::colour;
         showcase::Curve low{"low rate", std::string("with points pt 7 lc rgb '") + colour::orange + "'", {}},
             high{"high rate", std::string("with points pt 7 lc rgb '") + colour::blue + "'", {}};
         for (Eigen::Index k = 0; k < found.minimum.theta.size(); ++k)
           (k % 2 == 0 ? low : high).points.push_back({static_cast<double>(k / 2), found.minimum.theta[k]});
         const showcase::Panel panel{"", "stay", "most bookings", "set xrange [-1:28]", {low, high}};
         return {{"limits", "The limits at the end, one stay after the other.", 760, 340, 1, {panel}}};
       }},
      argc, argv);
}
