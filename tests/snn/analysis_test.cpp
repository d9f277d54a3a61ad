#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/snn/analysis.hpp>
#include <stoat/snn/encode.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

/// 8 steps, 3 units, 2 samples. Unit 0: 0 2 6 and 1; unit 1: 3 and 3 4; unit 2 is silent.
SpikeEvents two_trials() {
  SpikeEvents events(8, 3);
  events.add(std::vector<Spike>{{0, 0}, {2, 0}, {6, 0}, {3, 1}});
  events.add(std::vector<Spike>{{1, 0}, {3, 1}, {4, 1}});
  return events;
}

SpikeEvents bernoulli_trials(double p, int steps, int units, int trials, std::uint64_t seed) {
  SpikeEvents events(steps, units);
  for (int k = 0; k < trials; ++k)
    events.add(encode::poisson(Eigen::VectorXd::Constant(units, p / 1e-3), 1e-3, steps, seed, static_cast<std::uint64_t>(k)));
  return events;
}

}  // namespace

TEST_CASE("rates of units and of the population, in Hz") {
  const SpikeEvents events = two_trials();
  // 16 steps of 5 ms in all: 80 ms.
  CHECK(firing_rates(events, 5e-3).isApprox(Eigen::Vector3d(4, 3, 0) / 80e-3));
  Eigen::VectorXd spikes(8);
  spikes << 1, 1, 1, 2, 1, 0, 1, 0;
  CHECK(population_rates(events, 5e-3).isApprox(spikes / (2 * 3 * 5e-3)));
}

TEST_CASE("intervals between spikes and their coefficient of variation") {
  const SpikeEvents events = two_trials();
  const std::vector<double> gaps = inter_spike_intervals(events, 0, 0.5);
  CHECK(gaps == std::vector<double>{1, 2});
  CHECK(inter_spike_intervals(events, 1, 0.5) == std::vector<double>{0.5});  // none from one sample to the next
  CHECK(inter_spike_intervals(events, 2, 0.5).empty());
  const Eigen::VectorXd cv = interval_cv(events);
  CHECK(cv[0] == doctest::Approx(1.0 / 3));  // gaps 2 and 4: deviation 1, mean 3
  CHECK(std::isnan(cv[1]));
  CHECK(std::isnan(cv[2]));
  SpikeEvents regular(9, 1);
  regular.add(std::vector<Spike>{{0, 0}, {4, 0}, {8, 0}});
  CHECK(interval_cv(regular)[0] == 0);
}

TEST_CASE("Fano factors of small cases by hand") {
  const SpikeEvents events = two_trials();
  const Eigen::MatrixXd bins = fano_per_bin(events);
  CHECK(bins.rows() == 8);
  CHECK(bins.cols() == 3);
  CHECK(bins(0, 0) == 0.5);  // counts 1, 0: variance 1/4, mean 1/2
  CHECK(bins(3, 1) == 0);    // counts 1, 1
  CHECK(std::isnan(bins(3, 0)));
  CHECK(bins.col(2).array().isNaN().all());
  CHECK(nan_mean(bins) == doctest::Approx(2.5 / 6));

  const Eigen::MatrixXd windows = sliding_fano(events, 3);
  CHECK(windows.rows() == 5);
  CHECK(windows.cols() == 3);
  CHECK(windows(0, 0) == doctest::Approx(0.5 / 1.5));  // counts 2, 1
  CHECK(windows(1, 0) == 0);                           // 1, 1
  CHECK(windows(2, 0) == 1);                           // 1, 0: variance 1/2, mean 1/2
  CHECK(std::isnan(windows(3, 0)));                    // steps 3 to 5: 0, 0
  CHECK(windows(4, 0) == 1);                           // 1, 0
  CHECK(windows(2, 1) == doctest::Approx(0.5 / 1.5));  // 1, 2
  CHECK(windows.col(2).array().isNaN().all());

  // Rates of 4 and 3 spikes in 8 x 3 x 5 ms: mean 3.5, variance 0.5 spikes.
  CHECK(population_fano(events, 5e-3) == doctest::Approx(0.5 / 3.5 / 0.12));
  CHECK(std::isnan(nan_mean(Eigen::MatrixXd::Constant(2, 2, std::numeric_limits<double>::quiet_NaN()))));
  CHECK(std::isinf(nan_mean(Eigen::MatrixXd::Constant(1, 1, std::numeric_limits<double>::infinity()))));
}

TEST_CASE("the last step is in no window") {
  SpikeEvents events(4, 1);
  events.add(std::vector<Spike>{{3, 0}});
  events.add(std::vector<Spike>{});
  CHECK(sliding_fano(events, 2).array().isNaN().all());
  CHECK(sliding_fano(events, 2).rows() == 2);
}

TEST_CASE("Bernoulli trains have Fano factor 1 - p and coefficient of variation sqrt(1 - p)") {
  const double p = 0.3;
  const int steps = 200, units = 40, trials = 100;
  const SpikeEvents events = bernoulli_trials(p, steps, units, trials, 5);
  // Every bound is 4.9 standard deviations of the statistic: a false alarm once in 1e6 each.
  // Per bin, 1 - mean of 8000 x 100 independent draws.
  const double bins = std::sqrt(p * (1 - p) / (steps * units * trials));
  CHECK(std::abs(nan_mean(fano_per_bin(events)) - (1 - p)) < 4.9 * bins);
  // A window of 10: the relative deviation of a sample variance is sqrt(2 / 99) or so, and 19 non-overlapping windows x 40
  // units are independent (the overlapping ones only help). The ratio of the two means has a bias below 1 %/trials.
  const double windows = (1 - p) * std::sqrt(2.0 / (trials - 1) / (19 * units));
  CHECK(std::abs(nan_mean(sliding_fano(events)) - (1 - p)) < 4.9 * windows);
  // Geometric gaps: the deviation of a sample CV is about that of an exponential law, 1 / sqrt(gaps).
  const double gaps = p * steps * trials * units;
  CHECK(std::abs(interval_cv(events).mean() - std::sqrt(1 - p)) < 4.9 / std::sqrt(gaps) + 0.01);  // trials cut long gaps off
  // Counts of a trial: variance n p (1 - p), mean n p with n = 8000 draws; as rates both are divided by units steps dt.
  const double rate = (1 - p) / (units * steps * 1e-3);
  CHECK(std::abs(population_fano(events, 1e-3) / rate - 1) < 4.9 * std::sqrt(2.0 / (trials - 1)));
}

TEST_CASE("statistics of too little are refused") {
  const SpikeEvents none(8, 3), events = two_trials();
  const std::size_t first = 0;
  const SpikeEvents one = events.subset({&first, 1});
  CHECK_THROWS_WITH_AS(firing_rates(none, 1e-3), "firing_rates: samples = 0 is outside [1, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(firing_rates(events, 0), "firing_rates: dt = 0 is outside (0, infinity)", InvalidArgument);
  CHECK_THROWS_AS(firing_rates(SpikeEvents(), 1e-3), InvalidArgument);
  CHECK_THROWS_AS(population_rates(none, 1e-3), InvalidArgument);
  CHECK_THROWS_AS(population_rates(events, -1), InvalidArgument);
  CHECK_THROWS_AS(inter_spike_intervals(none, 0, 1e-3), InvalidArgument);
  CHECK_THROWS_WITH_AS(inter_spike_intervals(events, 3, 1e-3), "inter_spike_intervals: unit = 3 is outside [0, 3)",
                       InvalidArgument);
  CHECK_THROWS_AS(interval_cv(none), InvalidArgument);
  CHECK_THROWS_AS(fano_per_bin(none), InvalidArgument);
  CHECK_THROWS_WITH_AS(sliding_fano(one, 3), "sliding_fano: samples = 1 is outside [2, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(sliding_fano(events, 8), "sliding_fano: window = 8 is outside [1, 8)", InvalidArgument);
  CHECK_THROWS_AS(sliding_fano(events, 0), InvalidArgument);
  CHECK_THROWS_WITH_AS(population_fano(one, 1e-3), "population_fano: samples = 1 is outside [2, infinity)", InvalidArgument);
  CHECK_THROWS_AS(population_fano(events, std::numeric_limits<double>::quiet_NaN()), InvalidArgument);
}
