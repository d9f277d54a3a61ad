// stoat/driver/progress.hpp: what a long computation shows while it runs.
#pragma once

namespace stoat {

/// How progress is shown on standard error.
enum class Display {
  automatic,  ///< a bar on a terminal; elsewhere lines, or nothing, as the function says
  bar,        ///< one line that is drawn again and again, with the time left
  lines,      ///< a line for every step that is worth one
  none,
};

}  // namespace stoat
