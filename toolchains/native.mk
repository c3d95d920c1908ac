# SPDX-License-Identifier: MIT
# The machine that builds. Shared libraries of the distribution; tests run with the sanitizers.
CROSS     :=
ARCH      :=
RUN       :=
LDFLAGS_T :=
TLS_LIBS  := -lmbedtls -lmbedx509 -lmbedcrypto
JSON_LIBS := -lcjson
SANITIZER := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TEXT_MAX  := 413700
CMOCKA_LIBS := -lcmocka
DEPS_READY  = $(BUILD)/deps/build.ok
