#include <limits>

#include <boost/math/special_functions/erf.hpp>

#include <stoat/snn/functions.hpp>
#include <stoat/tape/vector_math.hpp>

#include "table.hpp"

namespace stoat::snn {
namespace kernels {
namespace {

enum class Isa { sse2, avx2, avx512 };
Isa isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::sse2;
}

}  // namespace

template <>
const Kernels<float>& best() {
#if defined(__x86_64__)
  static const Kernels<float>& chosen = isa() == Isa::avx512 ? avx512::floats : isa() == Isa::avx2 ? avx2::floats : sse2::floats;
  return chosen;
#else
  return sse2::floats;
#endif
}
template <>
const Kernels<double>& best() {
#if defined(__x86_64__)
  static const Kernels<double>& chosen = isa() == Isa::avx512 ? avx512::doubles
                                         : isa() == Isa::avx2 ? avx2::doubles
                                                              : sse2::doubles;
  return chosen;
#else
  return sse2::doubles;
#endif
}

}  // namespace kernels

namespace detail {

void logistic_values(double beta, const float* z, float* f, int n) {
  kernels::best<float>().logistic(static_cast<float>(beta), z, f, n);
}
void logistic_values(double beta, const double* z, double* f, int n) { kernels::best<double>().logistic(beta, z, f, n); }
template <class T>
void logistic_thresholds(double beta, const double* u, T* z, int n) {
  kernels::best<T>().odds(u, z, n);
  vector_math::log(z, z, static_cast<std::size_t>(n));
  const T scale = static_cast<T>(1 / beta);
  for (int i = 0; i < n; ++i) z[i] *= scale;
}
template void logistic_thresholds(double, const double*, float*, int);
template void logistic_thresholds(double, const double*, double*, int);
double inverse_erfc(double y) { return y > 0 ? boost::math::erfc_inv(y) : std::numeric_limits<double>::infinity(); }
void logistic_derivatives(double beta, const float* z, float* f, int n) {
  kernels::best<float>().logistic_derivative(static_cast<float>(beta), z, f, n);
}
void logistic_derivatives(double beta, const double* z, double* f, int n) {
  kernels::best<double>().logistic_derivative(beta, z, f, n);
}
void super_spike_derivatives(double beta, const float* z, float* f, int n) {
  kernels::best<float>().super_spike(static_cast<float>(beta), z, f, n);
}
void super_spike_derivatives(double beta, const double* z, double* f, int n) { kernels::best<double>().super_spike(beta, z, f, n); }

}  // namespace detail
}  // namespace stoat::snn
