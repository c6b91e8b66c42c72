#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh: a Debian package of this checkout, for the Debian that it is built on
#
# usage: deploy/debian/build.sh [--version VERSION] [--source DIR] [--prebuilt BUILD] [--static] OUT
#
# The .deb, and one with debug symbols, go to OUT. The build takes what debian/control lists:
# apt-get build-dep, or deploy/packages.sh and debhelper. Build on bookworm for bookworm, on trixie
# for trixie: libraries have other names there.
#
#   --version VERSION  instead of the first one in debian/changelog
#   --source DIR       only lay the source there, ready for dpkg-buildpackage -b
#   --prebuilt BUILD   package what CMake built of this checkout in that directory, and build nothing
#   --static           with the static program: one package for Debian 12 and 13 and for Ubuntu
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

version='' source='' prebuilt='' static=''
while (($# > 1)); do
  case $1 in
    --static) static=yes && shift && continue ;;
    --version) version=$2 ;;
    --source) source=$2 ;;
    --prebuilt) prebuilt=$(realpath "$2") ;;
    *) break ;;
  esac
  shift 2
done
if [[ -n $source && -z $static && $# == 0 ]]; then
  mkdir -p "$source"
elif [[ $# == 1 && $1 != -* ]]; then
  out=$(realpath -m "$1")
  # shellcheck source=../static/common.sh
  . "$ROOT/deploy/static/common.sh"
  source=$scratch/source
  mkdir -p "$source" "$out"
else
  sed -n '3,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" >&2
  exit 2
fi

# What a clone has, and what is not committed yet; debian/ goes where dpkg looks for it.
(cd "$ROOT" && git ls-files -z --cached --others --exclude-standard |
  xargs -0 tar -c --ignore-failed-read) | tar -x -C "$source"
cp -r "$source/deploy/debian" "$source/debian"
cp "$ROOT/deploy/systemd/kvm-exit-exporter.service" "$source/debian/"
git -C "$ROOT" rev-parse --short=12 HEAD >"$source/debian/revision"
if [[ -n $static ]]; then
  build_static
  stage "$scratch/static"
  export KVMX_STATIC=$scratch/static # for debian/rules
fi
if [[ -n $prebuilt ]]; then
  for setting in CMAKE_BUILD_TYPE:STRING=RelWithDebInfo KVMX_SANITIZE:STRING=; do
    grep -qx "$setting" "$prebuilt/CMakeCache.txt" ||
      { echo "build.sh: $prebuilt is not what users get: it was configured without $setting" >&2 && exit 1; }
  done
  export KVMX_PREBUILT=$prebuilt # for debian/rules
else
  "$ROOT/deploy/civetweb.sh" "$source/debian/civetweb"
fi
[[ -z $version ]] || sed -i "1s/(.*)/($version)/" "$source/debian/changelog"
[[ -n ${out:-} ]] || exit 0

(cd "$source" && dpkg-buildpackage --build=binary --unsigned-changes)
mv "$scratch"/*.deb "$scratch"/*.changes "$scratch"/*.buildinfo "$out/"
ls "$out"
