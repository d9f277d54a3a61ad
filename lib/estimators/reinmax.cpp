#include <stoat/estimators/reinmax.hpp>

#include "relaxations.hpp"

namespace stoat {
namespace {

template <class T>
class Heun : public detail::StraightThroughRelaxation<T> {
 public:
  Heun(Generator noise, double temperature) : detail::StraightThroughRelaxation<T>("ReinMax", noise), temperature_(temperature) {}

 private:
  void choose(std::int64_t outcome) override {
    this->s_.resize(this->log_p_.size(), 2);
    this->s_.col(0) = this->softmax_of(this->log_p_ / temperature_) / 2;
    this->s_(outcome, 0) += 0.5;
    this->s_.col(1) = this->log_p_.array().exp();
    this->w_.resize(2);
    this->w_ << 2, -0.5;
  }
  double temperature_;
};

}  // namespace

std::string ReinMax::name() const { return temperature == 1 ? "ReinMax" : detail::with_knobs("ReinMax", temperature); }

template <class T>
void ReinMax::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  detail::check_temperature("ReinMax", temperature);
  Heun<T> relaxation(context.choices(), temperature);
  detail::relaxed_sweep(trace, context, relaxation, out);
}

template void ReinMax::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void ReinMax::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
