#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh DEPS : puts what the emulated board boots into DEPS/device: Debian's own arm64 kernel as it ships, the
# modules for its disk, its network and a bad network (netem) in loading order, and busybox. Downloaded and unpacked,
# not installed.
set -eu
apt=$(cd "$(dirname "$0")/../../toolchains" && pwd)/apt.sh
mkdir -p "$1"
deps=$(cd "$1" && pwd)
into=$deps/device
exec 9>"$deps/lock"  # shared with sysroot.sh
flock 9
rm -rf "$into"
mkdir -p "$into/unpacked" "$into/modules"
cd "$into/unpacked"

"$apt" "$deps/apt/arm64" arm64 --version >/dev/null
kernel=$("$apt" "$deps/apt/arm64" arm64 install -s linux-image-cloud-arm64 |
  sed -n 's/^Inst \(linux-image-[0-9][^ ]*\).*/\1/p')
"$apt" "$deps/apt/arm64" arm64 download "$kernel" busybox-static >/dev/null
for package in *.deb; do dpkg-deb -x "$package" .; done

version=${kernel#linux-image-}
PATH=$PATH:/usr/sbin:/sbin
mv "boot/vmlinuz-$version" "$into/vmlinuz"
mv bin/busybox "$into/busybox"
depmod -b . "$version"
for module in virtio_mmio virtio_blk virtio_net sch_netem; do
  modprobe -d . -S "$version" --show-depends $module
done | while read -r how file _; do
  [ "$how" = insmod ] || continue
  name=${file##*/}
  [ -f "$into/modules/$name" ] || echo "$name" >>"$into/modules/list"
  cp "$file" "$into/modules/$name"
done
cd "$into" && rm -rf unpacked
echo "$version" >"$into/version"
