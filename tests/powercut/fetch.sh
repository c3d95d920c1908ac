#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh DEPS vfat|jffs2 : puts into DEPS/powercut/vfat the modules that the kernel of the board (tests/device/fetch.sh)
# needs for it, or into DEPS/powercut/jffs2 a PC with flash memory: Debian's own amd64 kernel as it ships, modules, busybox.
set -eu
apt=$(cd "$(dirname "$0")/../../toolchains" && pwd)/apt.sh
deps=$(cd "$1" && pwd)
into=$deps/powercut/$2
exec 9>"$deps/lock"  # shared with sysroot.sh
flock 9
rm -rf "$into"
mkdir -p "$into/unpacked"
cd "$into/unpacked"
PATH=$PATH:/usr/sbin:/sbin

# unpack ARCH PACKAGE : into the current folder
unpack() {
  "$apt" "$deps/apt/$1" "$1" download "$2" >/dev/null
  dpkg-deb -x "$2"_*.deb .
}

# modules KERNEL MODULE... : copies them with all they need, and lists them in loading order
modules() {
  kernel=$1
  shift
  depmod -b . "$kernel"
  for module in "$@"; do modprobe -d . -S "$kernel" --show-depends "$module"; done |
    while read -r how file _; do
      [ "$how" = insmod ] || continue
      name=${file##*/}
      [ -f "$into/$name" ] || echo "$name" >>"$into/list"
      cp "$file" "$into/$name"
    done
}

case $2 in
  vfat)
    version=$(cat "$deps/device/version")
    unpack arm64 "linux-image-$version"
    modules "$version" vfat nls_ascii nls_cp437
    ;;
  jffs2)
    "$apt" "$deps/apt/amd64" amd64 --version >/dev/null
    version=$("$apt" "$deps/apt/amd64" amd64 install -s linux-image-amd64 |
      sed -n 's/^Inst linux-image-\([0-9][^ ]*\).*/\1/p')
    unpack amd64 "linux-image-$version"
    unpack amd64 busybox-static
    modules "$version" virtio_pci virtio_net jffs2 phram
    mv "boot/vmlinuz-$version" "$into/vmlinuz"
    mv bin/busybox "$into/busybox"
    ;;
esac
cd "$into" && rm -rf unpacked
echo "$version" >version
