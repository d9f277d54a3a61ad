#include <stoat/estimators/replay.hpp>

#include <cmath>
#include <iomanip>
#include <sstream>

#include <stoat/estimators/score_function.hpp>

#include "replay_plan.hpp"

namespace stoat {
namespace {

using detail::replay::Chosen;
using detail::replay::Learned;
using detail::replay::Plan;

std::string described(const Plan& plan) {
  std::string text = std::string(plan.name) + "(" +
                     (plan.replays == automatic_replays ? "auto"
                      : plan.replays == usual_replays   ? "4 or by pilot"
                      : plan.replays == 0               ? "all"
                                                        : std::to_string(plan.replays));
  if (plan.control == Control::table) text += ", table";
  if (plan.choice == SiteChoice::uniform) text += ", uniform";
  if (plan.choice == SiteChoice::neyman) text += ", Neyman";
  if (plan.residuals) text += ", residuals";
  if (plan.martingale) text += ", martingale";
  return text + ")";
}

void check(const Plan& plan, int pilot) {
  const auto fail = [&](const std::string& why) { throw InvalidArgument(plan.name + (": " + why)); };
  if (plan.replays < automatic_replays && !(plan.replays == usual_replays && plan.usual))
    fail(outside("replays", plan.replays, "[-1, infinity)"));
  if (pilot < 2 || pilot > 200'000) fail(outside("pilot", pilot, "[2, 200000]"));
}

Plan plan_of(const StochasticDerivative& e) { return {"StochasticDerivative", e.replays, e.choice, e.flow}; }
Plan plan_of(const DebiasedSurrogate& e) {
  return {"DebiasedSurrogate", e.replays, e.choice, e.flow, e.control, e.residuals, e.martingale, true};
}

}  // namespace

std::string StochasticDerivative::name() const { return described(plan_of(*this)); }
std::string DebiasedSurrogate::name() const { return described(plan_of(*this)); }

template <class T>
std::shared_ptr<const void> StochasticDerivative::learn(Trace<T>& trace, const PilotContext& context) const {
  const Plan plan = plan_of(*this);
  check(plan, pilot);
  return detail::replay::learn(trace, plan, pilot, context);
}

template <class T>
void StochasticDerivative::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  const Plan plan = plan_of(*this);
  check(plan, pilot);
  detail::replay::draw(trace, plan, static_cast<const Learned*>(context.learned), context.key(), context.choices(), out,
                       [](const Chosen&) {});
}

template <class T>
std::shared_ptr<const void> DebiasedSurrogate::learn(Trace<T>& trace, const PilotContext& context) const {
  const Plan plan = plan_of(*this);
  check(plan, pilot);
  return detail::replay::learn(trace, plan, pilot, context);
}

template <class T>
void DebiasedSurrogate::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  Plan plan = plan_of(*this);
  check(plan, pilot);
  const auto* const learned = static_cast<const Learned*>(context.learned);
  if (learned && learned->martingale) {
    SampleContext here = context;
    here.learned = learned->martingale.get();
    ScoreFunctionMartingale{pilot}.sample(trace, here, out);
    return;
  }
  plan = detail::replay::decided(plan, learned);
  detail::replay::draw(trace, plan, learned, context.key(), context.choices(), out, [](const Chosen&) {});
}

std::string DebiasedSurrogate::note(const void* what) const {
  const auto& learned = *static_cast<const Learned*>(what);
  if (!learned.by_changes || replays != usual_replays) return {};
  std::ostringstream text;
  text << std::setprecision(3);
  if (learned.martingale) {
    text << "a change spreads over " << std::round(100 * learned.spread)
         << " % of the spikes that follow: ScoreFunctionMartingale in place of replays";
  } else {
    text << "replays by what they change";
    if (learned.last > 0) text << ": all " << learned.last << " of the last block";
    if (learned.last < learned.sites) {
      text << (learned.last > 0 ? ", " : ": ");
      if (learned.replays < static_cast<double>(learned.sites - learned.last)) text << "about " << std::round(learned.replays);
      else text << "all";
      text << (learned.last > 0 ? " of the others" : " of them");
    }
  }
  return text.str();
}

template std::shared_ptr<const void> StochasticDerivative::learn(Trace<float>&, const PilotContext&) const;
template void StochasticDerivative::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> DebiasedSurrogate::learn(Trace<float>&, const PilotContext&) const;
template void DebiasedSurrogate::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> StochasticDerivative::learn(Trace<double>&, const PilotContext&) const;
template void StochasticDerivative::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> DebiasedSurrogate::learn(Trace<double>&, const PilotContext&) const;
template void DebiasedSurrogate::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
