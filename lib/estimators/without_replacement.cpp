#include <stoat/estimators/without_replacement.hpp>

#include <algorithm>

#include "cost_terms.hpp"
#include "sites.hpp"

namespace stoat {
namespace {

/// The law of a site without some of its outcomes, which are given in increasing order.
class Remainder {
 public:
  Remainder(const Site& site, std::span<const std::int64_t> without) : site_(&site), without_(without) {
    const Support support = site.law->support(site.plain);
    below_ = without.front() > support.lower ? site.law->cdf(site.plain, without.front() - 1) : 0.0;
    above_ = without.back() < support.upper ? site.law->survival(site.plain, without.back()) : 0.0;
    visit_between([&](std::int64_t y) {
      between_ += site.pmf(y);
      return false;
    });
  }
  /// Its probability, without cancellation where cdf and survival of the law have none.
  double mass() const { return below_ + between_ + above_; }
  /// Its outcome at u in [0, 1), for mass() > 0.
  std::int64_t draw(double u) const {
    const SiteLaw& law = *site_->law;
    const void* const p = site_->plain;
    Support support = law.support(p);
    double left = u * mass();
    if (left < below_) {
      support.upper = without_.front() - 1;
      return detail::search([&](std::int64_t k) { return law.cdf(p, k) / below_; }, support, support.upper, left / below_);
    }
    left -= below_;
    std::int64_t found = 0;
    if (left < between_ || above_ == 0) {
      visit_between([&](std::int64_t y) {
        if (site_->pmf(y) > 0) found = y;  // if rounding carries u past the end, the last one
        left -= site_->pmf(y);
        return left < 0;
      });
      return found;
    }
    left -= between_;
    support.lower = without_.back() + 1;
    return detail::search([&](std::int64_t k) { return (above_ - law.survival(p, k)) / above_; }, support, support.lower,
                          left / above_);
  }

 private:
  /// The outcomes between the first and the last that is left out, until visit(y) is true.
  template <class Visit>
  void visit_between(Visit&& visit) const {
    for (std::size_t i = 0; i + 1 < without_.size(); ++i)
      for (std::int64_t y = without_[i] + 1; y < without_[i + 1]; ++y)
        if (visit(y)) return;
  }

  const Site* site_;
  std::span<const std::int64_t> without_;
  double below_ = 0, between_ = 0, above_ = 0;
};

/// The `count` most probable outcomes of a site in increasing order, or all that have a probability.
void most_probable(const Site& site, int count, std::vector<std::int64_t>& out) {
  static thread_local std::vector<std::pair<double, std::int64_t>> best;  // a heap with the least probable at its front
  best.clear();
  const auto wanted = static_cast<std::size_t>(count);
  const Support support = site.law->support(site.plain);
  // From the median outwards, while what is left on a side may be more probable than what is known.
  const std::int64_t middle = site.law->quantile(site.plain, 0.5);
  const auto scan = [&](std::int64_t y, std::int64_t step, double rest) {
    for (; support.contains(y); y += step) {
      const double p = site.pmf(y);
      if (rest <= (best.size() == wanted ? best.front().first : 0.0) || (p == 0 && rest < 1e-12)) break;
      rest -= p;
      if (p <= 0 || (best.size() == wanted && p <= best.front().first)) continue;
      if (best.size() == wanted) std::pop_heap(best.begin(), best.end(), std::greater<>{}), best.pop_back();
      best.emplace_back(p, y);
      std::push_heap(best.begin(), best.end(), std::greater<>{});
    }
  };
  scan(middle, 1, middle > support.lower ? site.law->survival(site.plain, middle - 1) : 1.0);
  if (middle > support.lower) scan(middle - 1, -1, site.law->cdf(site.plain, middle - 1));
  out.clear();
  for (const auto& [p, y] : best) out.push_back(y);
  std::sort(out.begin(), out.end());
}

void check_sites(const char* name, int sites) {
  if (sites < 0) throw InvalidArgument(std::string(name) + ": " + outside("sites", sites, "[0, infinity)"));
}

}  // namespace

std::string UnorderedSet::name() const { return detail::with_count("UnorderedSet", sites); }

std::string SumAndSample::name() const {
  return "SumAndSample(" + std::to_string(top) + (sites == 0 ? ")" : " at " + std::to_string(sites) + " sites)");
}

template <class T>
void UnorderedSet::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  check_sites("UnorderedSet", sites);
  static thread_local detail::CostTerms terms;
  static thread_local std::vector<double> slope, second;
  Generator choices = context.choices();
  detail::start(trace, context, choices, out);
  detail::refuse_boundaries(trace, "UnorderedSet");
  terms.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    const std::int64_t a = s.outcome;
    const Remainder without_a(s, std::span(&a, 1));
    if (without_a.mass() <= 0) continue;
    const std::int64_t b = without_a.draw(choices.uniform());
    const double scale = 1 / (1 / without_a.mass() + 1 / Remainder(s, std::span(&b, 1)).mass());
    slope.resize(s.count), second.resize(s.count);
    s.law->score(s.plain, a, slope);
    s.law->score(s.plain, b, second);
    terms.group();
    terms.term(i, a);
    for (std::uint32_t j = 0; j < s.count; ++j) terms.put(j, slope[j] = (slope[j] - second[j]) * scale);
    terms.term(i, b);
    for (std::uint32_t j = 0; j < s.count; ++j) terms.put(j, -slope[j]);
  }
  detail::finish(trace, terms, sites, choices, out);
}

template <class T>
void SumAndSample::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (top < 1) throw InvalidArgument("SumAndSample: " + outside("top", top, "[1, infinity)"));
  check_sites("SumAndSample", sites);
  static thread_local detail::CostTerms terms;
  static thread_local std::vector<double> slope;
  static thread_local std::vector<std::int64_t> summed;
  Generator choices = context.choices();
  detail::start(trace, context, choices, out);
  detail::refuse_boundaries(trace, "SumAndSample");
  terms.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    slope.resize(s.count);
    most_probable(s, top, summed);
    terms.group();
    for (const std::int64_t y : summed) {
      s.law->pmf_derivative(s.plain, y, slope);
      terms.term(i, y);
      for (std::uint32_t j = 0; j < s.count; ++j) terms.put(j, slope[j]);
    }
    const Remainder others(s, summed);
    const double mass = others.mass();
    if (mass <= 0) continue;
    const bool drawn = !std::binary_search(summed.begin(), summed.end(), s.outcome);
    const std::int64_t v = drawn ? s.outcome : others.draw(choices.uniform());
    s.law->score(s.plain, v, slope);
    terms.term(i, v);
    for (std::uint32_t j = 0; j < s.count; ++j) terms.put(j, mass * slope[j]);
  }
  detail::finish(trace, terms, sites, choices, out);
}

template void UnorderedSet::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void UnorderedSet::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void SumAndSample::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void SumAndSample::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
