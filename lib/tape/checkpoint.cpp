#include <stoat/tape/checkpoint.hpp>

#include <limits>

namespace stoat::detail {

std::int64_t reversible_steps(std::int64_t states, std::int64_t repetitions) {
  if (repetitions < 0) return 0;
  std::int64_t product = 1;
  for (std::int64_t i = 1; i <= std::min(states, repetitions); ++i) {
    const std::int64_t factor = std::max(states, repetitions) + i;
    if (product > std::numeric_limits<std::int64_t>::max() / factor) return std::numeric_limits<std::int64_t>::max();
    product = product * factor / i;
  }
  return product;
}

std::int64_t steps_to_checkpoint(std::int64_t steps, std::int64_t states) {
  // With r the least number of repetitions for all steps: those before the checkpoint should need r - 1 and those behind it,
  // with one state fewer, r (any split within these bounds is optimal).
  std::int64_t r = 0;
  while (reversible_steps(states + 1, r) < steps) ++r;
  return std::clamp<std::int64_t>(std::min(reversible_steps(states + 1, r - 1), steps - reversible_steps(states, r - 1)), 1,
                                  steps - 1);
}

void checkpoint_memory(std::size_t memory, std::size_t needed) {
  throw InvalidArgument("checkpointed_loop: a memory of " + readable_bytes(memory) +
                        " is too small: one recorded step and two states take " + readable_bytes(needed));
}

}  // namespace stoat::detail
