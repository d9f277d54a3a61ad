#include <stoat/estimators/auto.hpp>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <optional>
#include <sstream>

#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>

namespace stoat {
namespace {

/// One candidate in the pilot.
struct Trial {
  std::string name;
  double variance = 0, work = 0;
  std::string refusal;
};

struct Choice {
  std::optional<AnyEstimator> estimator;
  std::shared_ptr<const void> learned;
  std::vector<Trial> trials;  // best first
  double residual_order = std::numeric_limits<double>::quiet_NaN();
};

const std::vector<AnyEstimator>& candidates_of(const Auto& a) {
  return a.candidates.empty() ? Auto::usual_candidates() : a.candidates;
}

}  // namespace

const std::vector<AnyEstimator>& Auto::usual_candidates() {
  static const std::vector<AnyEstimator> list = {
      ScoreFunction{},         ScoreFunctionMartingale{},
      LeaveOneOut{2},          StochasticDerivative{1},
      StochasticDerivative{4}, DebiasedSurrogate{1},
      DebiasedSurrogate{8},    DebiasedSurrogate{.replays = 4, .choice = SiteChoice::neyman, .residuals = true, .pilot = 100},
  };
  return list;
}

int Auto::keys() const {
  int most = 1;
  for (const AnyEstimator& e : candidates_of(*this)) most = std::max(most, e.keys());
  return most;
}

template <class T>
std::shared_ptr<const void> Auto::learn(Trace<T>& trace, const PilotContext& context) const {
  if (pilot < 8 || pilot > 100'000) throw InvalidArgument("Auto: " + outside("pilot", pilot, "[8, 100000]"));
  auto choice = std::make_shared<Choice>();
  double least = std::numeric_limits<double>::infinity(), mean_cost = 0, cost_squares = 0;
  PilotContext runs = context;
  const auto count = static_cast<std::uint64_t>(pilot);
  for (std::uint64_t k = 0; k < count; ++k) {
    const double f = static_cast<double>(trace.run(runs.run(trace, k))), d = f - mean_cost;
    mean_cost += d / static_cast<double>(k + 1);
    cost_squares += d * (f - mean_cost);
  }
  runs.first += count;
  for (const AnyEstimator& e : candidates_of(*this)) {
    if (!e.unbiased())
      throw InvalidArgument("Auto: " + e.name() + " is biased; only unbiased estimators can be compared by variance");
    Trial trial{e.name(), 0, 0, ""};
    try {
      const auto learned = e.learn(trace, runs);
      runs.first += PilotContext::most_runs / 64;
      const Work before = trace.work();
      GradientDraw out;
      Eigen::VectorXd mean = Eigen::VectorXd::Zero(trace.parameters());
      for (std::uint64_t k = 0; k < count; ++k) {
        out.gradient.setZero(trace.parameters());
        e.sample(trace, runs.sample(trace, k, keys(), mean_cost, learned.get()), out);
        const Eigen::VectorXd d = out.gradient - mean;
        mean += d / static_cast<double>(k + 1);
        trial.variance += d.dot(out.gradient - mean) / static_cast<double>(count - 1);
      }
      runs.first += count * static_cast<std::uint64_t>(keys() + 1);
      trial.work = (trace.work().runs - before.runs + trace.work().sweeps - before.sweeps) / pilot;
      if (trial.variance * trial.work < least) {
        least = trial.variance * trial.work;
        choice->estimator = e;
        choice->learned = learned;
      }
    } catch (const Refusal& refusal) { trial.refusal = refusal.what(); }
    choice->trials.push_back(trial);
  }
  if (!choice->estimator) throw Refusal("Auto: no candidate can do the program; " + choice->trials.front().refusal);
  std::stable_sort(choice->trials.begin(), choice->trials.end(), [](const Trial& a, const Trial& b) {
    if (a.refusal.empty() != b.refusal.empty()) return a.refusal.empty();
    return a.variance * a.work < b.variance * b.work;
  });
  if (cost_squares > 0)
    choice->residual_order = detail::residual_moment(trace, std::min(pilot, 32), runs) / (cost_squares / (pilot - 1));
  return choice;
}

std::string Auto::note(const void* learned) const {
  const auto& choice = *static_cast<const Choice*>(learned);
  std::ostringstream text;
  text << std::setprecision(3) << "Auto picked " << choice.estimator->name() << "; variance x work in the pilot:";
  for (const Trial& t : choice.trials) {
    text << (&t == &choice.trials.front() ? " " : ", ") << t.name << " ";
    if (t.refusal.empty()) text << t.variance * t.work;
    else text << "refused";
  }
  if (std::isfinite(choice.residual_order)) text << "; M_res = " << choice.residual_order;
  return text.str();
}

template <class T>
void Auto::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  const auto& choice = *static_cast<const Choice*>(context.learned);
  SampleContext own = context;
  own.learned = choice.learned.get();
  choice.estimator->sample(trace, own, out);
}

template std::shared_ptr<const void> Auto::learn(Trace<float>&, const PilotContext&) const;
template std::shared_ptr<const void> Auto::learn(Trace<double>&, const PilotContext&) const;
template void Auto::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Auto::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
