#include <stoat/estimators/disarm.hpp>

#include <algorithm>
#include <cmath>

#include "coins.hpp"
#include "sites.hpp"

namespace stoat {
namespace {

/// A coin of the group that is drawn again.
struct Coin {
  std::size_t site;
  double p;          ///< probability of outcome 1
  bool reflected;    ///< the less probable outcome has the upper end of [0, 1)
  double scale;      ///< p (1 - p) / (m - M)
  double sum = 0;    ///< of (f_k - f_0) (b_k - p)
  double total = 0;  ///< of b_k - p
};

/// Uniform numbers that repel those of the run and each other. With d ~ Dirichlet(1, ..., 1) over K runs each (1 - d_k)^(K-1) is
/// uniform; the number u of the run itself gives d_0, and shares of what is left give the others. For K = 2 it is 1 - u.
class Repulsion : public Coupling {
 public:
  Repulsion(const std::vector<Coin>& coins, int runs) : coins_(coins), runs_(runs) {}
  /// shares[c]: that of coin c in this run.
  std::vector<double> shares;
  double operator()(std::size_t site, double u) const override {
    const auto coin = std::lower_bound(coins_.begin(), coins_.end(), site, [](const Coin& c, std::size_t s) { return c.site < s; });
    if (coin == coins_.end() || coin->site != site) return u;
    const double rest = std::pow(coin->reflected ? 1 - u : u, 1.0 / (runs_ - 1));  // 1 - d_0
    const double v = std::pow(1 - rest * shares[static_cast<std::size_t>(coin - coins_.begin())], runs_ - 1);
    return std::clamp(coin->reflected ? 1 - v : v, 0.0, 1 - 0x1p-53);
  }

 private:
  const std::vector<Coin>& coins_;
  int runs_;
};

/// The shares of coins in the other runs: each row ~ Dirichlet(1, ..., 1).
void draw_shares(Generator& choices, Eigen::Index coins, int runs, Eigen::MatrixXd& out) {
  out.resize(coins, runs - 1);
  if (runs == 2) {
    out.setOnes();
    return;
  }
  for (Eigen::Index c = 0; c < coins; ++c) {
    for (Eigen::Index k = 0; k < out.cols(); ++k) out(c, k) = -std::log(std::max(choices.uniform(), 0x1p-54));
    out.row(c) /= out.row(c).sum();
  }
}

template <class T>
void antithetic_sample(const char* name, int runs, AntitheticGroups groups, Trace<T>& trace, const SampleContext& context,
                       GradientDraw& out) {
  static thread_local std::vector<Coin> coins, group;
  static thread_local std::vector<double> score;
  static thread_local Eigen::MatrixXd shares;
  Generator choices = context.choices();
  out.value = static_cast<double>(trace.run(context.key()));
  trace.record(Outcomes::constants);
  detail::require_coins(trace, name);
  detail::refuse_boundaries(trace, name);

  coins.clear();
  for (std::size_t begin = 0, end; begin < trace.sites(); begin = end) {
    end = begin + 1;
    if (groups == AntitheticGroups::blocks)
      while (end < trace.sites() && trace.site(end).block == trace.site(begin).block) ++end;
    group.clear();
    for (std::size_t i = begin; i < end; ++i) {
      const Site& s = trace.site(i);
      if (!trace.active(i)) continue;
      const double p = s.pmf(1), q = s.pmf(0), m = std::min(p, q);
      const bool low_is_one = s.law->quantile(s.plain, 0.0) == 1;
      const double both = std::pow(std::max(0.0, 2 * std::pow(m, 1.0 / (runs - 1)) - 1), runs - 1);
      const double b = static_cast<double>(s.outcome) - p;
      group.push_back({i, p, (p <= q) != low_is_one, m > 0 ? std::max(p, q) / (1 - both / m) : 1.0, 0, b});
    }
    if (group.empty()) continue;
    Repulsion repulsion(group, runs);
    draw_shares(choices, static_cast<Eigen::Index>(group.size()), runs, shares);
    double change = 0;
    for (Eigen::Index k = 0; k < runs - 1; ++k) {
      repulsion.shares.assign(shares.col(k).begin(), shares.col(k).end());
      const double delta = static_cast<double>(trace.replay(group.front().site, repulsion)) - out.value;
      change += delta;
      for (Coin& c : group) {
        if (c.site >= trace.replayed().size() || !detail::same_chance<T>(c.p, trace.replayed_chances()[c.site]))
          throw Refusal(std::string(name) + ": the probability of the draw of site " + std::to_string(c.site) +
                        " depends on earlier draws of its group, from site " + std::to_string(group.front().site) +
                        " on; make independent draws blocks, or each draw its own group with AntitheticGroups::sites");
        const double b = static_cast<double>(trace.replayed()[c.site]) - c.p;
        c.sum += delta * b;
        c.total += b;
      }
    }
    for (Coin& c : group) c.sum -= change / runs * c.total;
    coins.insert(coins.end(), group.begin(), group.end());
  }

  trace.begin_sweep();
  trace.seed_cost(1);
  for (const Coin& c : coins) detail::seed_log_odds(trace, c.site, c.sum / (runs - 1) * c.scale, score);
  trace.sweep(out.gradient);
}

}  // namespace

std::string DisArm::name() const { return groups == AntitheticGroups::sites ? "DisArm(sites)" : "DisArm"; }
std::string Arms::name() const { return "Arms(" + std::to_string(runs) + (groups == AntitheticGroups::sites ? ", sites)" : ")"); }

template <class T>
void DisArm::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  antithetic_sample("DisArm", 2, groups, trace, context, out);
}

template <class T>
void Arms::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (runs < 2) throw InvalidArgument("Arms: " + outside("runs", runs, "[2, infinity)"));
  antithetic_sample("Arms", runs, groups, trace, context, out);
}

template void DisArm::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void DisArm::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void Arms::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Arms::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
