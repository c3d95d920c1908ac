# SPDX-License-Identifier: MIT
# 64-bit x86: static, with musl.
DEB_ARCH := amd64
CROSS    :=
MUSL     := x86_64-linux-musl
ARCH     :=
RUN      :=
TEXT_MAX := 417600
NEEDS    := package:g++=g++
include toolchains/musl.include
