// stoat/program/reservoir.hpp: the one alternative that a forward run keeps of all it passes.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <stoat/program/site.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/tape/dual.hpp>

namespace stoat::detail {

/// Of the alternatives of all sites of a run on Duals, one, chosen in proportion to |w dp| (Arya et al. 2022, pruning).
class Reservoir {
 public:
  struct Kept {
    std::size_t site = 0;
    std::int64_t outcome = 0;
    double sign = 0;   ///< of w dp
    double total = 0;  ///< sum of all |w dp|: what the change of the cost is to be multiplied with
  };
  void start(const Generator& choices, Flow flow) { choices_ = choices, flow_ = flow, kept_ = {}; }
  const Kept& kept() const { return kept_; }

  template <class L>
  void offer(const L& law, std::size_t site, std::int64_t k) {
    tangents_.clear();
    if constexpr (requires { law.on_tape(); }) {
      const auto p = law.on_tape();
      using P = std::remove_cvref_t<decltype(p)>;
      if constexpr (is_dual<ScalarOf<P>>) {
        for (Eigen::Index j = 0; j < p.size(); ++j) tangents_.push_back(static_cast<double>(p[j].tangent()));
        offer_plain(std::remove_cvref_t<decltype(law.plain())>(p.data(), p.size(), p.layout().row_stride), site, k);
      }
    } else {
      law.map([this](const auto& x) {
        if constexpr (is_dual<std::remove_cvref_t<decltype(x)>>) tangents_.push_back(static_cast<double>(x.tangent()));
        else tangents_.push_back(0);
        return 0.0;
      });
      offer_plain(plain(law), site, k);
    }
  }

 private:
  template <class P>
  void offer_plain(const P& law, std::size_t site, std::int64_t k) {
    alternatives_.clear();
    LawTable<P>::table.alternatives(&law, site, k, flow_, alternatives_);
    for (const Alternative& y : alternatives_.list) {
      double rate = 0;
      for (const Weight& w : alternatives_.of(y)) rate += w.value * tangents_[w.parameter];
      if (rate == 0) continue;
      kept_.total += std::abs(rate);
      if (choices_.uniform() * kept_.total < std::abs(rate))
        kept_.site = site, kept_.outcome = y.outcome, kept_.sign = rate > 0 ? 1 : -1;
    }
  }

  Generator choices_{RunKey{}};
  Flow flow_ = Flow::inversion;
  Kept kept_;
  std::vector<double> tangents_;
  Alternatives alternatives_;
};

struct NoReservoir {};

}  // namespace stoat::detail
