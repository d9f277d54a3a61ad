#include <stoat/estimators/reinmax.hpp>

namespace stoat {
namespace {

[[noreturn]] void refuse(const Site& site) {
  throw Refusal("ReinMax: " + std::string(site.law->name) + " is no coin: its draws may have more than two outcomes");
}

}  // namespace

void ReinMaxEdge::operator()(const Site& site, std::span<double> out) const {
  const Support support = site.law->support(site.plain);
  if (support.upper != support.lower + 1) refuse(site);
  site.law->smoothed(site.plain, site.outcome, 0.5, out);
}

template <class T>
void ReinMax::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  out.value = static_cast<double>(trace.record(context.key(), Outcomes::variables));
  for (std::size_t i = 0; i < trace.sites(); ++i)
    if (trace.site(i).node && trace.site(i).law->one_hot) refuse(trace.site(i));  // its edges have the slope 1 whatever the rule
  trace.open(ReinMaxEdge{});
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(out.gradient);
}

template void ReinMax::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void ReinMax::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
