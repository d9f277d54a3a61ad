#include <stoat/estimators/relaxed.hpp>

#include <sstream>

#include "relaxations.hpp"

namespace stoat {
namespace detail {

std::string with_knobs(const char* name, double first) {
  std::ostringstream text;
  text << name << "(" << first << ")";
  return text.str();
}
std::string with_knobs(const char* name, double first, double second) {
  std::ostringstream text;
  text << name << "(" << first << ", " << second << ")";
  return text.str();
}

}  // namespace detail

namespace {

/// Averages over Gumbel noise given the outcome.
template <class T>
class GumbelAverage : public detail::StraightThroughRelaxation<T> {
 public:
  GumbelAverage(const char* name, Generator noise, double temperature, int samples)
      : detail::StraightThroughRelaxation<T>(name, noise), temperature_(temperature), samples_(samples) {}

 private:
  void choose(std::int64_t outcome) override {
    this->s_.resize(this->log_p_.size(), samples_);
    this->w_.setConstant(samples_, 1 / (temperature_ * samples_));
    const Vector<double> log_p(this->log_p_);
    for (int i = 0; i < samples_; ++i) {
      detail::log_exponentials(this->noise_, this->log_p_.size(), this->log_e_);
      this->s_.col(i) = this->softmax_of(detail::given_label(log_p, outcome, this->log_e_).eigen() / temperature_);
    }
  }
  double temperature_;
  int samples_;
};

/// The outcome on top, the others at least a gap below.
template <class T>
class Gapped : public detail::StraightThroughRelaxation<T> {
 public:
  Gapped(Generator noise, double temperature, double gap)
      : detail::StraightThroughRelaxation<T>("GappedStraightThrough", noise), temperature_(temperature), gap_(gap) {}

 private:
  void choose(std::int64_t outcome) override {
    const double top = this->log_p_.maxCoeff();
    Eigen::VectorXd moved = this->log_p_.cwiseMin(top - gap_);
    moved[outcome] = top;
    this->s_ = this->softmax_of(moved / temperature_);
    this->w_.setConstant(1, 1 / temperature_);
  }
  double temperature_, gap_;
};

}  // namespace

std::string GumbelSoftmax::name() const { return detail::with_knobs("GumbelSoftmax", temperature); }
std::string StraightThroughGumbel::name() const { return detail::with_knobs("StraightThroughGumbel", temperature); }
std::string GumbelRao::name() const { return detail::with_knobs("GumbelRao", temperature, samples); }
std::string GappedStraightThrough::name() const { return detail::with_knobs("GappedStraightThrough", temperature, gap); }

template <class T>
void GumbelSoftmax::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("GumbelSoftmax", temperature);
  detail::Concrete<T> relaxation("GumbelSoftmax", context.choices(), temperature);
  detail::relaxed_sweep(trace, context, relaxation, out);
}

template <class T>
void StraightThroughGumbel::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("StraightThroughGumbel", temperature);
  GumbelAverage<T> relaxation("StraightThroughGumbel", context.choices(), temperature, 1);
  detail::relaxed_sweep(trace, context, relaxation, out);
}

template <class T>
void GumbelRao::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("GumbelRao", temperature);
  if (samples < 1) throw InvalidArgument("GumbelRao: " + outside("samples", samples, "[1, infinity)"));
  GumbelAverage<T> relaxation("GumbelRao", context.choices(), temperature, samples);
  detail::relaxed_sweep(trace, context, relaxation, out);
}

template <class T>
void GappedStraightThrough::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("GappedStraightThrough", temperature);
  if (!(gap >= 0 && std::isfinite(gap))) throw InvalidArgument("GappedStraightThrough: " + outside("gap", gap, "[0, infinity)"));
  Gapped<T> relaxation(context.choices(), temperature, gap);
  detail::relaxed_sweep(trace, context, relaxation, out);
}

template void GumbelSoftmax::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void GumbelSoftmax::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void StraightThroughGumbel::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void StraightThroughGumbel::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void GumbelRao::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void GumbelRao::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void GappedStraightThrough::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void GappedStraightThrough::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
