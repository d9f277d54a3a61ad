#pragma once

#include <stoat/stoat.hpp>

#define MODEL_API __attribute__((visibility("default")))

/// 3 p: the expected cost of a coin.
MODEL_API stoat::Estimate of_coin(double p);
/// Adds a statement to the current tape, which may belong to another library.
MODEL_API stoat::Var<double> twice(const stoat::Var<double>& x);
/// Throws what stoat throws.
MODEL_API void refuse();
