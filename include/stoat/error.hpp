// stoat/error.hpp: the exceptions of the library.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace stoat {

/// Something went wrong while a program was run, recorded or differentiated.
/// The message names the culprit, its value, the allowed range and, inside a program, the site and the run.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A parameter, option or argument is outside its allowed range.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// An estimator met a program that it cannot differentiate. Comparisons list it as skipped, with this message as the reason.
class Refusal : public Error {
 public:
  using Error::Error;
};

/// "p = 1.2 is outside [0, 1]": the wording of every complaint about a number.
inline std::string outside(std::string_view name, double value, std::string_view range) {
  std::ostringstream text;
  text << name << " = " << value << " is outside " << range;
  return text.str();
}

}  // namespace stoat
