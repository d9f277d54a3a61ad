#include <stoat/driver/checkpoint_file.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

namespace stoat::detail {
namespace {

using nlohmann::json;

std::uint64_t checksum(const Bytes& bytes) {
  Hash hash;
  for (const std::uint8_t byte : bytes) hash.add(std::uint64_t{byte});
  return hash.value();
}

}  // namespace

Bytes packed(const Eigen::Ref<const Eigen::VectorXd>& numbers) {
  Bytes bytes;
  bytes.reserve(static_cast<std::size_t>(numbers.size()) * 8);
  for (const double x : numbers)
    for (int shift = 0; shift < 64; shift += 8)
      bytes.push_back(static_cast<std::uint8_t>(std::bit_cast<std::uint64_t>(x) >> shift));
  return bytes;
}

Eigen::VectorXd unpacked(std::span<const std::uint8_t> bytes) {
  if (bytes.size() % 8 != 0) throw Error(std::to_string(bytes.size()) + " bytes are no numbers of eight bytes each");
  Eigen::VectorXd numbers(static_cast<Eigen::Index>(bytes.size() / 8));
  for (std::size_t i = 0; i < bytes.size() / 8; ++i) {
    std::uint64_t word = 0;
    for (std::size_t k = 8; k-- > 0;) word = word << 8 | bytes[8 * i + k];
    numbers[static_cast<Eigen::Index>(i)] = std::bit_cast<double>(word);
  }
  return numbers;
}

void write_checkpoint(const std::filesystem::path& path, std::string_view format, const Bytes& content) {
  const Bytes file = json::to_cbor({{"format", format}, {"checksum", checksum(content)}, {"content", json::binary(content)}});
  report::write_file(path, {reinterpret_cast<const char*>(file.data()), file.size()});
}

Bytes read_checkpoint(const std::filesystem::path& path, std::string_view format) {
  const std::string name = "checkpoint " + path.string();
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw Error(name + ": it cannot be read");
  try {
    const json file = json::from_cbor(bytes);
    if (const json& there = file.at("format"); there != format)
      throw Error(name + ": it has another format: " + there.dump() + " instead of \"" + std::string(format) + '"');
    Bytes content = file.at("content").get_binary();
    if (checksum(content) != file.at("checksum")) throw Error(name + ": it is damaged: its checksum is wrong");
    return content;
  } catch (const json::exception& error) { throw Error(name + ": it is damaged, or no checkpoint (" + error.what() + ")"); }
}

std::string differences(const std::string& there_text, const std::string& here_text) {
  const json there = json::parse(there_text), here = json::parse(here_text);
  const json patch = json::diff(there, here);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(patch.size(), 5); ++i) {
    const json& change = patch[i];
    const std::string path = change.at("path").get<std::string>();
    text += (i > 0 ? "; " : "") + path.substr(1);
    if (path.ends_with("/checksum")) {
      text += " differs";
      continue;
    }
    const std::string old = change.at("op") == "add" ? "missing" : there.at(json::json_pointer(path)).dump();
    text += " is " + old + " there and " + (change.contains("value") ? change.at("value").dump() : "missing") + " here";
  }
  return text + (patch.size() > 5 ? "; ..." : "");
}

}  // namespace stoat::detail
