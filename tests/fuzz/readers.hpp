// The readers of files, each as a function of bytes: it returns, or throws Error. Anything else is a fault.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace fuzz {

struct Reader {
  const char* name;  ///< and the folder of its corpus
  void (*read)(std::string_view bytes);
};

/// Those of this build: without HDF5 there are fewer.
const std::vector<Reader>& readers();
/// Runs one on these bytes. True if they made sense; false if they were refused with an Error.
bool accepts(const Reader& reader, std::string_view bytes);

}  // namespace fuzz
