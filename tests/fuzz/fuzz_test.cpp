// The corpus of every reader, as it is and with thousands of random changes, the same ones in every run. For changes that look for
// new paths through the code see libfuzzer/ (the preset "fuzz").
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <stoat/random/philox.hpp>

#include "files.hpp"
#include "readers.hpp"

namespace {

std::vector<std::filesystem::path> corpus(const std::string& reader) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(STOAT_CORPUS) / reader))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// One to three changes: a byte, a bit, a number of four bytes, an end that is cut off, or a stretch that is copied elsewhere.
std::string changed(std::string bytes, stoat::Generator& words) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(words.uniform() * static_cast<double>(n)); };
  for (std::size_t k = 1 + below(3); k > 0 && !bytes.empty(); --k) {
    const std::size_t at = below(bytes.size()), length = std::min(bytes.size() - at, 1 + below(16));
    switch (below(10)) {
      case 0: bytes.resize(at); break;
      case 1: bytes.insert(below(bytes.size()), bytes.substr(at, length)); break;
      case 2: bytes.erase(at, length); break;
      case 3: std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(4, length), '\xff'); break;
      case 4: bytes[at] = "0123456789 \n.-#eP"[below(17)]; break;
      case 5:
      case 6: bytes[at] = static_cast<char>(below(256)); break;
      default: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("readers refuse what makes no sense, and nothing worse happens") {
  for (const fuzz::Reader& reader : fuzz::readers()) {
    const std::string name = reader.name;
    CAPTURE(name);
    const std::vector<std::filesystem::path> files = corpus(name);
    REQUIRE_FALSE(files.empty());
    // What begins with "bad" was found to be a fault once, or is a kind of damage of its own.
    int good = 0, refused = 0;
    for (const auto& file : files) {
      const bool expected = file.filename().string().substr(0, 3) != "bad";
      CAPTURE(file.filename().string());
      CHECK(fuzz::accepts(reader, content(file)) == expected);
      good += expected;
    }
    REQUIRE(good > 0);
    const int changes = 2000 / static_cast<int>(files.size());
    for (std::size_t k = 0; k < files.size(); ++k) {
      const std::string bytes = content(files[k]);
      for (int i = 0; i < changes; ++i) {
        stoat::Generator words({k, static_cast<std::uint64_t>(i), stoat::Purpose::data});
        try {
          refused += !fuzz::accepts(reader, changed(bytes, words));
        } catch (const std::exception& error) {
          FAIL_CHECK("change " << i << " of " << files[k].string() << ": " << std::string(error.what()));
        }
      }
    }
    CHECK(refused > 50);
  }
}
