// The text of a file.
#pragma once

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <stoat/error.hpp>

namespace stoat::snn {

/// Throws Error, naming the file, if it cannot be read.
inline std::string file_text(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string content;
  for (std::array<char, 1 << 14> buffer; in.read(buffer.data(), buffer.size()), in.gcount() > 0;)
    content.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) throw Error("cannot read " + path.string() + ": " + std::strerror(errno != 0 ? errno : EIO));
  return content;
}

}  // namespace stoat::snn
