#include <stoat/estimators/measure_valued.hpp>

#include <cmath>

#include "cost_terms.hpp"

namespace stoat {

std::string MeasureValuedDerivative::name() const { return detail::with_count("MeasureValuedDerivative", parameters); }

template <class T>
void MeasureValuedDerivative::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (parameters < 0) throw InvalidArgument("MeasureValuedDerivative: " + outside("parameters", parameters, "[0, infinity)"));
  static thread_local detail::CostTerms terms;
  Generator choices = context.choices();
  detail::start(trace, context, choices, out);
  terms.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    for (std::uint32_t j = 0; j < s.count; ++j) {
      const Weight unit{j, 1};
      if (trace.importance(i, std::span(&unit, 1)) == 0) continue;
      const WeakDerivative d = s.law->weak_derivative ? s.law->weak_derivative(s.plain, j, s.outcome, choices.uniform())
                                                      : WeakDerivative{std::nan(""), 0, 0};
      if (std::isnan(d.weight))
        throw Refusal("MeasureValuedDerivative: " + std::string(s.law->name) +
                      " offers no measure-valued derivative in parameter " + std::to_string(j) + " (site " + std::to_string(i) +
                      ")");
      terms.group();
      terms.term(i, d.plus), terms.put(j, d.weight);
      terms.term(i, d.minus), terms.put(j, -d.weight);
    }
  }
  detail::finish(trace, terms, parameters, choices, out);
}

template void MeasureValuedDerivative::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void MeasureValuedDerivative::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
