// Every program of the gallery beside its plain twin: differentiating must not make a simulation longer.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace {

/// Lines that are neither blank nor comments. The gallery writes comments with // only.
int lines_of_code(const std::filesystem::path& path) {
  std::ifstream in(path);
  REQUIRE_MESSAGE(in, "cannot read ", path.string());
  int lines = 0;
  for (std::string line; std::getline(in, line);) {
    CHECK_MESSAGE(line.find("/*") == std::string::npos, "a block comment in ", path.string());
    const auto text = line.find_first_not_of(" \t");
    if (text != std::string::npos && line.compare(text, 2, "//") != 0) ++lines;
  }
  return lines;
}

}  // namespace

TEST_CASE("a program has at most 1.3 times the lines of its plain twin") {
  int programs = 0;
  for (const auto& folder : std::filesystem::directory_iterator(STOAT_EXAMPLES)) {
    const std::filesystem::path program = folder.path() / "program.hpp", plain = folder.path() / "plain.hpp";
    if (!std::filesystem::exists(program)) continue;
    ++programs;
    CAPTURE(folder.path().filename().string());
    const int lines = lines_of_code(program), plain_lines = lines_of_code(plain);
    CAPTURE(lines);
    CAPTURE(plain_lines);
    CHECK(lines <= 1.3 * plain_lines);
    for (const char* file : {"main.cpp", "README.md"}) CHECK(std::filesystem::exists(folder.path() / file));
  }
  CHECK(programs >= 1);
}
