// stoat/driver/checkpoint_file.hpp: files from which a long computation goes on.
//
// A file is CBOR: the name and version of its format, a checksum, and the content as bytes. What the content means is the matter
// of whoever wrote it. It is replaced in one step, so that an interruption leaves the old file or the new one.
#pragma once

#include <bit>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <Eigen/Core>

namespace stoat::detail {

/// FNV-1a over whatever numbers come. Every step is a bijection, so a change of one number shows.
class Hash {
 public:
  void add(std::uint64_t number) { hash_ = (hash_ ^ number) * 0x100000001b3; }
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

using Bytes = std::vector<std::uint8_t>;

/// Eight bytes a number, the lowest first, on every machine.
Bytes packed(const Eigen::Ref<const Eigen::VectorXd>& numbers);
/// Throws Error if the bytes are no whole numbers.
Eigen::VectorXd unpacked(std::span<const std::uint8_t> bytes);

/// `format`: "stoat training 1". Throws Error, naming the file, if it cannot be written.
void write_checkpoint(const std::filesystem::path& path, std::string_view format, const Bytes& content);
/// The content. Throws Error, naming the file, if it cannot be read, has another format, or is damaged.
Bytes read_checkpoint(const std::filesystem::path& path, std::string_view format);

/// "batch is 100 there and 200 here; data/checksum differs": the first few differences of two JSON texts.
std::string differences(const std::string& there, const std::string& here);

}  // namespace stoat::detail
