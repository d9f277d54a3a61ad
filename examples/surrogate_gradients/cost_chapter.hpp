// examples/surrogate_gradients/cost_chapter.hpp: beyond the paper: what an unbiased gradient of a network costs.
#pragma once

#include "chapter.hpp"

namespace surrogate_gradients {

Chapter cost_chapter(const Options& options);

}  // namespace surrogate_gradients
