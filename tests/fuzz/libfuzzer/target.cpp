// The libFuzzer target: what it makes up is read by the reader named by the environment variable STOAT_READER.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/readers.hpp"

namespace {

const fuzz::Reader* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* const name = std::getenv("STOAT_READER");
  for (const fuzz::Reader& reader : fuzz::readers())
    if (name && std::string_view(name) == reader.name) chosen = &reader;
  if (chosen) return 0;
  std::fputs("STOAT_READER must be one of:", stderr);
  for (const fuzz::Reader& reader : fuzz::readers()) std::fprintf(stderr, " %s", reader.name);
  std::fputs("\n", stderr);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepts(*chosen, {reinterpret_cast<const char*>(data), size});
  return 0;
}
