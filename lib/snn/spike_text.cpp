#include <stoat/snn/spike_text.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

#include "file_text.hpp"

namespace stoat::snn {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// The next word of a line, which is taken off it; empty at the end.
std::string_view word(std::string_view& line) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  std::size_t size = 0;
  while (size < line.size() && !is_blank(line[size])) ++size;
  const std::string_view found = line.substr(0, size);
  line.remove_prefix(size);
  return found;
}

template <class T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// A word as a message shows it.
std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 40)) + (text.size() > 40 ? "...'" : "'"); }

}  // namespace

SpikeEvents read_spikes(const std::filesystem::path& path, int units, double dt, int steps) {
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument("read_spikes: " + outside("dt", dt, "(0, infinity)"));
  SpikeEvents events(steps, units);
  const std::string content = file_text(path);
  std::vector<Spike> spikes;
  std::size_t number = 0;
  for (std::string_view rest = content; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ++number;
    const auto fail = [&](const std::string& why) {
      throw Error("cannot read " + path.string() + ": line " + std::to_string(number) + ": " + why);
    };
    line = line.substr(0, line.find('#'));
    const std::string_view first = word(line), second = word(line), third = word(line);
    if (first.empty()) continue;
    double time = 0;
    int unit = 0;
    if (!parse(first, time)) fail("the time " + quoted(first) + " is no number");
    if (second.empty()) fail("the unit is missing");
    if (!parse(second, unit)) fail("the unit " + quoted(second) + " is no integer");
    if (!third.empty()) fail(quoted(third) + " follows the unit");
    if (!(time >= 0 && std::isfinite(time))) fail(outside("time", time, "[0, infinity)"));
    if (unit < 0 || unit >= units) fail(outside("unit", unit, "[0, " + std::to_string(units) + ")"));
    if (time / dt < steps) spikes.push_back({static_cast<int>(time / dt), unit});
  }
  events.add(spikes);
  return events;
}

void write_spikes(const std::filesystem::path& path, const SpikeEvents& events, double dt, std::size_t sample) {
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument("write_spikes: " + outside("dt", dt, "(0, infinity)"));
  if (sample >= events.samples())
    throw InvalidArgument("write_spikes: sample " + std::to_string(sample) + " of " + std::to_string(events.samples()) +
                          " does not exist");
  std::string text = "# time unit\n";
  for (int step = 0; step < events.steps(); ++step)
    for (const SpikeEvents::Unit unit : events.at(sample, step))
      text += report::exact((step + 0.5) * dt) + ' ' + std::to_string(unit) + '\n';
  report::write_file(path, text);
}

}  // namespace stoat::snn
