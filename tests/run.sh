#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: installs what the tests need, builds, and runs every test
#
# usage: tests/run.sh [CTEST OPTION...]       for example: tests/run.sh -R exact-amd
#
# As root, on Debian 12. Emulated hosts need no hardware; their kernels are fetched once and kept
# (see tests/lab/kernels.sh). KVMX_INTEL_KERNELS="6.1;6.12;7.2" tries more kernels on Intel,
# KVMX_SERVICE_KERNELS="5.10;6.1;6.12;7.2" the packaged service on more, KVMX_PACKAGE_SUITES=trixie
# the package of another Debian. KVMX_PLAYBOOK=ON runs the Ansible playbook (ten minutes),
# KVMX_RENDER=ON draws the dashboards (700 MB of npm's packages, ten minutes).
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../deploy/packages.sh
. "$ROOT/deploy/packages.sh"
cd "$ROOT"

if ((EUID != 0)); then
  echo "The tests load BPF programs and boot emulated hosts: run this with sudo." >&2
  exit 1
fi

step() { printf '\n== %s\n' "$*"; }

step "packages"
install_packages "${BUILD_PACKAGES[@]}" "${PACKAGING_PACKAGES[@]}" "${TEST_PACKAGES[@]}"

step "kernels for the emulated hosts"
time tests/lab/fetch.sh

mkdir -p build
step "build: release"
build build/release release -DKVMX_RENDER="${KVMX_RENDER:-OFF}" -DKVMX_PLAYBOOK="${KVMX_PLAYBOOK:-OFF}" \
  ${KVMX_INTEL_KERNELS:+"-DKVMX_INTEL_KERNELS=$KVMX_INTEL_KERNELS"} \
  ${KVMX_PACKAGE_SUITES:+"-DKVMX_PACKAGE_SUITES=$KVMX_PACKAGE_SUITES"} \
  ${KVMX_SERVICE_KERNELS:+"-DKVMX_SERVICE_KERNELS=$KVMX_SERVICE_KERNELS"}
step "build: address and undefined-behaviour sanitizers"
build build/asan asan

status=0
step "unit tests under the sanitizers"
ctest --test-dir build/asan --output-on-failure -j 2 --progress --label-regex unit "$@" ||
  status=$?
step "fuzzers"
build build/fuzz fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
  -DKVMX_FUZZ_SECONDS="${KVMX_FUZZ_SECONDS:-60}"
ctest --test-dir build/fuzz --output-on-failure -j 2 || status=$?
step "all tests"
rm -f build/release/page-*.json
ctest --test-dir build/release --output-on-failure -j 2 "$@" 2>&1 | tee build/ctest.log ||
  status=$?

# ctest shows no output of what passes.
for page in build/release/page-*.json; do
  [[ -e $page ]] || continue
  step "$(basename "$page"): a storm's page and its end, as they came"
  cat "$page"
done

if grep -q 'Skipped' build/ctest.log; then
  echo
  echo "############################################################################"
  echo "# NOT EVERYTHING WAS TESTED. These could not run here:"
  grep 'Skipped' build/ctest.log | sed 's/^/# /' | sort -u
  echo "############################################################################"
fi
[[ ${KVMX_PLAYBOOK:-OFF} == ON ]] ||
  echo "Not run: the Ansible playbook, which is on demand (KVMX_PLAYBOOK=ON)."
[[ ${KVMX_RENDER:-OFF} == ON ]] ||
  echo "Not run: drawing the dashboards, which is on demand (KVMX_RENDER=ON)." \
    "That their pictures are of these dashboards was checked."
exit $status
