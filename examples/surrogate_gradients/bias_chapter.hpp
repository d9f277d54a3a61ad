// examples/surrogate_gradients/bias_chapter.hpp: beyond the paper: how biased surrogate gradients of networks are, and what of it
// matters.
#pragma once

#include "chapter.hpp"

namespace surrogate_gradients {

Chapter bias_chapter(const Options& options);

}  // namespace surrogate_gradients
