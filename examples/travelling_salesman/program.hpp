// examples/travelling_salesman/program.hpp: a tour that is drawn city by city.
#pragma once

#include <vector>

#include <stoat/stoat.hpp>

namespace travelling_salesman {

using namespace stoat;

/// theta = logits of the next city, one column for each city. The tour starts in city 0, goes to cities that it has not seen, and
/// comes home. The outcome: its length.
struct Tour {
  Eigen::MatrixXd distance;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Eigen::Index cities = distance.rows();
    const Matrix<S> preference = theta.matrix(0, cities, cities);
    std::vector<Eigen::Index> left;
    for (Eigen::Index c = 1; c < cities; ++c) left.push_back(c);
    Eigen::Index here = 0;
    double length = 0;
    while (!left.empty()) {
      const auto logit = [&](Eigen::Index k) { return preference(left[std::size_t(k)], here); };
      const auto logits = Vector<S>::generate(Eigen::Index(left.size()), logit);
      const auto next = left.begin() + draw(CategoricalLogit(logits)).value();
      length += distance(*next, here);
      here = *next;
      left.erase(next);
    }
    return length + distance(0, here);
  }
};

}  // namespace travelling_salesman
