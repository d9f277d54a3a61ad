#include <stoat/driver/report.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stoat/error.hpp>

namespace stoat::report {

namespace fs = std::filesystem;

std::string digits(double x, int significant) {
  if (!std::isfinite(x)) return "-";
  std::array<char, 64> text{};
  const double size = std::abs(x);
  const bool integer = size >= std::pow(10.0, significant - 1) && size < 1e7;
  const auto end = integer ? std::to_chars(text.begin(), text.end(), x, std::chars_format::fixed, 0)
                           : std::to_chars(text.begin(), text.end(), x, std::chars_format::general, significant);
  return {text.data(), end.ptr};
}

std::string z_text(double z) { return std::isinf(z) ? "∞" : digits(z, 2); }

std::string exact(double x, std::string_view missing) {
  if (!std::isfinite(x)) return std::string(missing);
  std::array<char, 64> text{};
  return {text.data(), std::to_chars(text.begin(), text.end(), x).ptr};
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string aligned(const std::vector<std::vector<std::string>>& table, bool trailing_text) {
  const auto width = [](const std::string& text) {  // characters on the terminal (UTF-8)
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  };
  std::vector<std::size_t> widths;
  for (const auto& line : table) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t j = 0; j < line.size(); ++j) widths[j] = std::max(widths[j], width(line[j]));
  }
  std::string out;
  for (const auto& line : table) {
    for (std::size_t j = 0; j < line.size(); ++j) {
      const std::string pad(widths[j] - width(line[j]), ' ');
      if (trailing_text && j + 1 == line.size()) out += "  " + line[j];
      else out += "  " + (j == 0 ? line[j] + pad : pad + line[j]);
    }
    out += '\n';
  }
  return out;
}

double normal_upper_quantile(double q) {
  double low = -40, high = 40;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::sqrt(2.0)) / 2 > q ? low : high) = middle;
  }
  return (low + high) / 2;
}

namespace {

/// 0, or what went wrong.
int append(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written >= 0) content.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR) return errno;
  }
  return 0;
}

/// Whether the name still belongs to the open file.
bool is_named(int file, const fs::path& name) {
  struct stat here = {}, there = {};
  return ::fstat(file, &here) == 0 && ::stat(name.c_str(), &there) == 0 && here.st_dev == there.st_dev &&
         here.st_ino == there.st_ino;
}

}  // namespace

Replacement::Replacement(const fs::path& path, bool wait) : path_(path) {
  std::error_code error;
  if (path.empty()) fail("empty path");
  if (fs::is_directory(path, error)) fail("it is a directory");
  target_ = fs::exists(path, error) ? fs::canonical(path) : path;  // keep symbolic links
  temporary_ = target_;
  temporary_ += ".tmp";
  do {
    if (file_ >= 0) ::close(file_);  // whoever had locked it has put it in its place
    file_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) fail(std::strerror(errno));
    int status = 0;
    do status = ::flock(file_, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    while (status != 0 && errno == EINTR);
    if (status != 0 && errno == EWOULDBLOCK) {
      ::close(file_);
      fail("somebody else is writing it");
    }
  } while (!is_named(file_, temporary_));
  if (::ftruncate(file_, 0) != 0) {
    const int code = errno;
    ::close(file_);
    fail(std::strerror(code));
  }
}

Replacement::~Replacement() {
  if (file_ < 0) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
  ::close(file_);
}

void Replacement::fail(const std::string& why) const { throw Error("cannot write " + path_.string() + ": " + why); }

void Replacement::write(std::string_view content) {
  if (const int code = append(file_, content)) fail(std::strerror(code));
}

void Replacement::commit() {
  if (::fsync(file_) != 0) fail(std::strerror(errno));
  std::error_code error;
  fs::rename(temporary_, target_, error);
  if (error) fail(error.message());
  ::close(std::exchange(file_, -1));
  // The new name is durable once its folder is. Not all file systems can do that, and the content is written in any case.
  const int folder = ::open(target_.has_parent_path() ? target_.parent_path().c_str() : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  ::fsync(folder);
  ::close(folder);
}

void write_file(const fs::path& path, std::string_view content) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error) && !fs::is_directory(path, error)) {
    // A pipe or a device: nothing to replace.
    const int out = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    int code = out < 0 ? errno : append(out, content);
    if (out >= 0 && ::close(out) != 0 && code == 0) code = errno;
    if (code != 0) throw Error("cannot write " + path.string() + ": " + std::strerror(code));
    return;
  }
  Replacement file(path, true);
  file.write(content);
  file.commit();
}

namespace {

/// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::error_code error;
    std::string name = (fs::temp_directory_path(error) / "stoat-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

/// The svg element alone, black drawn in the colour of the page's text.
std::string inline_svg(std::string file) {
  const std::size_t begin = file.find("<svg"), end = file.rfind("</svg>");
  if (begin == std::string::npos || end == std::string::npos) return {};
  file = file.substr(begin, end + 6 - begin);
  for (const char* black : {"\"black\"", "'black'", "\"rgb(  0,   0,   0)\"", "'rgb(  0,   0,   0)'"})
    replace_all(file, black, "\"currentColor\"");
  return file;
}

std::string shell_quoted(std::string text) {
  replace_all(text, "'", "'\\''");
  return "'" + text + "'";
}

/// Runs a shell command: its output, on both channels, and its exit status; none if no shell could be started.
struct Finished {
  std::string output;
  int status = -1;
};
Finished run_shell(const std::string& command) {
  Finished finished;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return finished;
  std::array<char, 512> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) finished.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return finished;
}

}  // namespace

Plots gnuplot(const std::string& script, std::size_t plots) {
  Plots result{std::vector<std::string>(plots), ""};
  if (plots == 0) return result;
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) {
    result.problem = "gnuplot is not installed";
    return result;
  }
  const TemporaryDirectory directory;
  if (directory.path().empty()) {
    result.problem = "no temporary directory could be made";
    return result;
  }
  std::ofstream(directory.path() / "plots.gp") << script << "\nunset output\n";
  const std::string command = "cd " + shell_quoted(directory.path().string()) + " && gnuplot -d plots.gp >log 2>&1";
  if (std::system(command.c_str()) != 0) result.problem = "gnuplot failed: " + read(directory.path() / "log").substr(0, 400);
  for (std::size_t i = 0; i < plots; ++i) result.svg[i] = inline_svg(read(directory.path() / (std::to_string(i) + ".svg")));
  if (result.problem.empty() && std::any_of(result.svg.begin(), result.svg.end(), [](const auto& s) { return s.empty(); })) {
    result.problem = "gnuplot left out some plots: " + read(directory.path() / "log").substr(0, 400);
  }
  return result;
}

std::string gnuplot_text(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

void plot(const fs::path& file, int width, int height, const std::string& csv, const std::string& commands) {
  const bool svg = file.extension() == ".svg";
  if (!svg && file.extension() != ".png")
    throw InvalidArgument("cannot plot to " + file.string() + ": it ends in neither .svg nor .png");
  fs::path data = file, script = file;
  data.replace_extension(".csv");
  script.replace_extension(".gp");
  const std::string size = std::to_string(width) + "," + std::to_string(height);
  write_file(data, csv);
  write_file(script, (svg ? "set terminal svg size " + size + " dynamic font 'sans,13' background 'white'\n"
                          : "set terminal pngcairo size " + size + " font 'sans,11'\n") +
                         "set output " + gnuplot_text(file.filename().string()) +
                         "\ndata = " + gnuplot_text(data.filename().string()) +
                         "\nset datafile separator ','\nset encoding utf8\nset tics out nomirror\n" + commands);

  const auto fail = [&](const std::string& why) {
    std::error_code ignored;
    fs::remove(file, ignored);
    throw Error("cannot plot to " + file.string() + ": " + why);
  };
  const std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
  const Finished run =
      run_shell("{ cd " + shell_quoted(folder) + " && gnuplot -d " + shell_quoted("./" + script.filename().string()) + "; } 2>&1");
  if (run.status == 127) fail("gnuplot is not installed");
  std::error_code error;
  if (run.status != 0 || fs::file_size(file, error) == 0 || error) fail("gnuplot failed: " + run.output.substr(0, 400));
}

}  // namespace stoat::report
