#include <stoat/snn/randman.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include <stoat/error.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/tape/vector_math.hpp>

namespace stoat::snn {
namespace {

void check(const Randman& o) {
  const auto positive = [](const char* name, double value) {
    if (!(value > 0 && std::isfinite(value))) throw InvalidArgument("Randman: " + outside(name, value, "(0, infinity)"));
  };
  positive("units", o.units);
  positive("classes", o.classes);
  positive("samples_per_class", o.samples_per_class);
  positive("dimension", o.dimension);
  positive("alpha", o.alpha);
  if (o.steps < 2) throw InvalidArgument("Randman: " + outside("steps", o.steps, "[2, infinity)"));
  if (!(o.active > 0 && o.active * o.steps <= o.steps - 1))
    throw InvalidArgument("Randman: " + outside("active", o.active, "(0, 1 - 1 / steps]"));
}

/// A field of uniform numbers of its own for every class and use.
Eigen::ArrayXXd uniform(const RunKey& key, std::uint64_t use, Eigen::Index rows, Eigen::Index cols) {
  Generator draw(key, use);
  return Eigen::ArrayXXd::NullaryExpr(rows, cols, [&](Eigen::Index, Eigen::Index) { return draw.uniform(); });
}
enum Use : std::uint64_t { order = 1, points = 2, manifold = 3 };  // manifold: one site a unit from here on

/// y_e at the points (samples x dimension).
Eigen::ArrayXd coordinate(const Eigen::ArrayXXd& x, double alpha, const RunKey& key, Eigen::Index unit) {
  const auto terms = static_cast<Eigen::Index>(std::min(std::ceil(std::pow(0.001, -1 / alpha)), 1000.0));
  const Eigen::Index dimension = x.cols();
  Eigen::ArrayXXd theta = uniform(key, Use::manifold + static_cast<std::uint64_t>(unit), terms, 3 * dimension);
  const Eigen::ArrayXd i = Eigen::ArrayXd::LinSpaced(terms, 0, static_cast<double>(terms - 1));
  const Eigen::ArrayXd spectrum = 1 / ((i + 1).pow(alpha) + 1);
  Eigen::ArrayXd y = Eigen::ArrayXd::Ones(x.rows()), sine(terms);
  for (Eigen::Index d = 0; d < dimension; ++d) {
    theta(0, 3 * d) = 0;
    const Eigen::ArrayXd amplitude = theta.col(3 * d) * spectrum, frequency = i * theta.col(3 * d + 1);
    for (Eigen::Index sample = 0; sample < x.rows(); ++sample) {
      sine = 2 * std::numbers::pi * (frequency * x(sample, d) + theta.col(3 * d + 2));
      vector_math::sin(sine.data(), sine.data(), static_cast<std::size_t>(terms));
      y[sample] *= (amplitude * sine).sum();
    }
  }
  return y;
}

}  // namespace

Dataset randman(const Randman& o, std::uint64_t seed) {
  check(o);
  using Steps = Eigen::ArrayXX<int>;
  const auto active_steps = static_cast<float>(o.steps * o.active);
  std::vector<Steps> classes;  // of each class: the steps, units x samples
  for (int c = 0; c < o.classes; ++c) {
    const RunKey key{seed, static_cast<std::uint64_t>(c), Purpose::data};
    const Eigen::ArrayXXd x = uniform(key, Use::points, o.samples_per_class, o.dimension);
    Steps steps(o.units, o.samples_per_class);
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
    for (int unit = 0; unit < o.units; ++unit) {
      const Eigen::ArrayXf y = coordinate(x, o.alpha, key, unit).cast<float>();
      const float least = y.minCoeff(), extent = y.maxCoeff() - least + 1e-7f;
      steps.row(unit) = (active_steps * ((y - least) / extent)).cast<int>().transpose();
    }
    classes.push_back(std::move(steps));
  }

  std::vector<std::size_t> deal(static_cast<std::size_t>(o.classes) * static_cast<std::size_t>(o.samples_per_class));
  std::iota(deal.begin(), deal.end(), std::size_t{0});
  Generator draw({seed, 0, Purpose::data}, Use::order);
  for (std::size_t i = deal.size() - 1; i > 0; --i)  // Fisher and Yates
    std::swap(deal[i], deal[static_cast<std::size_t>(draw.uniform() * static_cast<double>(i + 1))]);

  Dataset data{SpikeEvents(o.steps, o.units), {}, o.classes, {}};
  data.labels.reserve(deal.size());
  std::vector<Spike> spikes(static_cast<std::size_t>(o.units));
  for (const std::size_t which : deal) {
    const std::size_t label = which / static_cast<std::size_t>(o.samples_per_class);
    const auto sample = static_cast<Eigen::Index>(which % static_cast<std::size_t>(o.samples_per_class));
    for (int unit = 0; unit < o.units; ++unit) spikes[static_cast<std::size_t>(unit)] = {classes[label](unit, sample), unit};
    data.inputs.add(spikes);
    data.labels.push_back(static_cast<int>(label));
  }
  return data;
}

std::vector<Dataset> split(const Dataset& data, const std::vector<double>& fractions) {
  data.check();
  std::vector<Dataset> parts;
  double sum = 0;
  std::size_t begin = 0;
  for (std::size_t k = 0; k < fractions.size(); ++k) {
    const auto fail = [&](const std::string& what) { throw InvalidArgument("split: part " + std::to_string(k) + ": " + what); };
    if (!(fractions[k] > 0)) fail(outside("fraction", fractions[k], "(0, 1]"));
    sum += fractions[k];
    if (sum > 1 + 1e-9) fail(outside("the sum of the fractions so far", sum, "(0, 1]"));
    const auto end = std::min(data.size(), static_cast<std::size_t>(std::llround(sum * static_cast<double>(data.size()))));
    if (end == begin) fail("none of the " + std::to_string(data.size()) + " samples falls into it");
    std::vector<std::size_t> samples(end - begin);
    std::iota(samples.begin(), samples.end(), begin);
    parts.push_back(data.subset(samples));
    begin = end;
  }
  return parts;
}

}  // namespace stoat::snn
