#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: installs what the tests need, builds, and runs the tests
#
# usage: tests/run.sh [--quick | --full] [CTEST OPTION...]     for example: tests/run.sh -R exact-amd
#
#   --quick  the tiers unit, static and native, without what is slow: 3 minutes after the build
#   (none)   these, and lab and package: every kernel that is supported. Some 20 minutes on two CPUs
#   --full   also more kernels, longer fuzzing, what is on demand, the package built from source: hours
#
# As root, on Debian 12. Emulated hosts need no hardware; their kernels are fetched once and kept
# (tests/lab/kernels.sh). Each thing that --full adds can be had alone, by a variable:
#   KVMX_INTEL_KERNELS="6.1;6.12;7.2"        emulated Intel hosts
#   KVMX_INTEL_STATIC=ON                     the static program on them, too
#   KVMX_OLDER_KVM=ON                        KVM with the kvm_exit of 5.11 to 5.16
#   KVMX_SERVICE_KERNELS="5.10;6.1;6.12;7.2" the packaged service on more kernels
#   KVMX_PACKAGE_SUITES=trixie               the package of another Debian
#   KVMX_PACKAGE_SOURCE=ON                   the package built from source
#   KVMX_RPM_SERVICE=ON                      the RPM's service
#   KVMX_PLAYBOOK=ON                         the Ansible playbook
#   KVMX_RENDER=ON                           the dashboards and pages, drawn: 700 MB of npm's packages
#   KVMX_MUTANTS=ON                          every rule changed in many ways
#   KVMX_RELEASE_UNIT=ON                     the unit tests without sanitizers, by g++, too
#   KVMX_FUZZ_SECONDS=10                     how long each fuzzer runs
#   KVMX_SOAK=3600                           seconds of everything at once: tests/soak
#   KVMX_FULL=1                              longer variants of tests, all of clang-tidy's checks
# What a test prints, and what it leaves behind, is in build/: see tests/README.md.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../deploy/packages.sh
. "$ROOT/deploy/packages.sh"
cd "$ROOT"

mode=default
case ${1:-} in
  --quick | --full) mode=${1#--} && shift ;;
  --help | -h) sed -n '3,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit ;;
esac
if ((EUID != 0)); then
  echo "The tests load BPF programs and boot emulated hosts: run this with sudo." >&2
  exit 1
fi

# What CMake is told. One not set here keeps its default, also after another mode.
on_demand=(KVMX_INTEL_KERNELS KVMX_INTEL_STATIC KVMX_OLDER_KVM KVMX_SERVICE_KERNELS KVMX_PACKAGE_SUITES
  KVMX_PACKAGE_SOURCE KVMX_RPM_SERVICE KVMX_PLAYBOOK KVMX_RENDER KVMX_MUTANTS KVMX_SOAK)
if [[ $mode == full ]]; then
  : "${KVMX_INTEL_KERNELS=6.1;6.12;7.2}" "${KVMX_SERVICE_KERNELS=5.10;6.1;6.12;7.2}"
  : "${KVMX_INTEL_STATIC=ON}" "${KVMX_OLDER_KVM=ON}" "${KVMX_PACKAGE_SUITES=trixie}" "${KVMX_PACKAGE_SOURCE=ON}"
  : "${KVMX_RPM_SERVICE=ON}" "${KVMX_PLAYBOOK=ON}"
  : "${KVMX_RENDER=ON}" "${KVMX_MUTANTS=ON}" "${KVMX_SOAK=3600}" "${KVMX_RELEASE_UNIT=ON}"
  : "${KVMX_FUZZ_SECONDS=300}" "${KVMX_FULL=1}"
fi
[[ -z ${KVMX_FULL:-} ]] || export KVMX_FULL
[[ $mode != quick ]] || : "${KVMX_FUZZ_SECONDS=3}"
: "${KVMX_FUZZ_SECONDS=10}" "${KVMX_RELEASE_UNIT=OFF}"
settings=()
for name in "${on_demand[@]}"; do
  if [[ -n ${!name:-} ]]; then settings+=("-D$name=${!name}"); else settings+=("-U$name"); fi
done

mkdir -p build
: >build/parts
# part NAME COMMAND...: a part of the whole, and how long it took.
part() {
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n== %s\n' "$name"
  "$@" || status=$?
  echo "$((SECONDS - start)) $name" >>build/parts
  return $status
}

# The kernels come over the network while the CPUs compile.
fetch_pid=''
trap '[[ -z $fetch_pid ]] || kill "$fetch_pid" 2>/dev/null' EXIT
build_all() {
  part "build: what users get" build build/release "${settings[@]}" \
    -DKVMX_TESTS="$([[ $KVMX_RELEASE_UNIT == ON ]] && echo ON || echo HOST)" || return
  # One build with sanitizers serves unit tests and fuzzers; another only has the exporter in it.
  part "build: unit tests and fuzzers, with address and undefined-behaviour sanitizers" \
    build build/address -DKVMX_SANITIZE=address -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DKVMX_FUZZ_SECONDS="$KVMX_FUZZ_SECONDS" -- unit_tests fuzzers || return
  [[ $mode == quick ]] ||
    part "build: the exporter with the thread sanitizer" \
      build build/release/tsan -DKVMX_SANITIZE=thread -DKVMX_TESTS=OFF \
      -- kvm_exit_exporter || return
}
# shellcheck disable=SC2317 # part calls it
wait_for_kernels() {
  local fetched=0
  wait "$fetch_pid" || fetched=$?
  fetch_pid=''
  cat build/kernels.log
  return "$fetched"
}

part "packages" install_packages "${BUILD_PACKAGES[@]}" "${PACKAGING_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
if [[ $mode != quick ]]; then
  tests/lab/fetch.sh >build/kernels.log 2>&1 &
  fetch_pid=$!
fi
build_all
[[ -z $fetch_pid ]] || part "kernels for the emulated hosts, beyond the builds" wait_for_kernels

# Both builds' tests by one ctest, so that no CPU waits for the other build's.
printf 'subdirs("address" "release")\n' >build/CTestTestfile.cmake
chosen=()
[[ $mode != quick ]] || chosen=(--label-regex '^(unit|static|native)$' --label-exclude '^slow$')
rm -f build/release/alert-*.json build/tests.xml
status=0
# Half of the tests wait for a guest's clock half of the time: two more than there are CPUs keep these busy. Each takes
# three of ctest's processors; what mostly waits, native tests above all, takes one.
part "tests" ctest --test-dir build --output-on-failure --no-tests=error -j $((3 * ($(nproc) + 2) + 2)) "${chosen[@]}" \
  --output-junit "$ROOT/build/tests.xml" --output-log "$ROOT/build/ctest.log" "$@" || status=$?

# ctest shows no output of what passes.
for alert in build/release/alert-*.json; do
  [[ -e $alert ]] || continue
  printf '\n== %s: a storm'"'"'s page and its end, as they came\n' "$(basename "$alert")"
  cat "$alert"
done
python3 tests/report.py "$mode" build "$@" || status=$?
exit $status
