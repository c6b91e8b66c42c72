#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# civetweb.sh: the source of Debian's civetweb, for the build
#
# usage: deploy/civetweb.sh DIRECTORY
#
# Debian's binary package is built without IPv6 and without unix sockets, and its TLS looks for an
# OpenSSL older than Debian's. So the build compiles the source package itself, CivetWeb's one C
# file, as it needs it. CMake calls this once; the source comes by apt, signatures checked, from the
# archive that this machine is configured with, by lists of its own: nothing of the machine's apt is
# changed, and no root is needed.
set -euo pipefail

die() {
  echo "civetweb.sh: $*" >&2
  exit 1
}

(($# == 1)) || die "usage: deploy/civetweb.sh DIRECTORY"
target=$(realpath -m "$1")
mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
[[ ! -e $target/src/civetweb.c ]] || exit 0 # another build was quicker

command -v dpkg-source >/dev/null || die "dpkg-source is missing: apt-get install dpkg-dev"
scratch=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{lists,cache/archives}/partial "$scratch/none"

# The machine's own archives, whichever way its sources are written, with its suites.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $keyring ]] && signed="[signed-by=$keyring] " || signed=
archives() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format "deb-src $signed\$(REPO_URI) \$(RELEASE) main" \
    "Created-By: Packages" "Origin: Debian" | grep -v -e -backports | sort -u
}
# A fresh container has sources but no lists, and so no labels, yet.
[[ -n $(archives) || $(id -u) != 0 ]] || apt-get -qq update >&2 || true
archives >"$scratch/sources.list" || true
[[ -s $scratch/sources.list ]] ||
  die "apt has no Debian archive among its sources, or no lists yet: run apt-get update as root." \
    "Elsewhere, give cmake -DKVMX_CIVETWEB_SOURCE=DIR, a tree of CivetWeb 1.15 or 1.16"

own_apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}
cd "$scratch"
own_apt update >&2 || die "apt could not fetch the lists of sources: see above"
own_apt source civetweb >apt.log 2>&1 ||
  { cat apt.log >&2 && die "apt could not fetch the source of civetweb: see above"; }
mv civetweb-*/ "$target"
