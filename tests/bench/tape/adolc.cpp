// ADOL-C at its best: buffers large enough to stay in memory and no larger, since it pays for their size with every recording;
// no variables from other gradients alive, since it records the values of all of them.
#ifdef STOAT_BENCH_ADOLC
#include <adolc/adolc.h>

#include <memory>

#include "engine.hpp"

namespace bench {

template <>
struct NumberOf<adouble> {
  static double get(const adouble& x) { return x.value(); }
};

namespace {

struct AdolC {
  template <class W>
  static void add() {
    struct State {
      W workload;
      short tag;
    };
    static short tags = 0;
    const auto state = std::make_shared<State>();
    state->tag = tags++;
    tasks().push_back({W::name,
                       "ADOL-C",
                       W::statements,
                       state->workload.x.size(),
                       [state](std::vector<double>& g) {
                         const std::size_t n = g.size();
                         std::vector<adouble> x(n);
                         // Buffers in elements: operations, locations, values, Taylor coefficients.
                         const auto size = static_cast<unsigned>(8 * static_cast<std::size_t>(W::statements) + 4 * n + 1024);
                         trace_on(state->tag, 1, size, 4 * size, size, size, 0);
                         for (std::size_t i = 0; i < n; ++i) x[i] <<= state->workload.x[i];
                         adouble y = state->workload.template run<adouble>(x);
                         double value = 0;
                         y >>= value;
                         trace_off();
                         double seed = 1;
                         fos_reverse(state->tag, 1, static_cast<int>(n), &seed, g.data());
                         return value;
                       },
                       {}});
  }
};
const bool registered = add_engine<AdolC>();

}  // namespace
}  // namespace bench
#endif
