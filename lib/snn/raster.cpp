#include <stoat/snn/raster.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

namespace fs = std::filesystem;

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// A PBM file, read from the front.
class Pbm {
 public:
  Pbm(const fs::path& path, std::string_view content) : path_(path), rest_(content) {}

  SpikeEvents read() {
    const bool plain = rest_.starts_with("P1");
    if (!plain && !rest_.starts_with("P4")) fail("it is no PBM file: it does not begin with P1 or P4");
    rest_.remove_prefix(2);
    const int width = number("width"), height = number("height");
    const auto rows = static_cast<std::size_t>(height), columns = static_cast<std::size_t>(width);
    const std::size_t row_bytes = plain ? columns : (columns + 7) / 8;
    if (!plain) {  // one blank, or a comment up to the end of its line, parts the header from the pixels
      if (rest_.starts_with('#')) skip_comment();
      else if (!rest_.empty() && !is_blank(rest_.front())) fail("no blank follows the height");
      if (!rest_.empty()) rest_.remove_prefix(1);
    }
    // Before anything of that size is allocated. A plain pixel takes a character at least.
    if (rest_.size() / row_bytes < rows)
      fail("it is truncated: " + std::to_string(width) + " x " + std::to_string(height) + " pixels take " +
           std::to_string(row_bytes) + " x " + std::to_string(rows) + " bytes, and " + std::to_string(rest_.size()) + " are left");
    std::vector<Spike> spikes;
    for (int unit = 0; unit < height; ++unit) {
      for (int step = 0; step < width; ++step) {
        const bool black = plain ? plain_pixel(step, unit) : raw_pixel(row_bytes, step, unit);
        if (black) spikes.push_back({step, unit});
      }
    }
    SpikeEvents events(width, height);
    events.add(spikes);
    return events;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw Error("cannot read " + path_.string() + ": " + why); }

  void skip_comment() { rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_of("\n\r"))); }
  void skip_blanks() {
    while (!rest_.empty() && (is_blank(rest_.front()) || rest_.front() == '#')) {
      if (rest_.front() == '#') skip_comment();
      else rest_.remove_prefix(1);
    }
  }

  /// A positive number of the header.
  int number(const std::string& name) {
    if (!rest_.empty() && !is_blank(rest_.front()) && rest_.front() != '#') fail("no blank precedes the " + name);
    skip_blanks();
    int value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error == std::errc::invalid_argument) fail("its " + name + " is missing");
    if (error == std::errc::result_out_of_range || value < 1)
      fail("its " + name + " = " + std::string(rest_.data(), end) + " is outside [1, 2^31)");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  bool plain_pixel(int column, int row) {
    skip_blanks();
    const std::string where = "pixel (" + std::to_string(column) + ", " + std::to_string(row) + ")";
    if (rest_.empty()) fail("it is truncated: it ends before " + where);
    const char c = rest_.front();
    if (c != '0' && c != '1') fail(where + " is '" + c + "', not 0 or 1");
    rest_.remove_prefix(1);
    return c == '1';
  }

  bool raw_pixel(std::size_t row_bytes, int column, int row) const {
    const auto byte =
        static_cast<unsigned char>(rest_[static_cast<std::size_t>(row) * row_bytes + static_cast<std::size_t>(column / 8)]);
    return (byte >> (7 - column % 8) & 1) != 0;
  }

  const fs::path& path_;
  std::string_view rest_;
};

}  // namespace

SpikeEvents read_pbm(const fs::path& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string content;
  for (std::array<char, 1 << 14> buffer; in.read(buffer.data(), buffer.size()), in.gcount() > 0;)
    content.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) throw Error("cannot read " + path.string() + ": " + std::strerror(errno != 0 ? errno : EIO));
  return Pbm(path, content).read();
}

void write_pbm(const fs::path& path, const SpikeEvents& events, std::size_t sample) {
  if (sample >= events.samples())
    throw InvalidArgument("write_pbm: sample " + std::to_string(sample) + " of " + std::to_string(events.samples()) +
                          " does not exist");
  const auto row_bytes = (static_cast<std::size_t>(events.steps()) + 7) / 8;
  std::string pixels(row_bytes * static_cast<std::size_t>(events.units()), '\0');
  for (int step = 0; step < events.steps(); ++step) {
    for (const SpikeEvents::Unit unit : events.at(sample, step)) {
      char& byte = pixels[unit * row_bytes + static_cast<std::size_t>(step / 8)];
      byte = static_cast<char>(byte | 1 << (7 - step % 8));
    }
  }
  report::write_file(path, "P4\n" + std::to_string(events.steps()) + ' ' + std::to_string(events.units()) + '\n' + pixels);
}

}  // namespace stoat::snn
