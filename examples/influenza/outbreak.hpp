// examples/influenza/outbreak.hpp: the outbreak of 1978, its simulation, and the expected distance between the two.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <stoat/stoat.hpp>

namespace influenza {

using namespace stoat;

inline constexpr std::int64_t boys = 763;
inline constexpr std::size_t days = 14;
inline constexpr int steps_per_day = 4;
inline constexpr double step = 1.0 / steps_per_day;  // in days

/// Boys in bed on days 1 to 14 (Influenza in a boarding school, BMJ, 4 March 1978, page 587).
using Counts = std::array<double, days>;
inline constexpr Counts observed{3, 8, 26, 76, 225, 298, 258, 233, 189, 128, 68, 29, 14, 4};

/// theta = (log infection rate, log recovery rate, log hidden): rates per day; hidden is the expected number of boys who are
/// infectious on day 1 beside the three that were counted. Logarithms keep all three positive.
inline constexpr Eigen::Index parameters = 3;
inline constexpr std::array<const char*, parameters> parameter_names{"infection rate", "recovery rate", "hidden on day 1"};

/// The probability that something with this rate happens within a time: 1 - e^(-rate * time).
template <class S>
S probability(const S& rate, double time) {
  return -expm1(-rate * time);
}

/// A group of boys: its size as an integer, which the next Binomial needs, and as a scalar, through which the tape sees where
/// the size came from. Both always have the same value.
template <class S>
struct Group {
  std::int64_t count;
  S size;
};

/// How many of the group something happens to, each boy with probability p: Binomial(count, p).
template <class S>
Group<S> some_of(Sampler<S>& draw, const Group<S>& group, const S& p) {
  const Discrete<S> happened = draw(Binomial(group.count, p));
  // The bracket is 0. It is there for the surrogate gradients: its slope p = d mean / d size tells them that a larger group has
  // more events, which they could not know, as the law takes the size as an integer. Unbiased estimators are indifferent:
  // they hold every outcome fixed in their sweeps, hence the bracket too, and see changes of the count in their replays.
  return {happened.value(), happened + value(p) * (group.size - static_cast<double>(group.count))};
}

/// Runs an outbreak and calls in_bed(day, boys in bed) for days 0 (the first), 1, ... until nobody is left to infect anybody.
template <class S, class InBed>
void outbreak(Sampler<S>& draw, const Vector<S>& theta, InBed&& in_bed) {
  const S infection_rate = exp(theta[0]);
  const S recovery = probability<S>(exp(theta[1]), step);

  // Day 1: the three boys in bed, and hidden ones.
  const S hidden = probability<S>(exp(theta[2]) / static_cast<double>(boys - 3), 1);
  Group<S> susceptible{boys - 3, S(static_cast<double>(boys - 3))};
  const Group<S> first = some_of(draw, susceptible, hidden);
  susceptible = {susceptible.count - first.count, S(susceptible.size - first.size)};
  Group<S> infected{first.count + 3, S(first.size + 3.0)};
  in_bed(std::size_t{0}, infected.size);

  for (std::size_t day = 1; day < days; ++day) {
    for (int k = 0; k < steps_per_day; ++k) {
      if (infected.count == 0) return;  // control flow may depend on draws
      const S pressure = infection_rate * infected.size / static_cast<double>(boys);
      const Group<S> infections = some_of(draw, susceptible, probability<S>(pressure, step));
      const Group<S> recoveries = some_of(draw, infected, recovery);
      susceptible = {susceptible.count - infections.count, S(susceptible.size - infections.size)};
      infected = {infected.count + infections.count - recoveries.count, S(infected.size + infections.size - recoveries.size)};
    }
    in_bed(day, infected.size);
  }
}

/// On what scale simulated and observed counts are compared.
enum class Scale {
  counts,
  roots,  ///< sqrt(count + 3/8), on which counts of every size scatter alike (Anscombe 1948)
};

/// The program: the squared distance of a simulated outbreak to the data, relative to the data's own square.
struct Distance {
  Counts data = observed;
  Scale scale = Scale::roots;

  template <class S>
  S scaled(const S& count) const {
    return scale == Scale::roots ? S(sqrt(count + 0.375)) : count;
  }

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    Counts miss{};  // of an empty sick-room, which is what the days after the end of the outbreak see
    double size = 0, constant = 0;
    for (std::size_t day = 0; day < days; ++day) {
      const double x = scaled(data[day]);
      miss[day] = scaled(0.0) - x;
      size += x * x;
      constant += miss[day] * miss[day];
    }
    S distance = 0;
    outbreak(draw, theta, [&](std::size_t day, const S& in_bed) {
      const S difference = scaled(in_bed) - scaled(data[day]);
      distance += difference * difference;
      constant -= miss[day] * miss[day];
    });
    return (distance + constant) / size;
  }
};

/// One simulated outbreak in plain numbers.
inline Counts simulate(const Eigen::VectorXd& theta, const RunKey& key) {
  Counts counts{};
  Sampler<double> draw;
  draw.begin({.key = key});
  outbreak(draw, Vector<double>(theta), [&](std::size_t day, double in_bed) { counts[day] = in_bed; });
  return counts;
}

/// Boys that one infectious boy infects on average while everybody else is susceptible: `infection rate * step` in every step
/// until he recovers, and he stays 1 / P(recovers within a step) steps.
inline double reproduction_number(const Eigen::VectorXd& theta) {
  return std::exp(theta[0]) * step / probability(std::exp(theta[1]), step);
}

}  // namespace influenza
