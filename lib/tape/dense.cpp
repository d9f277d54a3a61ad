#include <stoat/tape/dense.hpp>

namespace stoat::detail {

void out_of_range(const char* what, Eigen::Index first, Eigen::Index count, Eigen::Index size) {
  throw InvalidArgument(std::string(what) + ": elements " + std::to_string(first) + " to " + std::to_string(first + count) +
                        " (exclusive) of " + std::to_string(size));
}

void shape_mismatch(const char* what, Eigen::Index a_rows, Eigen::Index a_cols, Eigen::Index b_rows, Eigen::Index b_cols) {
  throw InvalidArgument(std::string(what) + ": shapes " + std::to_string(a_rows) + "x" + std::to_string(a_cols) + " and " +
                        std::to_string(b_rows) + "x" + std::to_string(b_cols) + " do not fit");
}

void no_tape(const char* what) { throw InvalidArgument(std::string(what) + ": variables are made while no tape is current"); }

}  // namespace stoat::detail
