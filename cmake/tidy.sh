#!/bin/sh
# sh cmake/tidy.sh [SOURCE...]: clang-tidy with the checks of .clang-tidy, on sources in lib/ and the headers that they include; by default
# on all of them, which takes a quarter of an hour of a processor. Nothing is built. Exit status 1: there is something to mend.
# Debian: clang clang-tidy libomp-dev.
set -eu
cd "$(dirname "$0")/.."
command -v clang-tidy >/dev/null || { echo "tidy: clang-tidy is missing (Debian: clang-tidy)" >&2; exit 2; }
cmake -S . -B build-tidy -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
  -DSTOAT_BUILD_TESTS=OFF -DSTOAT_BUILD_EXAMPLES=OFF -DSTOAT_BUILD_BENCHMARKS=OFF >/dev/null
[ $# -gt 0 ] || set -- $(find lib -name '*.cpp' | sort)
# What clang-tidy counts on its way is of no interest.
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p build-tidy 2>/dev/null || { echo "tidy: see above" >&2; exit 1; }
