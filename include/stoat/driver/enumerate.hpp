// stoat/driver/enumerate.hpp: exact values and gradients of small programs.
#pragma once

#include <stoat/driver/comparison.hpp>
#include <stoat/estimators/enumeration.hpp>

namespace stoat {

/// Every outcome of a small program: its exact value and gradient. Throws Refusal if there are too many (see Enumeration).
Exact enumerate(const Program<double>& program, const Eigen::VectorXd& theta, const Enumeration& options = {});

}  // namespace stoat
