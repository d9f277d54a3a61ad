// stoat/program/site.hpp: a sample site of a recorded run, and the questions estimators ask its law.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// Another outcome that a moving parameter may send a site to. The derivative of E f has the term
///   sum over alternatives y of  weights[j] d parameter(first + j)  *  (f with y - f).
struct Alternative {
  std::size_t site;
  std::int64_t outcome;
  std::uint32_t first, count;  ///< parameters that the weights belong to
  std::size_t weights;         ///< position of the first weight in Alternatives::weights
};

/// The alternatives of some sites.
struct Alternatives {
  std::vector<Alternative> list;
  std::vector<double> weights;
  void clear() { list.clear(), weights.clear(); }
};

/// A plain law behind a pointer: one table of functions per type of law.
struct SiteLaw {
  std::string_view name;
  Support (*support)(const void*);
  double (*pmf)(const void*, std::int64_t);
  void (*score)(const void*, std::int64_t, std::span<double>);
  void (*pmf_derivative)(const void*, std::int64_t, std::span<double>);
  void (*smoothed)(const void*, std::int64_t, double alpha, std::span<double>);
  void (*mean_derivative)(const void*, std::span<double>);  ///< null if the law has none
  double (*mixture)(const void*);
  bool (*boundary)(const void*);
  void (*alternatives)(const void*, std::size_t site, std::int64_t, Alternatives&);
};

namespace detail {

/// Scratch for the second of two rates; laws with more parameters must offer closed forms.
inline std::span<double> scratch(std::size_t n) {
  static thread_local std::vector<double> memory;
  if (memory.size() < n) memory.resize(n);
  return {memory.data(), n};
}

template <class L>
struct LawTable {
  static const L& law(const void* p) { return *static_cast<const L*>(p); }
  static void mean_derivative(const void* p, std::span<double> out) {
    if constexpr (requires { law(p).mean_derivative(out); }) law(p).mean_derivative(out);
  }
  static void alternatives(const void* p, std::size_t site, std::int64_t k, Alternatives& out) {
    const auto add = [&](std::int64_t y, auto first, std::span<const double> w) {
      out.list.push_back({site, y, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(w.size()), out.weights.size()});
      out.weights.insert(out.weights.end(), w.begin(), w.end());
    };
    if constexpr (requires { law(p).alternatives(k, add); }) {
      law(p).alternatives(k, add);
    } else {
      const auto n = static_cast<std::size_t>(parameter_count(law(p)));
      const double alpha = stoat::mixture(law(p));
      const std::span<double> rate = scratch(n);
      const auto neighbour = [&](std::int64_t y) {
        bool reached = false;
        for (double& r : rate) r = mixed_rate(r, alpha), reached = reached || r != 0;
        if (reached) add(y, 0, rate);
      };
      // The down rate is minus the weight of a jump down seen as a change of the mean; as a weight it keeps its own sign.
      if (k < law(p).support().upper) up_rate(law(p), k, rate), neighbour(k + 1);
      if (k > law(p).support().lower) down_rate(law(p), k, rate), neighbour(k - 1);
    }
  }
  static constexpr SiteLaw table{L::name, [](const void* p) { return law(p).support(); },
                                 [](const void* p, std::int64_t k) -> double { return law(p).pmf(k); },
                                 [](const void* p, std::int64_t k, std::span<double> out) { stoat::score(law(p), k, out); },
                                 [](const void* p, std::int64_t k, std::span<double> out) {
                                   law(p).cdf_derivative(k, out);
                                   if (k > law(p).support().lower) {
                                     const std::span<double> below = scratch(out.size());
                                     law(p).cdf_derivative(k - 1, below);
                                     for (std::size_t j = 0; j < out.size(); ++j) out[j] -= below[j];
                                   }
                                 },
                                 [](const void* p, std::int64_t k, double alpha, std::span<double> out) {
                                   smoothed_derivative(law(p), k, alpha, out, scratch(out.size()));
                                 },
                                 requires(const L& l, std::span<double> out){l.mean_derivative(out);
} ? &mean_derivative : nullptr, [](const void* p) { return stoat::mixture(law(p)); },
    [](const void* p) { return stoat::boundary(law(p)); }, &alternatives,
};  // namespace detail
};  // namespace stoat

}  // namespace detail

/// What a recording keeps of a draw.
struct Site {
  const SiteLaw* law = nullptr;
  const void* plain = nullptr;  ///< the plain law, in the tape's arena
  std::int64_t outcome = 0;
  std::uint32_t first = 0, count = 0;  ///< its parameters among Recording::parameters
  Index node = 0;                      ///< the outcome as a variable, once arithmetic asked for it
  bool number = false;                 ///< read as bool or integer
  std::size_t arguments = 0;           ///< position of the node's partials on the tape

  double pmf(std::int64_t k) const { return law->pmf(plain, k); }
};

}  // namespace stoat
