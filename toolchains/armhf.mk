# SPDX-License-Identifier: MIT
# 32-bit ARM with hard float, Thumb-2 (ARMv7): static, with musl.
DEB_ARCH := armhf
CROSS    := arm-linux-gnueabihf-
MUSL     := arm-linux-musleabihf
ARCH     := -mthumb
RUN      := qemu-arm-static
TEXT_MAX := 344400
NEEDS    := package:g++-arm-linux-gnueabihf=arm-linux-gnueabihf-g++
include toolchains/musl.include
# 7 KiB less of the program; a record costs a fifth more (make bench, row 11).
SHIP_EXTRA += -DTOCSIN_CRC_TABLES=1
