// tests/fuzz/amount.hpp: how much is tried.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace fuzz {

/// The number in an environment variable, or the usual one.
inline std::uint64_t amount(const char* variable, std::uint64_t usual) {
  const char* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : usual;
}

}  // namespace fuzz
