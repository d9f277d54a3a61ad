// stoat/program/site.hpp: a sample site of a recorded run, and the questions estimators ask its law.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include <stoat/distributions/flow.hpp>
#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// How a draw wants to be differentiated, where the estimator leaves it to the draw (PerSite): draw(law, Method::replay).
enum class Method : std::uint8_t { unspecified, score_function, replay, surrogate };

/// A number that belongs to a parameter of a site.
struct Weight {
  std::uint32_t parameter;  ///< number among the parameters of the site
  double value;             ///< that number
};

/// Another outcome that a moving parameter may send a site to. The derivative of E f has the term
///   sum over alternatives y of  sum_w w.value d parameter(w.parameter)  *  (f with y - f).
struct Alternative {
  std::size_t site;          ///< whose
  std::int64_t outcome;      ///< y
  std::size_t first, count;  ///< its weights in Alternatives::weights
};

/// The alternatives of some sites.
struct Alternatives {
  std::vector<Alternative> list;  ///< by sites
  std::vector<Weight> weights;    ///< of all, one after the other
  std::span<const Weight> of(const Alternative& a) const { return std::span(weights).subspan(a.first, a.count); }
  void clear() { list.clear(), weights.clear(); }
};

/// A plain law behind a pointer: one table of functions per type of law.
struct SiteLaw {
  /// The functions of the law of these names (see PlainLaw), with the law first.
  std::string_view name;
  Support (*support)(const void*);
  double (*pmf)(const void*, std::int64_t);
  double (*cdf)(const void*, std::int64_t);
  double (*survival)(const void*, std::int64_t);
  std::int64_t (*quantile)(const void*, double);
  void (*score)(const void*, std::int64_t, std::span<double>);
  Weight (*only_score)(const void*, std::int64_t);  ///< its one entry that is not 0; null if there may be others
  void (*pmf_derivative)(const void*, std::int64_t, std::span<double>);
  void (*smoothed)(const void*, std::int64_t, double alpha, std::span<double>);
  double (*mean)(const void*);                                                          ///< null if the law has none
  void (*mean_derivative)(const void*, std::span<double>);                              ///< null if the law has none
  WeakDerivative (*weak_derivative)(const void*, std::uint32_t, std::int64_t, double);  ///< null if the law has none
  double (*mixture)(const void*);
  bool (*boundary)(const void*);
  void (*alternatives)(const void*, std::size_t site, std::int64_t, Flow, Alternatives&);
  double (*flow_moment)(const void*, Flow, std::span<const double>);  ///< null if the law has one flow only
  bool one_hot;  ///< the outcome is a unit vector: as many variables as parameters, each with one edge of slope 1
};

namespace detail {

/// The plain form of a law.
template <class L>
auto plain(const L& law) {
  if constexpr (requires { law.plain(); }) return law.plain();
  else return law.map([](const auto& x) { return static_cast<double>(base_value(value(x))); });
}

/// Scratch for the second of two rates; laws with more parameters must offer closed forms.
inline std::span<double> scratch(std::size_t n) {
  static thread_local std::vector<double> memory;
  if (memory.size() < n) memory.resize(n);
  return {memory.data(), n};
}

template <class L>
struct LawTable {
  static constexpr bool has_flows = requires(const L& l, std::span<const double> t) { l.flow_moment(Flow::inversion, t); };
  static constexpr bool has_mean = requires(const L& l) {
    { l.mean() } -> std::convertible_to<double>;
  };
  static constexpr bool has_weak_derivative = requires(const L& l) { stoat::weak_derivative(l, 0, 0, 0.0); };
  static const L& law(const void* p) { return *static_cast<const L*>(p); }
  static double mean(const void* p) {
    if constexpr (has_mean) return law(p).mean();
    else return 0;
  }
  static WeakDerivative weak_derivative(const void* p, std::uint32_t j, std::int64_t k, double u) {
    if constexpr (has_weak_derivative) return stoat::weak_derivative(law(p), static_cast<int>(j), k, u);
    else return {};
  }
  static constexpr bool has_only_score = requires(const L& l) { l.only_score(0); };
  static Weight only_score(const void* p, std::int64_t k) {
    if constexpr (has_only_score) {
      const auto [j, value] = law(p).only_score(k);
      return {static_cast<std::uint32_t>(j), value};
    } else {
      return {};
    }
  }
  static void mean_derivative(const void* p, std::span<double> out) {
    if constexpr (requires { law(p).mean_derivative(out); }) law(p).mean_derivative(out);
  }
  static void alternatives(const void* p, std::size_t site, std::int64_t k, Flow flow, Alternatives& out) {
    if constexpr (has_flows) {
      law(p).alternatives(k, flow, [&](std::int64_t y, auto&& weights) {
        const std::size_t first = out.weights.size();
        weights([&](std::size_t j, double w) { out.weights.push_back({static_cast<std::uint32_t>(j), w}); });
        out.list.push_back({site, y, first, out.weights.size() - first});
      });
    } else {
      stoat::alternatives(law(p), k, [&](std::int64_t y, int parameter, std::span<const double> weights) {
        out.list.push_back({site, y, out.weights.size(), weights.size()});
        for (const double w : weights) out.weights.push_back({static_cast<std::uint32_t>(parameter++), w});
      });
    }
  }
  static double flow_moment(const void* p, Flow flow, std::span<const double> tangents) {
    if constexpr (requires { law(p).flow_moment(flow, tangents); }) return law(p).flow_moment(flow, tangents);
    else return 0;
  }
  static void pmf_derivative(const void* p, std::int64_t k, std::span<double> out) {
    law(p).cdf_derivative(k, out);
    if (k <= law(p).support().lower) return;
    const std::span<double> below = scratch(out.size());
    law(p).cdf_derivative(k - 1, below);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] -= below[j];
  }
  static constexpr bool has_mean_derivative = requires(const L& l, std::span<double> out) { l.mean_derivative(out); };
  static constexpr bool one_hot = requires { requires L::one_hot; };
  static constexpr SiteLaw table{
      .name = L::name,
      .support = [](const void* p) { return law(p).support(); },
      .pmf = [](const void* p, std::int64_t k) -> double { return law(p).pmf(k); },
      .cdf = [](const void* p, std::int64_t k) -> double { return law(p).cdf(k); },
      .survival = [](const void* p, std::int64_t k) -> double { return stoat::survival(law(p), k); },
      .quantile = [](const void* p, double u) -> std::int64_t { return stoat::quantile(law(p), u); },
      .score = [](const void* p, std::int64_t k, std::span<double> out) { stoat::score(law(p), k, out); },
      .only_score = has_only_score ? &only_score : nullptr,
      .pmf_derivative = &pmf_derivative,
      .smoothed = [](const void* p, std::int64_t k, double alpha,
                     std::span<double> out) { smoothed_derivative(law(p), k, alpha, out, scratch(out.size())); },
      .mean = has_mean ? &mean : nullptr,
      .mean_derivative = has_mean_derivative ? &mean_derivative : nullptr,
      .weak_derivative = has_weak_derivative ? &weak_derivative : nullptr,
      .mixture = [](const void* p) { return stoat::mixture(law(p)); },
      .boundary = [](const void* p) { return stoat::boundary(law(p)); },
      .alternatives = &alternatives,
      .flow_moment = has_flows ? &flow_moment : nullptr,
      .one_hot = one_hot,
  };
};

}  // namespace detail

/// What a recording keeps of a draw.
struct Site {
  const SiteLaw* law = nullptr;          ///< its law
  const void* plain = nullptr;           ///< the plain law, in the tape's arena
  std::int64_t outcome = 0;              ///< of the run
  std::uint32_t first = 0, count = 0;    ///< its parameters among Recording::parameters; draws that repeat a law share them
  Index mean = 0;                        ///< in a mean-field run: the mean as variables of its own, from here on ...
  std::uint32_t means = 0;               ///< ... so many; 0 where it does not depend on theta
  std::uint32_t block = 0;               ///< number of the block of draws that it came with, from 1 on; 0 if drawn alone
  Index node = 0;                        ///< the outcome as a variable, or the first of them, once arithmetic asked for it
  bool number = false;                   ///< read as bool or integer
  bool spare = false;                    ///< no arithmetic has asked for the node yet
  Method method = Method::unspecified;   ///< as draw(law, method) said
  std::optional<std::uint64_t> label{};  ///< if it was drawn with one
  std::size_t arguments = 0;             ///< position of the node's partials on the tape ...
  void* edges = nullptr;                 ///< ... or the Edges<T> of the operation that the node belongs to

  double pmf(std::int64_t k) const { return law->pmf(plain, k); }
};

}  // namespace stoat
