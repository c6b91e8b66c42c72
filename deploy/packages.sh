# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # used by those who source this
# What the project needs of Debian, in one place. Sourced by up.sh and tests/run.sh.

# To build the exporter.
BUILD_PACKAGES=(
  bpftool ca-certificates clang cmake dpkg-dev g++ git libbpf-dev libcap-dev libcli11-dev libelf-dev
  libexpat1-dev libprotozero-dev libre2-dev libseccomp-dev libspdlog-dev libssl-dev libyaml-cpp-dev
  llvm ninja-build nlohmann-json3-dev pkg-config prometheus-cpp-dev zlib1g-dev
)
# To make a Debian package of it, besides.
PACKAGING_PACKAGES=(build-essential debhelper)
# To run the tests, besides.
TEST_PACKAGES=(
  ansible-core bpftrace busybox-static clang-format clang-tidy curl groff-base libbenchmark-dev libclang-rt-14-dev
  libgtest-dev linux-perf lintian man-db openssl prometheus prometheus-alertmanager python3
  python3-prometheus-client python3-yaml rpm seabios shellcheck systemd util-linux victoria-metrics zsh
)

# For the dashboards' schema: the machine's own node, unless it is too old. (A nodejs from elsewhere
# has an npm of its own, and excludes Debian's.)
if ! { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; } &>/dev/null
then
  TEST_PACKAGES+=(nodejs npm)
fi
# To draw the dashboards.
RENDER_PACKAGES=(chromium fonts-inter pngquant)

# install_packages PACKAGE...: installs those that are missing; quick if none is.
install_packages() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    echo "Missing packages: ${missing[*]}. Install them, or run this as root." >&2
    return 1
  fi
  echo "Installing ${missing[*]}"
  apt-get update -qq
  # A package that brings a service must not start it here: policy-rc.d says so while we install.
  local policy=/usr/sbin/policy-rc.d ours=
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    ours=yes
  fi
  local status=0
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >/dev/null || status=$?
  [[ -z $ours ]] || rm -f $policy
  ((status == 0)) || echo "apt-get could not install ${missing[*]}: see above" >&2
  return $status
}

# build DIRECTORY [CMAKE_OPTION...] [-- TARGET...]: configures and builds; prints how it ended, and all of
# it if it failed.
build() {
  local directory=$1 options=() targets=()
  shift
  while (($#)) && [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  (($# < 2)) || targets=(--target "${@:2}")
  mkdir -p "$(dirname "$directory")"
  cmake -S "$ROOT" -B "$directory" -G Ninja "${options[@]}" >"$directory.cmake.log" ||
    { cat "$directory.cmake.log" >&2 && return 1; }
  cmake --build "$directory" "${targets[@]}" >"$directory.build.log" ||
    { cat "$directory.build.log" >&2 && return 1; }
  tail -n 1 "$directory.build.log"
}
