// stoat/snn/randman.hpp: a synthetic classification problem: spike times on smooth random manifolds.
//
// Every class is a random curve (or surface) in the space of the units' spike times; a sample is a random point of it. One
// spike a unit and sample, so rates say nothing about the class, only times do (Zenke and Vogels 2021).
#pragma once

#include <cstdint>
#include <vector>

#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// The data that randman() makes.
struct Randman {
  int units = 20;                ///< that spike
  int classes = 10;              ///< a manifold each
  int samples_per_class = 1000;  ///< points of a manifold
  int steps = 100;               ///< of a sample
  double active = 0.5;           ///< fraction of the steps in which spikes may fall
  int dimension = 1;             ///< of the manifolds
  double alpha = 1;              ///< smoothness of the manifolds: the larger, the smoother
};

/// classes x samples_per_class samples, shuffled. For sample point x, uniform in [0, 1)^dimension, unit e spikes in step
///
///   int(active steps (y_e - min y_e) / (max y_e - min y_e + 1e-7)),   extremes over the samples of the class,
///   y_e(x) = prod_d sum_{i < F} a_edi / ((i + 1)^alpha + 1) sin(2 pi (i x_d b_edi + c_edi)),
///   F = min(ceil(1000^(1 / alpha)), 1000),
///
/// with a, b, c uniform in [0, 1) for each class, and a_ed0 = 0. The second line is in double, the first in single precision,
/// where 1e-7 vanishes next to an extent of 2 or more: step int(active steps) is reached. Everything depends on the seed and
/// the options alone. Throws InvalidArgument unless units, classes, samples_per_class, dimension and alpha are positive, steps
/// >= 2 and 0 < active <= 1 - 1 / steps.
Dataset randman(const Randman& options, std::uint64_t seed);

/// Parts of a data set in its order, e.g. {0.8, 0.1, 0.1} for training, validation and test: part k ends at sample
/// round(size (fractions[0] + ... + fractions[k])). Throws InvalidArgument if a fraction is not positive, if they add up to more
/// than 1, or if a part would have no sample.
std::vector<Dataset> split(const Dataset& data, const std::vector<double>& fractions);

}  // namespace stoat::snn
