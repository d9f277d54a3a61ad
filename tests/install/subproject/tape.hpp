#pragma once

/// 1, by way of a tape of its own. In the library and in the program.
double one();
