#!/bin/sh
# sh exports.sh LIBRARY...: what static and shared libraries of stoat define for others is stoat's own.
set -eu
wrong=0
report() {
  [ -z "$2" ] && return
  echo "$1:"
  echo "$2" | c++filt | head -n 20
  wrong=1
}
for library; do
  own='^_Z(T[A-Z]|Z|GVZ?|T[hv][n0-9_]+)?NK?5stoat'
  case $library in
    *.a)
      # Templates of others are weak there, and the linker keeps one of each.
      names=$(nm -gP --defined-only "$library" | awk 'NF > 1 && $2 !~ /[WVuwv]/ { print $1 }')
      # One that was compiled for a newer processor must not be the one it keeps.
      newer=$(nm -AP --defined-only "$library" | grep 'avx[0-9]*\.cpp\.o' | awk '$3 ~ /[WVu]/ && $2 !~ /^DW\.ref/ { print $2 }')
      report "$library: weak functions for newer processors" "$newer" ;;
    *) names=$(nm -DP --defined-only "$library" | awk '{ print $1 }') ;;
  esac
  [ -n "$names" ] || { echo "$library: no names"; wrong=1; }
  report "$library: names outside of namespace stoat" "$(echo "$names" | grep -vE "$own")"
done
exit $wrong
