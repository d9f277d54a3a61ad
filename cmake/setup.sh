#!/bin/sh
# cmake/setup.sh [package...]: installs what Debian 12 or Ubuntu 24.04 lacks to build stoat, its examples and its tests,
# and the packages named as arguments.
set -eu

wanted="g++ cmake make libeigen3-dev libboost-dev libboost-random-dev libboost-math-dev librandom123-dev doctest-dev \
libboost-mpi-dev openmpi-bin libhdf5-dev zlib1g-dev python3-h5py libcli11-dev nlohmann-json3-dev gnuplot-nox libbenchmark-dev $*"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: not a Debian system, so nothing is installed here. Needed, by their Debian names: $wanted" >&2
  exit 0
fi

missing=""
for package in $wanted; do
  case " $(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null)" in
    *" installed "*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

line="apt-get install -y --no-install-recommends$missing"
stop() {
  echo "setup: $1. Run this as root, then start again:" >&2
  echo "  $line" >&2
  exit 1
}

if [ "$(id -u)" = 0 ]; then
  as_root="env"
elif command -v sudo >/dev/null; then
  as_root="sudo env"
else
  stop "packages are missing, and there is neither root nor sudo to install them"
fi

echo "setup: installing$missing" >&2
$as_root apt-get update -q >&2 || stop "apt-get update failed"
$as_root DEBIAN_FRONTEND=noninteractive $line >&2 || stop "the installation failed"
