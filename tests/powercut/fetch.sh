#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh DEPS vfat|jffs2|nand|ubifs : puts into DEPS/powercut/vfat the modules that the kernel of the board
# (tests/device/fetch.sh) needs for it; into jffs2 a PC with flash memory, into nand the same with a
# simulated chip, into ubifs an ARM board with a flash chip:
# Debian's own amd64 and armmp kernels as they ship, modules, busybox.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
apt=$here/../../toolchains/apt.sh
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
      python3 "$here/unpack.py" module "$file" "$into/$name"
    done
}

# machine ARCH FLAVOUR LOAD_ADDRESS MODULE... : kernel, busybox and modules of another machine
machine() {
  arch=$1 flavour=$2 address=$3
  shift 3
  "$apt" "$deps/apt/$arch" "$arch" --version >/dev/null
  version=$("$apt" "$deps/apt/$arch" "$arch" install -s "linux-image-$flavour" |
    sed -n 's/^Inst linux-image-\([0-9][^ ]*\).*/\1/p')
  unpack "$arch" "linux-image-$version"
  unpack "$arch" busybox-static
  modules "$version" "$@"
  # shellcheck disable=SC2086
  python3 "$here/unpack.py" kernel "boot/vmlinuz-$version" "$into/kernel" $address
  mv bin/busybox "$into/busybox"
}

case $2 in
  vfat)
    version=$(cat "$deps/device/version")
    unpack arm64 "linux-image-$version"
    modules "$version" vfat nls_ascii nls_cp437
    ;;
  jffs2) machine amd64 amd64 "" virtio_pci virtio_net jffs2 phram ;;
  nand) machine amd64 amd64 "" virtio_pci virtio_net nandsim ubi ;;
  ubifs)
    # What the compressors need comes before ubifs, which asks for them by name.
    machine armhf armmp 0x80208000 spi_aspeed_smc spi_nor mdio_aspeed ftgmac100 crc32c_generic lzo deflate zstd ubifs
    mv "usr/lib/linux-image-$version/aspeed-ast2600-evb.dtb" "$into/board.dtb"
    ;;
esac
cd "$into" && rm -rf unpacked
echo "$version" >version
