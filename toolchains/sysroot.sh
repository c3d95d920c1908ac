#!/bin/sh
# SPDX-License-Identifier: MIT
# sysroot.sh DEPS DEB_ARCH CROSS MUSL MBEDTLS ARCH_FLAGS... : everything a static musl build for DEB_ARCH needs, made
# under DEPS/DEB_ARCH-MBEDTLS: bin/cc and bin/c++, the C library, Mbed TLS (2.28 or 3.6, trimmed) and cJSON; and
# check/, CMocka and cJSON for the test programs.
#   DEPS     the folder of downloads and results    CROSS   prefix of Debian's compiler, may be empty
#   MUSL     musl's name for the target             MBEDTLS 2.28 or 3.6
set -eu
here=$(cd "$(dirname "$0")" && pwd)
deps=$1; deb_arch=$2; cross=$3; musl=$4; mbedtls=$5; shift 5
mkdir -p "$deps"
deps=$(cd "$deps" && pwd)
root=$deps/$deb_arch-$mbedtls
host=$(dpkg --print-architecture)

# One at a time, and not again what another run has just made.
exec 9>"$deps/lock"
flock 9
made_from="$deb_arch $cross $musl $mbedtls $* $(cat "$0" "$here/apt.sh" "$here"/*_trimmed.h | cksum)"
[ "$made_from" != "$(cat "$root/made-from" 2>/dev/null)" ] || exit 0

# ---- sources, once for all targets
case $mbedtls in
  2.28) release=bookworm ;;
  3.6) release=trixie ;;
  *) echo "sysroot.sh: Mbed TLS 2.28 or 3.6, not '$mbedtls'" >&2; exit 64 ;;
esac
fetch_source() {  # NAME RELEASE PATTERN
  [ -z "$(find "$deps/src" -maxdepth 1 -type d -name "$3" 2>/dev/null)" ] || return 0
  mkdir -p "$deps/src"
  (cd "$deps/src" && "$here/apt.sh" "$deps/apt/$host" "$host" --download-only source "$1/$2" >/dev/null)
  for dsc in "$deps/src/$1"_*.dsc; do
    (cd "$deps/src" && dpkg-source --no-check -x "$dsc" >/dev/null 2>&1 || true)
  done
}
fetch_source mbedtls $release "mbedtls-$mbedtls.*"
fetch_source cjson bookworm 'cjson-1.*'
fetch_source cmocka bookworm 'cmocka-1.*'
tls_source=$(echo "$deps/src/mbedtls-$mbedtls".*[0-9])
cjson_source=$(echo "$deps"/src/cjson-1.*[0-9])
cmocka_source=$(echo "$deps"/src/cmocka-1.*[0-9])

# Verifying takes as long as the public exponent of an RSA key: with one of thousands of bits, which no authority uses,
# anybody in the server's place would hold the program for seconds. Above 64 bits it is no key (OpenSSL has that limit
# for large keys; Mbed TLS has none, and asks nobody).
rsa=$tls_source/library/rsa.c
limit='mbedtls_mpi_bitlen(&ctx->E) > 64'
grep -qF "$limit" "$rsa" || sed -i 's/mbedtls_mpi_bitlen(&ctx->E) *< 2 *||/& mbedtls_mpi_bitlen(\&ctx->E) > 64 ||/' "$rsa"
grep -qF "$limit" "$rsa" || { echo "sysroot.sh: no place for the limit of exponents in $rsa" >&2; exit 70; }

# Keys sign here, and are signed with; nobody encrypts with one: 2 KB that nothing else leaves out.
pk=$tls_source/library/pk_wrap.c
sed -i 's/\brsa_\(de\|en\)crypt_wrap,$/NULL,/' "$pk"

# ---- the C library and the two compiler commands
rm -rf "$root"
mkdir -p "$root/bin" "$root/lib" "$root/include" "$root/unpacked"
(cd "$root/unpacked" && "$here/apt.sh" "$deps/apt/$deb_arch" "$deb_arch" download musl-dev/bookworm >/dev/null)
dpkg-deb -x "$root"/unpacked/musl-dev_*.deb "$root/unpacked"
mv "$root/unpacked/usr/lib/$musl"/* "$root/lib/"
mv "$root/unpacked/usr/include/$musl"/* "$root/include/"
rm -rf "$root/unpacked"
sed "s#/usr/lib/$musl#$root/lib#g; s#/usr/include/$musl#$root/include#g" "$root/lib/musl-gcc.specs" >"$root/lib/specs"

version=$("${cross}gcc" -dumpversion)
triplet=$("${cross}gcc" -dumpmachine)
if [ -n "$cross" ]; then
  kernel=/usr/$triplet/include; asm=$kernel/asm; cxx=/usr/$triplet/include/c++/$version/$triplet
  cxx_common=/usr/$triplet/include/c++/$version
else
  kernel=/usr/include; asm=/usr/include/$triplet/asm; cxx=/usr/include/$triplet/c++/$version
  cxx_common=/usr/include/c++/$version
fi
for folder in "$kernel/linux" "$kernel/asm-generic" "$kernel/mtd" "$asm"; do ln -s "$folder" "$root/include/"; done

# libstdc++'s headers ask which glibc there is: none. Only the headers are used, the library itself is not linked.
cat >"$root/bin/cc" <<SCRIPT
#!/bin/sh
exec ${cross}gcc $* -fno-pie -no-pie "\$@" -specs $root/lib/specs
SCRIPT
cat >"$root/bin/c++" <<SCRIPT
#!/bin/sh
exec ${cross}gcc $* -fno-pie -no-pie -nostdinc++ -isystem $cxx_common -isystem $cxx '-D__GLIBC_PREREQ(a,b)=0' "\$@" -specs $root/lib/specs
SCRIPT
chmod +x "$root/bin/cc" "$root/bin/c++"

# ---- the two libraries
small='-Os -fno-inline-functions-called-once -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-stack-protector'
compile() {  # COMPILER ARCHIVE FLAGS -- FILE...
  compiler=$1; archive=$2; flags=$3; shift 3
  objects=$root/obj/$archive
  mkdir -p "$objects"
  printf '%s\n' "$@" | xargs -P 2 -I{} sh -c \
    "'$compiler' $small $flags -c '{}' -o '$objects/'\$(basename '{}' .c).o"
  "${cross}gcc-ar" crs "$root/$archive" "$objects"/*.o
}
cp -R "$tls_source/include/mbedtls" "$tls_source/include/psa" "$root/include/"
compile "$root/bin/cc" lib/libmbedtls.a "-flto -include limits.h -I$here -I$root/include -I$tls_source/library \
  -DMBEDTLS_CONFIG_FILE='\"mbedtls_trimmed.h\"'" "$tls_source"/library/*.c
mkdir -p "$root/include/cjson"
cp "$cjson_source/cJSON.h" "$root/include/cjson/"
compile "$root/bin/cc" lib/libcjson.a "-flto -include $here/cjson_trimmed.h" "$cjson_source/cJSON.c"

# ---- for test programs: they use libstdc++, which Debian's compiler has for its own C library only
mkdir -p "$root/check/include" "$root/check/lib" "$root/check/tls"
ln -s ../../include/mbedtls ../../include/psa "$root/check/tls/"  # this Mbed TLS, not Debian's
cp -R "$root/include/cjson" "$cmocka_source/include/cmocka.h" "$root/check/include/"
compile "${cross}gcc" check/lib/libcjson.a "$* -DTOCSIN_CJSON_HEAP -include $here/cjson_trimmed.h" "$cjson_source/cJSON.c"
# CMocka's own configuration step, answered for Linux.
compile "${cross}gcc" check/lib/libcmocka.a "$* -w -D_GNU_SOURCE -D_UINTPTR_T_DEFINED -I$cmocka_source/include \
  -DHAVE_ASSERT_H -DHAVE_INTTYPES_H -DHAVE_STDINT_H -DHAVE_STRINGS_H -DHAVE_UNISTD_H -DHAVE_SIGNAL_H \
  -DHAVE_STRUCT_TIMESPEC -DHAVE_CLOCK_GETTIME_REALTIME -DHAVE_SNPRINTF -DHAVE_VSNPRINTF \
  -DHAVE_GCC_THREAD_LOCAL_STORAGE" "$cmocka_source/src/cmocka.c"
rm -rf "$root/obj"
echo "$made_from" >"$root/made-from"
