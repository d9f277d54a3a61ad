#!/bin/sh
# sh examples/run.sh [showcase] [argument...]: installs what is missing, builds a showcase (Release, into build/) and runs it
# with the arguments. Without a showcase: compare_estimators. The build reports on stderr, stdout is the program's own.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

showcase=compare_estimators
case ${1-} in
  '' | -*) ;;
  *) showcase=$1; shift ;;
esac

if [ ! -f "$root/examples/$showcase/main.cpp" ]; then
  echo "examples/run.sh: there is no showcase '$showcase'. There are:" >&2
  for main in "$root"/examples/*/main.cpp; do
    [ -f "$main" ] && echo "  $(basename "$(dirname "$main")")" >&2
  done
  exit 2
fi

sh "$root/cmake/setup.sh"
build=$root/build
mkdir -p "$build"
if ! cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release >"$build/configure.log" 2>&1; then
  cat "$build/configure.log" >&2
  exit 1
fi
cmake --build "$build" --target "$showcase" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" >&2
exec "$build/examples/$showcase/$showcase" "$@"
