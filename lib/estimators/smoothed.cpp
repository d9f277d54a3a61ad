#include <stoat/estimators/smoothed.hpp>

#include <sstream>

namespace stoat {
namespace {

template <class T, class Rule>
void open_sweep(Trace<T>& trace, const SampleContext& context, const Rule& rule, GradientDraw& out) {
  out.value = static_cast<double>(trace.record_in_segments(context.key(), Outcomes::variables));
  trace.open(rule);
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(out.gradient);
}

}  // namespace

std::string SmoothedDerivative::name() const {
  std::ostringstream text;
  text << "SmoothedDerivative(" << alpha << ")";
  return text.str();
}

template <class T>
void SmoothedDerivative::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!(alpha >= 0 && alpha <= 1)) throw InvalidArgument("SmoothedDerivative: " + outside("alpha", alpha, "[0, 1]"));
  open_sweep(trace, context, SmoothedEdge{alpha}, out);
}

template <class T>
void StraightThrough::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  open_sweep(trace, context, StraightThroughEdge{}, out);
}

template <class T>
void MeanField::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  out.value = static_cast<double>(trace.record(context.key(), Outcomes::means));
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(out.gradient);
}

template void SmoothedDerivative::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void SmoothedDerivative::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void StraightThrough::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void StraightThrough::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void MeanField::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void MeanField::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
