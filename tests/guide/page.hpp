// Runs the programs of a page and compares what they print with what the page says.
#pragma once

#include <charconv>
#include <cmath>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

struct PageProgram {
  void (*run)();
  const char* printed;
};

/// What a program writes to std::cout.
inline std::string output_of(void (*run)()) {
  std::ostringstream out;
  std::streambuf* const screen = std::cout.rdbuf(out.rdbuf());
  const std::ios format(nullptr);
  std::cout.copyfmt(format);
  try {
    run();
  } catch (const std::exception& error) { out << "threw: " << error.what() << '\n'; }
  std::cout.rdbuf(screen);
  return out.str();
}

inline std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> list;
  for (std::string word; in >> word;) list.push_back(word);
  return list;
}

/// Numbers agree to a part in a thousand, anything else letter by letter: sums may differ in their last digits between processors.
inline bool agree(const std::string& a, const std::string& b) {
  const auto number = [](const std::string& text, double& x) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
    return error == std::errc() && std::string_view(end).find_first_not_of(",") == std::string_view::npos;
  };
  double x = 0, y = 0;
  if (!number(a, x) || !number(b, y)) return a == b;
  return std::abs(x - y) <= 1e-3 * std::max(std::abs(x), std::abs(y));
}

/// The exit status.
inline int check_page(const std::vector<PageProgram>& programs, bool print) {
  int wrong = 0, number = 0;
  for (const PageProgram& program : programs) {
    ++number;
    const std::string printed = output_of(program.run);
    if (print) {
      std::cout << "--- program " << number << '\n' << printed;
      continue;
    }
    const std::vector<std::string> here = words(printed), there = words(program.printed);
    bool same = !there.empty() && here.size() == there.size();
    for (std::size_t i = 0; same && i < here.size(); ++i) same = agree(here[i], there[i]);
    if (same) continue;
    ++wrong;
    std::cout << "program " << number << " prints\n" << printed << "and the page says\n" << program.printed << '\n';
  }
  return wrong > 0;
}
