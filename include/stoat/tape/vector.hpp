// stoat/tape/vector.hpp: vectors and matrices with all their operations.
#pragma once

#include <stoat/tape/concatenate.hpp>
#include <stoat/tape/cwise.hpp>
#include <stoat/tape/dense.hpp>
#include <stoat/tape/linear_algebra.hpp>
#include <stoat/tape/product.hpp>
#include <stoat/tape/reduce.hpp>
