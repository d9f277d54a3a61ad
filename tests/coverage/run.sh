#!/bin/sh
# sh tests/coverage/run.sh [--missing]: builds library and tests with counters (g++, the preset `coverage`, in build-coverage/), runs all
# tests but the slow ones, and says what share of the lines of lib/ and include/ they run, file by file; --missing also lists the
# lines that they do not. Exit status 1: less than 95 %. Half an hour of two cores.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset coverage
cmake --build build-coverage --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
find build-coverage -name '*.gcda' -delete
# Threads would wait for each other's counters.
OMP_NUM_THREADS=1 ctest --test-dir build-coverage --output-on-failure -LE slow -j2
python3 tests/coverage/lines.py build-coverage "$@"
