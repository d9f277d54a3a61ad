#include "nir.hpp"

#include <array>

namespace stoat::snn::nir {
namespace {

/// A kind of function: its name and the constants it has.
template <class F>
struct Kind {
  const char* name;
  std::vector<double F::*> constants;

  bool write(const SpikeFunction& f, std::optional<NamedFunction>& out) const {
    const F* const found = f.get<F>();
    if (!found) return false;
    out = NamedFunction{name, {}};
    for (double F::*const constant : constants) out->constants.push_back(found->*constant);
    return true;
  }
  bool read(const NamedFunction& named, std::optional<SpikeFunction>& out) const {
    if (named.name != name || named.constants.size() != constants.size()) return false;
    F f;
    for (std::size_t k = 0; k < constants.size(); ++k) f.*constants[k] = named.constants[k];
    out = f;
    return true;
  }
};

/// Calls `visit` with each kind until it returns true.
template <class Visit>
void each_kind(const Visit& visit) {
  using namespace escape;
  namespace s = surrogate;
  (void)(visit(Kind<Sigmoid>{"escape sigmoid", {&Sigmoid::beta}}) ||
         visit(Kind<Exponential>{"escape exponential", {&Exponential::p0, &Exponential::delta}}) ||
         visit(Kind<Erf>{"escape erf", {&Erf::sigma}}) ||
         visit(Kind<Hazard>{"escape hazard", {&Hazard::at_threshold, &Hazard::delta, &Hazard::dt}}) ||
         visit(Kind<s::SuperSpike>{"surrogate SuperSpike", {&s::SuperSpike::beta}}) ||
         visit(Kind<s::Sigmoid>{"surrogate sigmoid", {&s::Sigmoid::beta, &s::Sigmoid::scale}}) ||
         visit(Kind<s::ArcTan>{"surrogate arctan", {&s::ArcTan::alpha}}) ||
         visit(Kind<s::Triangle>{"surrogate triangle", {&s::Triangle::alpha}}) ||
         visit(Kind<s::Boxcar>{"surrogate boxcar", {&s::Boxcar::width}}) ||
         visit(Kind<s::Tanh>{"surrogate tanh", {&s::Tanh::beta}}) ||
         visit(Kind<s::Exponential>{"surrogate exponential", {&s::Exponential::p0, &s::Exponential::delta}}));
}

}  // namespace

std::optional<NamedFunction> named(const SpikeFunction& f) {
  std::optional<NamedFunction> found;
  each_kind([&](const auto& kind) { return kind.write(f, found); });
  return found;
}
std::optional<SpikeFunction> function(const NamedFunction& named) {
  std::optional<SpikeFunction> found;
  each_kind([&](const auto& kind) { return kind.read(named, found); });
  return found;
}

}  // namespace stoat::snn::nir
