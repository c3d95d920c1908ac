#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh GROUP... : makes sure that what a group needs is here. On Debian the missing packages are installed,
# without a question; elsewhere the missing things are named and the exit status is 1.
# Groups: build test demo bench (this machine), cross emulate device vfat jffs2 nand ubifs (others).
set -eu

# What each group needs, one "probe package" a line. A probe is a command, a header between < and >, or the run-time
# library of clang's fuzzer.
needs() {
  case $1 in
    build) cat <<'LIST'
g++ g++
make make
<mbedtls/ssl.h> libmbedtls-dev
<cjson/cJSON.h> libcjson-dev
LIST
      ;;
    test) needs build; cat <<'LIST'
<cmocka.h> libcmocka-dev
clang++ clang
clang-runtime libclang-rt-dev
python3 python3
openssl openssl
nm binutils
strace strace
prove perl
mkfs.ext4 e2fsprogs
tinyproxy tinyproxy-bin
nginx nginx-light
gnutls-serv gnutls-bin
lighttpd lighttpd
/usr/lib/lighttpd/mod_gnutls.so lighttpd-mod-gnutls
/usr/lib/lighttpd/mod_nss.so lighttpd-mod-nss
/usr/lib/lighttpd/mod_wolfssl.so lighttpd-mod-wolfssl
LIST
      ;;
    demo) needs build; cat <<'LIST'
python3 python3
openssl openssl
LIST
      ;;
    cross) cat <<'LIST'
make make
dpkg-source dpkg-dev
xz xz-utils
LIST
      ;;
    emulate) cat <<'LIST'
python3 python3
prove perl
qemu-aarch64-static qemu-user-static
LIST
      ;;
    device) needs demo; cat <<'LIST'
qemu-system-aarch64 qemu-system-arm
mkfs.ext4 e2fsprogs
modprobe kmod
cpio cpio
LIST
      ;;
    vfat) needs device; cat <<'LIST'
mkfs.vfat dosfstools
LIST
      ;;
    jffs2) needs device; cat <<'LIST'
qemu-system-x86_64 qemu-system-x86
LIST
      ;;
    nand) needs jffs2; cat <<'LIST'
ubinize mtd-utils
LIST
      ;;
    ubifs) needs device; cat <<'LIST'
qemu-system-arm qemu-system-arm
ubinize mtd-utils
LIST
      ;;
    bench) needs test; cat <<'LIST'
valgrind valgrind
curl curl
wget wget
<curl/curl.h> libcurl4-openssl-dev
sqlite3 sqlite3
<rapidjson/rapidjson.h> rapidjson-dev
<yajl/yajl_gen.h> libyajl-dev
<jansson.h> libjansson-dev
<http_parser.h> libhttp-parser-dev
<h2o/version.h> libh2o-dev
<sqlite3.h> libsqlite3-dev
<lmdb.h> liblmdb-dev
mkfs.ext4 e2fsprogs
losetup mount
LIST
      ;;
    package:*) package=${1#package:}; echo "${package#*=}" "${package%%=*}" ;;  # package:NAME=COMMAND
    *) echo "deps.sh: no group '$1'" >&2; exit 64 ;;
  esac
}

here() {
  case $1 in
    '<'*) echo "#include $1" | ${CXX:-g++} -x c++ -include stdarg.h -include stddef.h -include setjmp.h \
            -include stdint.h -fsyntax-only - 2>/dev/null ;;
    clang-runtime) find "$(clang++ -print-resource-dir 2>/dev/null || echo /nowhere)/" -name 'libclang_rt.fuzzer*' \
            2>/dev/null | grep -q . ;;
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing=''
for group in "$@"; do
  wanted=$(needs "$group")
  missing=$missing$(echo "$wanted" | while read -r probe package; do here "$probe" || printf ' %s' "$package"; done)
done
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
[ -n "${missing% }" ] || exit 0

as_root=''
[ "$(id -u)" = 0 ] || as_root=sudo
if ! command -v apt-get >/dev/null || { [ -n "$as_root" ] && ! command -v sudo >/dev/null; }; then
  echo "tocsin: this is missing (by its Debian name), install it and run make again: $missing" >&2
  exit 1
fi

install() {
  $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $missing >/dev/null
}

# Servers are needed as programs only: none is started because it was installed.
policy=/usr/sbin/policy-rc.d
if [ -d /usr/sbin ] && [ ! -e $policy ]; then
  trap '$as_root rm -f $policy' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' | $as_root sh -c "cat >$policy && chmod 755 $policy"
fi

echo "tocsin: installing $missing" >&2
# The package lists may be absent or old: fetch them only when the first try fails.
install 2>/dev/null || {
  $as_root apt-get -qq -o DPkg::Lock::Timeout=300 update || echo "tocsin: apt-get update was not complete" >&2
  install || { echo "tocsin: could not install: $missing" >&2; exit 1; }
}
