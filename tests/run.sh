#!/bin/sh
# sh tests/run.sh [release|asan|clang|dev|tsan]: installs what is missing, builds everything and runs all tests. The default is
# release, in build/, with clang for the readers under libFuzzer; the others build into build-asan/ and so on. With CI=true
# warnings are errors. Benchmarks and tests of some minutes are left out: ctest --test-dir build -L slow. With sanitizers it takes hours.
set -eu
cd "$(dirname "$0")/.."

preset=${1:-release}
case $preset in
  release) sh cmake/setup.sh clang libclang-rt-dev; build=build ;;
  dev | asan) sh cmake/setup.sh; build=build-$preset ;;
  clang) sh cmake/setup.sh clang libomp-dev; build=build-clang ;;
  tsan) sh cmake/setup.sh clang libclang-rt-dev libomp-dev; build=build-tsan ;;
  *) echo "usage: sh tests/run.sh [release|asan|clang|dev|tsan]" >&2; exit 2 ;;
esac
werror=OFF
[ "${CI-}" = true ] && werror=ON

cmake --preset "$preset" -DSTOAT_WERROR=$werror
cmake --build "$build" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
if [ "$preset" = tsan ]; then
  # libarcher lies beside libomp and tells ThreadSanitizer what that does. Other code that is not compiled here is not looked into.
  libomp=$(readlink -f "$(clang -print-file-name=libomp.so.5)")
  OMP_TOOL_LIBRARIES=$(dirname "$libomp")/libarcher.so TSAN_OPTIONS=ignore_noninstrumented_modules=1:allocator_may_return_null=1
  export OMP_TOOL_LIBRARIES TSAN_OPTIONS
fi
ctest --test-dir "$build" --output-on-failure --no-tests=error -LE slow -j2
