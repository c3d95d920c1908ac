#!/bin/sh
# SPDX-License-Identifier: MIT
# apt.sh STATE ARCH ARGUMENT... : apt-get for another architecture, for sources and for the next release, with its
# own lists in the folder STATE. The system's apt is only asked for its mirror; nothing is installed.
set -eu
state=$1; arch=$2; shift 2

if ! command -v apt-get >/dev/null; then
  echo "tocsin: the cross builds and the device rig take sources and kernels from Debian; there is no apt-get here" >&2
  exit 1
fi
options="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$state/parts -o Dir::State::Lists=$state/lists
  -o Dir::State::status=$state/status -o Dir::Cache=$state/cache -o APT::Architecture=$arch -o APT::Architectures=$arch
  -o APT::Sandbox::User= -o APT::Get::AllowUnauthenticated=false -o Acquire::Languages=none -o Acquire::Retries=3"

if [ ! -f "$state/ready" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1)
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -n "$mirror" ] && [ -f "$keys" ] || { echo "tocsin: apt here has no Debian mirror or no Debian keys" >&2; exit 1; }
  rm -rf "$state"
  mkdir -p "$state/parts" "$state/lists/partial" "$state/cache/archives/partial"
  : >"$state/status"
  printf 'Types: deb deb-src\nURIs: %s\nSuites: bookworm\nComponents: main\nSigned-By: %s\n\n' \
    "$mirror" "$keys" >"$state/parts/bookworm.sources"
  printf 'Types: deb-src\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
    "$mirror" "$keys" >"$state/parts/trixie.sources"
  # shellcheck disable=SC2086
  apt-get -qq $options update
  touch "$state/ready"
fi
# shellcheck disable=SC2086
exec apt-get -qq $options "$@"
