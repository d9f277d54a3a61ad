#include <stoat/estimators/enumeration.hpp>

#include <vector>

namespace stoat {

namespace {

/// Moves the last outcome of the path to the next one worth a visit; false if there is none.
template <class T>
bool advance(Trace<T>& trace, std::vector<std::int64_t>& path, double before, bool impossible, double tail,
             std::vector<double>& derivative) {
  const std::size_t i = path.size() - 1;
  const Site& s = trace.site(i);
  const Support support = s.law->support(s.plain);
  std::int64_t& k = path[i];
  std::int64_t zero = support.lower - 1;  // last outcome of probability 0 that was visited
  std::int64_t end = support.upper;
  if (s.pmf(k) > 0) {
    for (std::int64_t y = k + 1; y <= support.upper; ++y) {
      const double q = s.pmf(y);
      if (q > 0 && before * q >= tail) {
        k = y;
        return true;
      }
      // The end of an infinite law is where all that is left has a negligible probability (a survival by default is 1 - cdf,
      // which may stay above 0 by rounding).
      if (!support.finite()) {
        const double rest = s.law->survival(s.plain, y);
        if (before * rest < tail || (q == 0 && rest < 1e-12)) {
          end = y;
          break;
        }
      }
    }
  } else {
    zero = k;
    if (!support.finite()) return false;
  }
  if (impossible || s.count == 0) return false;  // with two factors 0 no derivative survives
  static thread_local std::vector<Weight> weights;
  for (std::int64_t y = zero + 1; y <= end; ++y) {
    if (s.pmf(y) != 0) continue;
    derivative.resize(s.count);
    s.law->pmf_derivative(s.plain, y, derivative);
    weights.clear();
    for (std::uint32_t j = 0; j < s.count; ++j) weights.push_back({j, derivative[j]});
    if (trace.moves(i, weights)) {
      k = y;
      return true;
    }
  }
  return false;
}

/// Adds the terms of all sequences of outcomes for one datum, times `share`.
template <class T>
void enumerate_datum(const Enumeration& options, Trace<T>& trace, const SampleContext& context, double share, std::size_t& leaves,
                     GradientDraw& out) {
  std::vector<std::int64_t> path;  // outcomes that the next run is forced to
  std::vector<double> p, before, derivative;
  std::vector<std::size_t> impossible;
  for (;;) {
    const double f = static_cast<double>(trace.record_lowest(context.key(), path));
    if (++leaves > options.max_leaves)
      throw Refusal("Enumeration: more than " + std::to_string(options.max_leaves) +
                    " sequences of outcomes; raise max_leaves or sample");
    const std::size_t n = trace.sites();
    p.resize(n);
    double probability = share;
    std::size_t zeros = 0, zero_site = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const Site& s = trace.site(i);
      if (!s.law->support(s.plain).finite() && options.tail == 0)
        throw Refusal("Enumeration: " + std::string(s.law->name) + " has infinitely many outcomes (site " + std::to_string(i) +
                      "); set `tail` to leave out improbable ones");
      p[i] = s.pmf(s.outcome);
      if (p[i] == 0) ++zeros, zero_site = i;
      else probability *= p[i];
    }
    // Seed P f d log P_i at every site; with one factor 0 only its own derivative survives, with two nothing does.
    if (zeros <= 1) {
      trace.begin_sweep();
      if (zeros == 0) {
        trace.seed_cost(static_cast<T>(probability));
        out.value += probability * f;
      }
      for (std::size_t i = 0; i < n; ++i) {
        const Site& s = trace.site(i);
        if (s.count == 0 || (zeros == 1 && i != zero_site)) continue;
        derivative.resize(s.count);
        if (zeros == 0) s.law->score(s.plain, s.outcome, derivative);
        else s.law->pmf_derivative(s.plain, s.outcome, derivative);
        for (std::uint32_t j = 0; j < s.count; ++j)
          if (derivative[j] != 0) trace.seed(i, j, static_cast<T>(probability * f * derivative[j]));
      }
      trace.sweep(out.gradient);
    }
    // The next sequence: the last site that has another outcome worth a visit takes it, later ones start over. The order at
    // a site is: outcomes of positive probability, then those of probability 0 whose probability moves.
    path.resize(n);
    before.assign(n + 1, 1.0);    // probability of the outcomes up to a site, factors 0 apart
    impossible.assign(n + 1, 0);  // number of those factors
    for (std::size_t i = 0; i < n; ++i) {
      path[i] = trace.site(i).outcome;
      before[i + 1] = before[i] * (p[i] == 0 ? 1.0 : p[i]);
      impossible[i + 1] = impossible[i] + (p[i] == 0);
    }
    while (!path.empty() &&
           !advance(trace, path, before[path.size() - 1], impossible[path.size() - 1] > 0, options.tail, derivative))
      path.pop_back();
    if (path.empty()) break;
  }
}

}  // namespace

template <class T>
void Enumeration::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!(tail >= 0 && tail < 1)) throw InvalidArgument("Enumeration: " + outside("tail", tail, "[0, 1)"));
  // Of a program over data: the mean over all of them.
  const std::size_t data = std::max<std::size_t>(1, trace.data());
  out.value = 0;
  std::size_t leaves = 0;
  for (std::size_t datum = 0; datum < data; ++datum) {
    if (trace.data() > 0) trace.set_datum(datum);
    enumerate_datum(*this, trace, context, 1 / static_cast<double>(data), leaves, out);
  }
}

template void Enumeration::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Enumeration::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
