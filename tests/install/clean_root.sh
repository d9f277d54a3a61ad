#!/bin/sh
# sh tests/install/clean_root.sh [build folder]: makes the Debian package from a build (default: build), installs it into a fresh root
# of Debian 12 made by debootstrap, and compiles and runs there tests/install/project by pkg-config alone and by CMake. As
# root; some 500 MB in a temporary folder, some minutes. Not part of tests/run.sh.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "${1:-build}" && pwd)
command -v debootstrap >/dev/null || { echo "clean_root: debootstrap is missing" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
(cd "$scratch" && cpack --config "$build/CPackConfig.cmake" -B "$scratch/package" >/dev/null)
debootstrap --variant=minbase bookworm "$scratch/debian" >"$scratch/log" 2>&1 || { tail "$scratch/log" >&2; exit 1; }
cp "$scratch"/package/*.deb "$scratch/debian/srv/stoat.deb"
cp -r tests/install/project "$scratch/debian/srv/project"
cat >"$scratch/debian/srv/check.sh" <<'END'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -y -q --no-install-recommends /srv/stoat.deb pkg-config cmake make >/dev/null
cd /srv/project
g++ -std=c++20 -O2 main.cpp second.cpp -o by_pkg_config $(pkg-config --cflags --libs stoat)
./by_pkg_config
cmake -S . -B build >/dev/null && cmake --build build >/dev/null && build/outside
dpkg -s libstoat-dev | grep -E '^(Version|Installed-Size):'
END
chroot "$scratch/debian" sh /srv/check.sh
