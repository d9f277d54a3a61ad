// stoat/driver/report.hpp: small tools of the report writers: numbers as text, files, plots.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace stoat::report {

/// At most so many significant digits, independent of the locale; "-" if not finite.
std::string digits(double x, int significant = 3);
/// A number of standard errors: two digits, "∞" of a difference without any error, "-" if it is not a number.
std::string z_text(double z);
/// The shortest text that reads back as the same double; `missing` if not finite.
std::string exact(double x, std::string_view missing = "");
/// Text for HTML, inside and outside quoted attributes.
std::string escape_html(std::string_view text);
/// A CSV field, quoted where necessary.
std::string csv_field(std::string_view text);

/// Lines of columns of equal width, two blanks apart and in front; the first is aligned to the left, the others to the right.
/// `trailing_text`: the last one is text, aligned to the left.
std::string aligned(const std::vector<std::vector<std::string>>& table, bool trailing_text = false);

/// x such that a standard normal exceeds it with probability q in (0, 1).
double normal_upper_quantile(double q);

/// What is to take the place of a file: another one beside it, x.tmp for x, locked as long as this lives. One that a killed process
/// left there is used again.
class Replacement {
 public:
  /// Empty. Throws Error, naming the path, if it cannot be made. If somebody else is at it: `wait`s, or throws.
  Replacement(const std::filesystem::path& path, bool wait);
  /// Without commit() nothing is left of it.
  ~Replacement();
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  const std::filesystem::path& path() const { return temporary_; }
  /// Appends. Throws Error.
  void write(std::string_view content);
  /// Takes the place in one step (fsync, rename, fsync of the folder): after a crash the old content is there or the new one.
  /// Throws Error.
  void commit();

 private:
  [[noreturn]] void fail(const std::string& why) const;
  std::filesystem::path path_, target_, temporary_;
  int file_ = -1;
};

/// Replaces the file in one step, as Replacement does. Throws Error naming the path.
void write_file(const std::filesystem::path& path, std::string_view content);

/// The SVG elements that one gnuplot run made.
struct Plots {
  std::vector<std::string> svg;  ///< empty where a plot failed
  std::string problem;           ///< why there are none; empty if all went well
};
/// Runs one script for all plots; plot i is what the script wrote to 'i.svg' in its working directory.
Plots gnuplot(const std::string& script, std::size_t plots);

/// A picture of so many pixels at `file`, whose ending, .svg or .png, chooses the format. Its data, x.csv, and the gnuplot script,
/// x.gp, lie beside it; the commands name the data by the variable `data`. Throws InvalidArgument for another ending, and Error,
/// naming the file, if one cannot be written, if gnuplot is not installed or if it fails; data and script stay then.
void plot(const std::filesystem::path& file, int width, int height, const std::string& csv, const std::string& commands);
/// Text as a gnuplot string, in single quotes.
std::string gnuplot_text(const std::string& text);

}  // namespace stoat::report
