// stoat/snn/functions.hpp: escape functions and surrogates, functions of z = membrane - threshold.
//
// A stochastic neuron fires in a time step with probability f(z), f its *escape function*. The surrogate derivative that
// back-propagation puts in place of the derivative of the spike is f'(z): the smoothed stochastic derivative of that coin toss.
// A *surrogate* is given by its derivative and by the smooth function that this belongs to, so that a gradient check can put
// the smooth function in place of the spike.
//
// Either is a struct with
//   static constexpr std::string_view name;
//   std::string problem() const;                              // what is wrong with its constants, or nothing
//   template <class T> T value(T z) const;                    // f, a probability if it is an escape function
//   template <class T> T derivative(T z) const;               // f'
//   template <class T> T complement(T z) const;               // 1 - f without cancellation; default 1 - value(z)
//   LogProbability log_value(double z) const;                 // log f without underflow; default from value and derivative
//   LogProbability log_complement(double z) const;            // log(1 - f); default from complement and derivative
//   double threshold(double u) const;                         // the z with f(z) = u, 0 <= u < 1, if f increases; optional
// and whole rows may have forms of their own: void values(const T* z, T* f, int n) const, void derivatives(z, f, n), void
// thresholds(u, z, n).
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <stoat/error.hpp>

namespace stoat::snn {

/// The logarithm of a probability, and its derivative in z.
struct LogProbability {
  double value = 0, slope = 0;  ///< log p, and its derivative in z
};

namespace detail {
/// Functions whose derivatives are worked out in the loops over neurons themselves.
struct Form {
  enum class Kind { other, logistic, super_spike } kind = Kind::other;
  double beta = 0, scale = 1;
};
/// "beta = -1 is outside (0, infinity)", or nothing.
inline std::string positive(std::string_view name, double x) {
  return x > 0 && std::isfinite(x) ? std::string() : outside(name, x, "(0, infinity)");
}
void logistic_values(double beta, const float* z, float* f, int n);
void logistic_values(double beta, const double* z, double* f, int n);
template <class T>
void logistic_thresholds(double beta, const double* u, T* z, int n);
/// x with erfc(x) = y.
double inverse_erfc(double y);
void logistic_derivatives(double beta, const float* z, float* f, int n);
void logistic_derivatives(double beta, const double* z, double* f, int n);
void super_spike_derivatives(double beta, const float* z, float* f, int n);
void super_spike_derivatives(double beta, const double* z, double* f, int n);
/// log(1 - e^x) of x <= 0, accurate at either end (Maechler 2012).
inline double log1m_exp(double x) { return x > -std::numbers::ln2 ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x)); }
/// e^(y^2) erfc(y) of y >= 0: where erfc is on its way to underflow, by its asymptotic series, whose first term left out is
/// below 3e-15 there.
inline double scaled_erfc(double y) {
  if (y < 25) return std::exp(y * y) * std::erfc(y);
  const double q = 1 / (2 * y * y);
  return std::numbers::inv_sqrtpi / y * (1 - q * (1 - 3 * q * (1 - 5 * q * (1 - 7 * q * (1 - 9 * q)))));
}
}  // namespace detail

namespace escape {

/// f = 1 / (1 + e^(-beta z)), f' = beta f (1 - f).
struct Sigmoid {
  double beta = 10;
  static constexpr std::string_view name = "sigmoid";
  static constexpr bool probability = true;
  std::string problem() const { return detail::positive("beta", beta); }
  template <class T>
  T value(T z) const {
    return T(1) / (T(1) + std::exp(-static_cast<T>(beta) * z));
  }
  template <class T>
  T complement(T z) const {
    return value(-z);
  }
  template <class T>
  T derivative(T z) const {
    return static_cast<T>(beta) * value(z) * value(-z);
  }
  LogProbability log_value(double z) const {
    const double x = beta * z;
    return {std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))), beta * value(-z)};
  }
  LogProbability log_complement(double z) const {
    const LogProbability mirrored = log_value(-z);
    return {mirrored.value, -mirrored.slope};
  }
  double threshold(double u) const { return std::log(u / (1 - u)) / beta; }
  template <class T>
  void thresholds(const double* u, T* z, int n) const {
    detail::logistic_thresholds(beta, u, z, n);
  }
  detail::Form form() const { return {detail::Form::Kind::logistic, beta}; }
  template <class T>
  void values(const T* z, T* f, int n) const {
    detail::logistic_values(beta, z, f, n);
  }
  template <class T>
  void derivatives(const T* z, T* f, int n) const {
    detail::logistic_derivatives(beta, z, f, n);
  }
};

/// f = min(1, p0 e^(z / delta)): probability p0 of a spike at threshold (Gerstner's exponential escape rate, per time step).
struct Exponential {
  double p0 = 2.0 / 3, delta = 0.133;
  static constexpr std::string_view name = "exponential";
  static constexpr bool probability = true;
  std::string problem() const {
    if (!(p0 > 0 && p0 <= 1)) return outside("p0", p0, "(0, 1]");
    return detail::positive("delta", delta);
  }
  template <class T>
  T value(T z) const {
    return std::min(T(1), static_cast<T>(p0) * std::exp(z / static_cast<T>(delta)));
  }
  template <class T>
  T derivative(T z) const {
    const T f = static_cast<T>(p0) * std::exp(z / static_cast<T>(delta));
    return f < T(1) ? f / static_cast<T>(delta) : T(0);
  }
  double threshold(double u) const { return delta * std::log(u / p0); }
  LogProbability log_value(double z) const {
    const double x = std::log(p0) + z / delta;
    return x < 0 ? LogProbability{x, 1 / delta} : LogProbability{};
  }
  LogProbability log_complement(double z) const {
    const double x = log_value(z).value;
    return {detail::log1m_exp(x), -1 / (delta * std::expm1(-x))};
  }
};

/// f = (1 + erf(z / (sqrt(2) sigma))) / 2: a threshold with Gaussian noise of standard deviation sigma.
struct Erf {
  double sigma = 0.17;
  static constexpr std::string_view name = "erf";
  static constexpr bool probability = true;
  std::string problem() const { return detail::positive("sigma", sigma); }
  template <class T>
  T value(T z) const {
    return T(0.5) * std::erfc(-z / (static_cast<T>(sigma) * std::numbers::sqrt2_v<T>));
  }
  template <class T>
  T complement(T z) const {
    return value(-z);
  }
  template <class T>
  T derivative(T z) const {
    const T s = static_cast<T>(sigma), x = z / s;
    return std::exp(T(-0.5) * x * x) * std::numbers::inv_sqrtpi_v<T> / (std::numbers::sqrt2_v<T> * s);
  }
  double threshold(double u) const { return -sigma * std::numbers::sqrt2 * detail::inverse_erfc(2 * u); }
  LogProbability log_value(double z) const {
    if (z >= 0) return {std::log1p(-complement(z)), derivative(z) / value(z)};
    const double y = -z / (sigma * std::numbers::sqrt2), scaled = detail::scaled_erfc(y);
    return {std::log(0.5 * scaled) - y * y, std::numbers::sqrt2 * std::numbers::inv_sqrtpi / (sigma * scaled)};
  }
  LogProbability log_complement(double z) const {
    const LogProbability mirrored = log_value(-z);
    return {mirrored.value, -mirrored.slope};
  }
};

/// A hazard in Hz instead of a probability per step: f = 1 - exp(-rate(z) dt) with rate(z) = at_threshold e^(z / delta). The
/// firing rate then does not depend on the time step dt (in seconds).
struct Hazard {
  double at_threshold = 500;  ///< Hz
  double delta = 0.1;
  double dt = 0.001;  ///< s
  static constexpr std::string_view name = "hazard";
  static constexpr bool probability = true;
  std::string problem() const {
    std::string trouble = detail::positive("at_threshold", at_threshold);
    if (trouble.empty()) trouble = detail::positive("delta", delta);
    return trouble.empty() ? detail::positive("dt", dt) : trouble;
  }
  /// Expected spikes of a step, before the membrane moves.
  template <class T>
  T rate(T z) const {
    return static_cast<T>(at_threshold * dt) * std::exp(z / static_cast<T>(delta));
  }
  template <class T>
  T value(T z) const {
    return -std::expm1(-rate(z));
  }
  template <class T>
  T complement(T z) const {
    return std::exp(-rate(z));
  }
  template <class T>
  T derivative(T z) const {
    const T r = rate(z);
    return r > T(80) ? T(0) : r * std::exp(-r) / static_cast<T>(delta);
  }
  double threshold(double u) const { return delta * std::log(-std::log1p(-u) / (at_threshold * dt)); }
  LogProbability log_value(double z) const {
    const double r = rate(z);
    // log(1 - e^-r) = log r - r / 2 + O(r^2) where r may be 0 in double.
    if (r < 1e-8) return {std::log(at_threshold * dt) + z / delta - r / 2, (1 - r / 2) / delta};
    return {detail::log1m_exp(-r), r < 700 ? r / (delta * std::expm1(r)) : 0};
  }
  LogProbability log_complement(double z) const {
    const double r = rate(z);
    return {-r, -r / delta};
  }
};

}  // namespace escape

/// Surrogates by name; x stands for z. The same name means other formulas elsewhere: these are ours.
namespace surrogate {

/// 1 / (beta |x| + 1)^2, peak 1: the derivative of x / (beta |x| + 1) (Zenke and Ganguli 2018).
struct SuperSpike {
  double beta = 10;
  static constexpr std::string_view name = "SuperSpike";
  std::string problem() const { return detail::positive("beta", beta); }
  template <class T>
  T value(T x) const {
    return x / (static_cast<T>(beta) * std::abs(x) + T(1));
  }
  template <class T>
  T derivative(T x) const {
    const T a = static_cast<T>(beta) * std::abs(x) + T(1);
    return T(1) / (a * a);
  }
  detail::Form form() const { return {detail::Form::Kind::super_spike, beta}; }
  template <class T>
  void derivatives(const T* z, T* f, int n) const {
    detail::super_spike_derivatives(beta, z, f, n);
  }
};

/// scale * beta s (1 - s) with s = 1 / (1 + e^(-beta x)): the derivative of scale * s. Peak scale * beta / 4; scale = 1 / beta
/// gives the "scaled sigmoid" with peak 1/4.
struct Sigmoid {
  double beta = 10, scale = 1;
  static constexpr std::string_view name = "sigmoid";
  std::string problem() const {
    std::string trouble = detail::positive("beta", beta);
    return trouble.empty() ? detail::positive("scale", scale) : trouble;
  }
  template <class T>
  T value(T x) const {
    return static_cast<T>(scale) / (T(1) + std::exp(-static_cast<T>(beta) * x));
  }
  template <class T>
  T derivative(T x) const {
    const T s = T(1) / (T(1) + std::exp(-static_cast<T>(beta) * x)), q = T(1) / (T(1) + std::exp(static_cast<T>(beta) * x));
    return static_cast<T>(scale * beta) * s * q;
  }
  detail::Form form() const { return {detail::Form::Kind::logistic, beta, scale}; }
  template <class T>
  void derivatives(const T* z, T* f, int n) const {
    detail::logistic_derivatives(beta, z, f, n);
    if (scale != 1)
      for (int i = 0; i < n; ++i) f[i] *= static_cast<T>(scale);
  }
};

/// (alpha / 2) / (1 + (pi alpha x / 2)^2), peak alpha / 2: the derivative of arctan(pi alpha x / 2) / pi + 1/2.
struct ArcTan {
  double alpha = 2;
  static constexpr std::string_view name = "arctan";
  std::string problem() const { return detail::positive("alpha", alpha); }
  template <class T>
  T value(T x) const {
    return std::atan(std::numbers::pi_v<T> * static_cast<T>(alpha) / 2 * x) / std::numbers::pi_v<T> + T(0.5);
  }
  template <class T>
  T derivative(T x) const {
    const T a = static_cast<T>(alpha), y = std::numbers::pi_v<T> * a * x / 2;
    return a / 2 / (T(1) + y * y);
  }
};

/// alpha max(0, 1 - |x|), peak alpha: the derivative of alpha times a step of two parabolas from 0 at x = -1 to 1 at x = 1.
struct Triangle {
  double alpha = 1;
  static constexpr std::string_view name = "triangle";
  std::string problem() const { return detail::positive("alpha", alpha); }
  template <class T>
  T value(T x) const {
    const T y = std::clamp(x, T(-1), T(1));
    return static_cast<T>(alpha) * (y < 0 ? (T(1) + y) * (T(1) + y) / 2 : T(1) - (T(1) - y) * (T(1) - y) / 2);
  }
  template <class T>
  T derivative(T x) const {
    return static_cast<T>(alpha) * std::max(T(0), T(1) - std::abs(x));
  }
};

/// 1 / width where |x| < width / 2, else 0: the derivative of a ramp from 0 to 1.
struct Boxcar {
  double width = 1;
  static constexpr std::string_view name = "boxcar";
  std::string problem() const { return detail::positive("width", width); }
  template <class T>
  T value(T x) const {
    return std::clamp(x / static_cast<T>(width) + T(0.5), T(0), T(1));
  }
  template <class T>
  T derivative(T x) const {
    return std::abs(x) < static_cast<T>(width / 2) ? T(1) / static_cast<T>(width) : T(0);
  }
};

/// The Gaussian density of standard deviation sigma, the derivative of its distribution function.
using Erf = escape::Erf;

/// 1 - tanh(beta x)^2, peak 1: the derivative of tanh(beta x) / beta.
struct Tanh {
  double beta = 1;
  static constexpr std::string_view name = "tanh";
  std::string problem() const { return detail::positive("beta", beta); }
  template <class T>
  T value(T x) const {
    return std::tanh(static_cast<T>(beta) * x) / static_cast<T>(beta);
  }
  template <class T>
  T derivative(T x) const {
    const T t = std::tanh(static_cast<T>(beta) * x);
    return T(1) - t * t;
  }
};

/// (p0 / delta) e^(x / delta), not bounded: the derivative of p0 e^(x / delta).
struct Exponential {
  double p0 = 2.0 / 3, delta = 0.133;
  static constexpr std::string_view name = "exponential";
  std::string problem() const {
    std::string trouble = detail::positive("p0", p0);
    return trouble.empty() ? detail::positive("delta", delta) : trouble;
  }
  template <class T>
  T value(T x) const {
    return static_cast<T>(p0) * std::exp(x / static_cast<T>(delta));
  }
  template <class T>
  T derivative(T x) const {
    return value(x) / static_cast<T>(delta);
  }
};

}  // namespace surrogate

/// An escape function or a surrogate, erased.
class SpikeFunction {
 public:
  /// Throws InvalidArgument if the constants of f are out of range.
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, SpikeFunction>)
  SpikeFunction(F f) : model_(std::make_shared<const Model<F>>(f)) {
    if (const std::string trouble = f.problem(); !trouble.empty()) throw InvalidArgument(std::string(F::name) + ": " + trouble);
  }
  std::string_view name() const { return model_->name(); }
  /// The function itself if it is an F, else null.
  template <class F>
  const F* get() const {
    return static_cast<const F*>(model_->get(typeid(F)));
  }
  /// True if its values are probabilities.
  bool is_escape() const { return model_->is_escape(); }
  detail::Form form() const { return model_->form(); }
  double value(double z) const { return model_->value(z); }
  double complement(double z) const { return model_->complement(z); }
  double derivative(double z) const { return model_->derivative(z); }
  /// log f and log(1 - f), which stay finite where f or 1 - f underflows, and their derivatives.
  LogProbability log_value(double z) const { return model_->log_value(z); }
  LogProbability log_complement(double z) const { return model_->log_complement(z); }
  void values(const float* z, float* f, int n) const { model_->values(z, f, n); }
  void values(const double* z, double* f, int n) const { model_->values(z, f, n); }
  void derivatives(const float* z, float* f, int n) const { model_->derivatives(z, f, n); }
  void derivatives(const double* z, double* f, int n) const { model_->derivatives(z, f, n); }
  /// True if thresholds() knows where f has a value.
  bool has_threshold() const { return model_->has_threshold(); }
  /// z with f(z) = u for 0 <= u < 1: a coin with the uniform number u shows a spike above it. -infinity where u = 0.
  void thresholds(const double* u, double* z, int n) const { model_->thresholds(u, z, n); }
  void thresholds(const double* u, float* z, int n) const { model_->thresholds(u, z, n); }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string_view name() const = 0;
    virtual const void* get(const std::type_info&) const = 0;
    virtual bool is_escape() const = 0;
    virtual detail::Form form() const = 0;
    virtual double value(double) const = 0;
    virtual double complement(double) const = 0;
    virtual double derivative(double) const = 0;
    virtual LogProbability log_value(double) const = 0;
    virtual LogProbability log_complement(double) const = 0;
    virtual void values(const float*, float*, int) const = 0;
    virtual void values(const double*, double*, int) const = 0;
    virtual void derivatives(const float*, float*, int) const = 0;
    virtual void derivatives(const double*, double*, int) const = 0;
    virtual bool has_threshold() const = 0;
    virtual void thresholds(const double*, double*, int) const = 0;
    virtual void thresholds(const double*, float*, int) const = 0;
  };
  template <class F>
  struct Model final : Concept {
    F f;
    explicit Model(F g) : f(std::move(g)) {}
    std::string_view name() const override { return F::name; }
    const void* get(const std::type_info& type) const override { return type == typeid(F) ? &f : nullptr; }
    bool is_escape() const override {
      if constexpr (requires { F::probability; }) return F::probability;
      else return false;
    }
    detail::Form form() const override {
      if constexpr (requires { f.form(); }) return f.form();
      else return {};
    }
    double value(double z) const override { return f.value(z); }
    double complement(double z) const override {
      if constexpr (requires { f.complement(z); }) return f.complement(z);
      else return 1 - f.value(z);
    }
    double derivative(double z) const override { return f.derivative(z); }
    LogProbability log_value(double z) const override {
      if constexpr (requires { f.log_value(z); }) return f.log_value(z);
      else return {std::log(f.value(z)), f.derivative(z) / f.value(z)};
    }
    LogProbability log_complement(double z) const override {
      if constexpr (requires { f.log_complement(z); }) return f.log_complement(z);
      else return {std::log(complement(z)), -f.derivative(z) / complement(z)};
    }
    void values(const float* z, float* y, int n) const override { all_values(z, y, n); }
    void values(const double* z, double* y, int n) const override { all_values(z, y, n); }
    void derivatives(const float* z, float* y, int n) const override { all_derivatives(z, y, n); }
    void derivatives(const double* z, double* y, int n) const override { all_derivatives(z, y, n); }
    static constexpr bool increasing = requires(const F& g, double u) { g.threshold(u); };
    bool has_threshold() const override { return increasing; }
    void thresholds(const double* u, double* z, int n) const override { all_thresholds(u, z, n); }
    void thresholds(const double* u, float* z, int n) const override { all_thresholds(u, z, n); }
    template <class T>
    void all_thresholds(const double* u, T* z, int n) const {
      if constexpr (requires { f.thresholds(u, z, n); }) {
        f.thresholds(u, z, n);
      } else if constexpr (increasing) {
        for (int i = 0; i < n; ++i) z[i] = static_cast<T>(f.threshold(u[i]));
      } else {
        throw Refusal(std::string(F::name) + ": no threshold(u)");
      }
    }
    template <class T>
    void all_values(const T* z, T* y, int n) const {
      if constexpr (requires { f.values(z, y, n); }) f.values(z, y, n);
      else
        for (int i = 0; i < n; ++i) y[i] = f.value(z[i]);
    }
    template <class T>
    void all_derivatives(const T* z, T* y, int n) const {
      if constexpr (requires { f.derivatives(z, y, n); }) f.derivatives(z, y, n);
      else
        for (int i = 0; i < n; ++i) y[i] = f.derivative(z[i]);
    }
  };
  std::shared_ptr<const Concept> model_;
};

}  // namespace stoat::snn
