// ADOL-C, traceless buffers large enough to stay in memory.
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
      std::vector<adouble> x;
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
                         if (state->x.empty()) state->x.resize(n);
                         // Buffers in elements: operations, locations, values, Taylor coefficients.
                         trace_on(state->tag, 1, std::size_t{1} << 25, std::size_t{1} << 26, std::size_t{1} << 25,
                                  std::size_t{1} << 25, 0);
                         for (std::size_t i = 0; i < n; ++i) state->x[i] <<= state->workload.x[i];
                         adouble y = state->workload.template run<adouble>(state->x);
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
