# SPDX-License-Identifier: MIT
# 64-bit ARM: static, with musl.
DEB_ARCH := arm64
CROSS    := aarch64-linux-gnu-
MUSL     := aarch64-linux-musl
ARCH     :=
RUN      := qemu-aarch64-static
TEXT_MAX := 446700
NEEDS    := package:g++-aarch64-linux-gnu=aarch64-linux-gnu-g++
include toolchains/musl.include
