#include <stoat/estimators/finite_difference.hpp>

#include <algorithm>
#include <cmath>

namespace stoat {

template <class T>
void FiniteDifference::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!(step > 0) || !std::isfinite(step)) throw InvalidArgument("FiniteDifference: " + outside("step", step, "(0, infinity)"));
  const RunKey key = context.key();
  out.value = static_cast<double>(trace.run(key));
  Eigen::VectorX<T> theta = trace.theta();
  for (Eigen::Index j = 0; j < theta.size(); ++j) {
    const T centre = theta[j];
    const T h = static_cast<T>(step) * std::max(std::abs(centre), T(1));
    // The program is sound at theta (it has just run there): what fails beside it is out of this estimator's reach.
    const auto shifted = [&](T by) {
      theta[j] = centre + by;
      try {
        return static_cast<double>(trace.run(key, theta));
      } catch (const Error& error) {
        throw Refusal("FiniteDifference: at theta[" + std::to_string(j) + "] = " + std::to_string(theta[j]) + ": " + error.what());
      }
    };
    const double up = shifted(h), down = shifted(-h);
    theta[j] = centre;
    out.gradient[j] = (up - down) / (2 * static_cast<double>(h));
  }
}

template void FiniteDifference::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void FiniteDifference::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
