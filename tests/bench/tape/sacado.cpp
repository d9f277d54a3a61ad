// Sacado's reverse mode (Rad).
#ifdef STOAT_BENCH_SACADO
#include <Sacado_trad.hpp>

#include <memory>

#include "engine.hpp"

namespace bench {

using Rad = Sacado::Rad::ADvar<double>;
template <>
struct NumberOf<Rad> {
  static double get(const Rad& x) { return x.val(); }
};

namespace {

struct SacadoRad {
  template <class W>
  static void add() {
    struct State {
      W workload;
      std::vector<Rad> x;
    };
    const auto state = std::make_shared<State>();
    tasks().push_back({W::name,
                       "Sacado",
                       W::statements,
                       state->workload.x.size(),
                       [state](std::vector<double>& g) {
                         const auto& x = state->workload.x;
                         state->x.assign(x.begin(), x.end());
                         const Rad y = state->workload.template run<Rad>(state->x);
                         const double value = y.val();
                         Rad::Gradcomp();
                         for (std::size_t i = 0; i < g.size(); ++i) g[i] = state->x[i].adj();
                         return value;
                       },
                       {}});
  }
};
const bool registered = add_engine<SacadoRad>();

}  // namespace
}  // namespace bench
#endif
