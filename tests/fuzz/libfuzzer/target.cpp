// A libFuzzer target for one reader, STOAT_FUZZ_READER.
#include <cstdint>
#include <cstring>

#include "fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const fuzz::Reader& reader : fuzz::readers())
    if (std::strcmp(reader.name, STOAT_FUZZ_READER) == 0) fuzz::accepts(reader, {reinterpret_cast<const char*>(data), size});
  return 0;
}
