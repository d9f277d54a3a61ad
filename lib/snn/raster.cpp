#include <stoat/snn/raster.hpp>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

#include "file_text.hpp"

namespace stoat::snn {
namespace {

namespace fs = std::filesystem;

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// A picture of netpbm, read from the front: PBM, black and white, or PGM, shades of grey.
class Picture {
 public:
  Picture(const fs::path& path, std::string_view content) : path_(path), rest_(content) {}

  /// A pixel is a spike if it is black, or, in shades, darker than this fraction of white.
  SpikeEvents read_black() {
    begin("PBM", "P1", "P4");
    const int width = number("width"), height = number("height");
    const std::size_t row_bytes = plain_ ? static_cast<std::size_t>(width) : (static_cast<std::size_t>(width) + 7) / 8;
    require(width, height, row_bytes);
    return events(width, height,
                  [&](int step, int unit) { return plain_ ? plain_pixel(step, unit) : raw_pixel(row_bytes, step, unit); });
  }
  SpikeEvents read_dark(double threshold) {
    begin("PGM", "P2", "P5");
    const int width = number("width"), height = number("height"), white = number("largest value");
    if (white > 65535) fail("its largest value = " + std::to_string(white) + " is outside [1, 65535]");
    const std::size_t bytes = white < 256 ? 1 : 2;
    // A plain number takes a digit and a blank, but for the last one.
    require(width, height, static_cast<std::size_t>(width) * (plain_ ? 1 : bytes));
    return events(width, height, [&](int step, int unit) {
      const int shade = plain_ ? plain_shade(step, unit) : raw_shade(bytes, width, step, unit);
      if (shade > white)
        fail(where(step, unit) + " is " + std::to_string(shade) + ", and the largest value " + std::to_string(white));
      return shade < threshold * white;
    });
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw Error("cannot read " + path_.string() + ": " + why); }
  static std::string where(int column, int row) { return "pixel (" + std::to_string(column) + ", " + std::to_string(row) + ")"; }

  void begin(const std::string& kind, const std::string& plain, const std::string& raw) {
    plain_ = rest_.starts_with(plain);
    if (!plain_ && !rest_.starts_with(raw)) fail("it is no " + kind + " file: it does not begin with " + plain + " or " + raw);
    rest_.remove_prefix(2);
  }
  /// After the header: are there as many bytes as the pixels take? Before anything of that size is allocated. A plain pixel takes a
  /// character at least.
  void require(int width, int height, std::size_t row_bytes) {
    if (!plain_) {  // one blank, or a comment up to the end of its line, parts the header from the pixels
      if (rest_.starts_with('#')) skip_comment();
      else if (!rest_.empty() && !is_blank(rest_.front())) fail("no blank follows the " + last_);
      if (!rest_.empty()) rest_.remove_prefix(1);
    }
    if (rest_.size() / row_bytes < static_cast<std::size_t>(height))
      fail("it is truncated: " + std::to_string(width) + " x " + std::to_string(height) + " pixels take " +
           std::to_string(row_bytes) + " x " + std::to_string(height) + " bytes, and " + std::to_string(rest_.size()) +
           " are left");
  }
  template <class Spikes>
  static SpikeEvents events(int width, int height, const Spikes& spike) {
    std::vector<Spike> spikes;
    for (int unit = 0; unit < height; ++unit)
      for (int step = 0; step < width; ++step)
        if (spike(step, unit)) spikes.push_back({step, unit});
    SpikeEvents events(width, height);
    events.add(spikes);
    return events;
  }

  void skip_comment() { rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_of("\n\r"))); }
  void skip_blanks() {
    while (!rest_.empty() && (is_blank(rest_.front()) || rest_.front() == '#')) {
      if (rest_.front() == '#') skip_comment();
      else rest_.remove_prefix(1);
    }
  }

  /// A positive number of the header.
  int number(const std::string& name) {
    last_ = name;
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
    if (rest_.empty()) fail("it is truncated: it ends before " + where(column, row));
    const char c = rest_.front();
    if (c != '0' && c != '1') fail(where(column, row) + " is '" + c + "', not 0 or 1");
    rest_.remove_prefix(1);
    return c == '1';
  }
  bool raw_pixel(std::size_t row_bytes, int column, int row) const {
    return (byte(static_cast<std::size_t>(row) * row_bytes + static_cast<std::size_t>(column / 8)) >> (7 - column % 8) & 1) != 0;
  }
  int plain_shade(int column, int row) {
    skip_blanks();
    if (rest_.empty()) fail("it is truncated: it ends before " + where(column, row));
    int value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) fail(where(column, row) + " is no number of a shade");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (!rest_.empty() && !is_blank(rest_.front()) && rest_.front() != '#') fail(where(column, row) + " is no number of a shade");
    return value;
  }
  /// Two bytes: the higher one first.
  int raw_shade(std::size_t bytes, int width, int column, int row) const {
    const std::size_t at =
        (static_cast<std::size_t>(row) * static_cast<std::size_t>(width) + static_cast<std::size_t>(column)) * bytes;
    return bytes == 1 ? byte(at) : byte(at) << 8 | byte(at + 1);
  }
  int byte(std::size_t at) const { return static_cast<unsigned char>(rest_[at]); }

  const fs::path& path_;
  std::string_view rest_;
  bool plain_ = false;
  std::string last_;  ///< of the header's numbers
};

}  // namespace

SpikeEvents read_pbm(const fs::path& path) {
  const std::string content = file_text(path);
  return Picture(path, content).read_black();
}

SpikeEvents read_pgm(const fs::path& path, double threshold) {
  if (!(threshold > 0 && threshold <= 1)) throw InvalidArgument("read_pgm: " + outside("threshold", threshold, "(0, 1]"));
  const std::string content = file_text(path);
  return Picture(path, content).read_dark(threshold);
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
