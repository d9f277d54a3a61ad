// Plain evaluation, and the gradients by hand.
#include <memory>

#include "engine.hpp"

using std::exp, std::log, std::sin, std::tanh;

namespace bench {
namespace {

struct Plain {
  template <class W>
  static void add() {
    const auto w = std::make_shared<W>();
    tasks().push_back(
        {W::name, "plain", W::statements, w->x.size(), [w](std::vector<double>&) { return w->template run<double>(w->x); }, {}});
  }
};
struct HandWritten {
  template <class W>
  static void add() {
    const auto w = std::make_shared<W>();
    tasks().push_back(
        {W::name, "hand-written", W::statements, w->x.size(), [w](std::vector<double>& g) { return w->gradient(g); }, {}});
  }
};
const bool registered = add_engine<Plain>() && add_engine<HandWritten>();

}  // namespace
}  // namespace bench
