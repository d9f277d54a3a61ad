#!/bin/sh
# sh tests/mutants/run.sh [PATTERN]: do the tests notice a wrong formula?
#
# Each line of mutants.txt is a small error in one file of the library and the tests that should find it:
#
#   FILE @ SED COMMAND @ TEST SOURCES
#
# One at a time the errors go into a copy of that file. A source in lib/ is compiled and linked before the library, so that its
# code is the one that counts; a header goes into a folder that is searched before include/, and the tests are compiled with it.
# Neither the source tree nor the build is touched. What is known of a mutant is kept in build/mutants/results, so that a run that
# was interrupted goes on where it stopped; delete a line there to ask again, or the folder to begin anew. PATTERN (grep) chooses lines.
#
# It needs a finished build: the one in build/, or in the folder that BUILD names. Exit status 1: some mutants survived.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
out=$build/mutants
cxx=${CXX:-c++}
results=$out/results
mkdir -p "$out/objects"
touch "$results"

field() { sed -n "s/^$1 = //p" "$2"; }
flags=$build/CMakeFiles/stoat.dir/flags.make
options="-std=c++20 -w -DNDEBUG -fopenmp $(field CXX_DEFINES "$flags") $(field CXX_INCLUDES "$flags")"
tests="-I$root/tests -I$root/examples"
libraries=$(sed 's/.* -o test_optim //' "$build/tests/CMakeFiles/test_optim.dir/link.txt")

# All headers compiled in advance, for sources of the library.
headers=$out/headers.hpp
if [ ! -f "$headers.gch" ] || [ -n "$(find "$root/include" -newer "$headers.gch" -name '*.hpp' | head -n 1)" ]; then
  echo '#include <stoat/stoat.hpp>' >"$headers"
  $cxx -O0 $options -x c++-header "$headers" -o "$headers.gch"
fi

# The object of a test source: that of the build, or one made once.
object() {
  of_build=$build/tests/CMakeFiles/test_${1%%/*}.dir/$1.o
  own=$out/objects/$(echo "$1" | tr / _).o
  if [ -f "$of_build" ]; then echo "$of_build"; return; fi
  [ -f "$own" ] || $cxx -O1 $options $tests -c "$root/tests/$1" -o "$own" >&2
  echo "$own"
}

# Links objects with the library and runs the tests in them, in the present folder.
try() {
  here=$(pwd)
  (cd "$build/tests" && $cxx "$@" CMakeFiles/stoat_test_main.dir/main.cpp.o -o "$here/tests" $libraries) >log 2>&1 || return 2
  timeout 300 ./tests --abort-after=1 --test-suite-exclude=slow >log 2>&1 || return 1
}

# Without a mutant the tests must pass: asked once for each list of tests.
require_sound() {
  mark=$out/objects/sound_$(echo "$1" | tr ' /' __)
  [ -f "$mark" ] && return
  objects=
  for s in $1; do objects="$objects $(object "$s")"; done
  try $objects || { cat log >&2; echo "these tests fail without a mutant: $1" >&2; exit 2; }
  touch "$mark"
}

# Compiles a mutant with its tests and runs them, in the present folder: caught, survived or broken (it does not compile).
judge() {
  file=$1 sources=$2
  objects=
  case $file in
    lib/*.cpp)
      # g++ 12 cannot parse everything after headers that were compiled in advance.
      set -- -O0 $options -I"$root/$(dirname "$file")" -c "$file" -o mutant.o
      $cxx -include "$headers" "$@" >log 2>&1 || $cxx "$@" >log 2>&1 || { echo broken; return; }
      objects=$(pwd)/mutant.o
      for s in $sources; do objects="$objects $(object "$s")"; done ;;
    include/*)
      for s in $sources; do
        o=$(pwd)/$(echo "$s" | tr / _).o
        $cxx -O1 -Iinclude $options $tests -c "$root/tests/$s" -o "$o" >log 2>&1 || { echo broken; return; }
        objects="$objects $o"
      done ;;
  esac
  result=0
  try $objects || result=$?
  case $result in 0) echo survived ;; 1) echo caught ;; *) echo broken ;; esac
}

work=$out/work
grep -v '^#' "$root/tests/mutants/mutants.txt" | grep -e "${1-.}" | while IFS= read -r line; do
  grep -qF -e "| $line" "$results" && continue
  file=$(echo "$line" | sed 's/ *@.*//')
  edit=$(echo "$line" | sed 's/^[^@]*@ *//; s/ *@[^@]*$//')
  sources=$(echo "$line" | sed 's/.*@ *//')
  rm -rf "$work"
  mkdir -p "$work/$(dirname "$file")"
  cd "$work"
  sed "$edit" "$root/$file" >"$file"
  if cmp -s "$root/$file" "$file"; then verdict=unchanged
  else
    require_sound "$sources"
    verdict=$(judge "$file" "$sources")
  fi
  echo "$verdict | $line" | tee -a "$results"
done

# Of the mutants that are in the list now.
grep -v '^#' "$root/tests/mutants/mutants.txt" | sed 's/^/| /' >"$out/list"
grep -F -f "$out/list" "$results" >"$out/known" || true
echo
for verdict in caught survived broken unchanged; do echo "$verdict: $(grep -c "^$verdict |" "$out/known" || true)"; done
! grep -v '^caught |' "$out/known"
