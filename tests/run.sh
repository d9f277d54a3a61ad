#!/bin/sh
# sh tests/run.sh [release|asan|clang|dev]: installs what is missing, builds everything and runs all tests. The default is
# release, in build/; the others build into build-asan/ and so on. With CI=true warnings are errors. ADOL-C and Sacado, whose
# gradients the benchmark of the tape is checked against, are installed too. Tests of some minutes are left out: ctest --test-dir
# build -L slow.
set -eu
cd "$(dirname "$0")/.."

preset=${1:-release}
peers="libadolc-dev libtrilinos-sacado-dev libtrilinos-kokkos-dev"
case $preset in
  release) sh cmake/setup.sh $peers; build=build ;;
  dev | asan) sh cmake/setup.sh $peers; build=build-$preset ;;
  clang) sh cmake/setup.sh clang libomp-dev $peers; build=build-clang ;;
  *) echo "usage: sh tests/run.sh [release|asan|clang|dev]" >&2; exit 2 ;;
esac
werror=OFF
[ "${CI-}" = true ] && werror=ON

cmake --preset "$preset" -DSTOAT_WERROR=$werror
cmake --build "$build" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
ctest --test-dir "$build" --output-on-failure --no-tests=error -LE slow -j2
