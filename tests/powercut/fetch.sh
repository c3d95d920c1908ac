#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh DEPS : puts into DEPS/powercut the modules for vfat that belong to the board's kernel (tests/device/fetch.sh).
set -eu
apt=$(cd "$(dirname "$0")/../../toolchains" && pwd)/apt.sh
deps=$(cd "$1" && pwd)
into=$deps/powercut
exec 9>"$deps/lock"  # shared with sysroot.sh
flock 9
rm -rf "$into"
mkdir -p "$into"
PATH=$PATH:/usr/sbin:/sbin

# unpack ARCH VERSION : that kernel's package into the current, empty folder
unpack() {
  "$apt" "$deps/apt/$1" "$1" download "linux-image-$2" >/dev/null
  dpkg-deb -x ./*.deb .
  depmod -b . "$2"
}

# modules INTO VERSION MODULE... : copies them with all they need, in loading order
modules() {
  to=$1 version=$2
  shift 2
  mkdir -p "$to"
  for module in "$@"; do modprobe -d . -S "$version" --show-depends "$module"; done |
    while read -r how file _; do
      [ "$how" = insmod ] || continue
      name=${file##*/}
      [ -f "$to/$name" ] || echo "$name" >>"$to/list"
      cp "$file" "$to/$name"
    done
}

version=$(cat "$deps/device/version")
mkdir "$into/unpacked"
cd "$into/unpacked"
unpack arm64 "$version"
modules "$into/vfat" "$version" vfat nls_ascii nls_cp437
cd "$into"
rm -rf unpacked
echo "$version" >version
