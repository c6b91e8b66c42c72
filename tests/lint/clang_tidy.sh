#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang_tidy.sh BUILD [FILE...]: clang-tidy over the exporter's sources
#
# BUILD has a compile_commands.json. Most of the time goes into reading headers, 2 s a source; all checks
# in .clang-tidy take another 6 s. So without KVMX_FULL only those run here that cost next to nothing and
# that neither compiler has as a warning.
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shift
CHEAP='-*,bugprone-dangling-handle,bugprone-move-forwarding-reference,bugprone-use-after-move,
cppcoreguidelines-slicing,google-explicit-constructor,misc-unused-parameters,modernize-use-nullptr,
modernize-use-override,performance-*,-performance-inefficient-string-concatenation,
readability-container-size-empty,readability-function-size,readability-identifier-naming,
readability-redundant-*'

checks=()
[[ -n ${KVMX_FULL:-} ]] || checks=("--checks=${CHEAP//$'\n'/}")
files=("$@")
(($#)) || mapfile -t files < <(git ls-files --cached --others --exclude-standard -- 'exporter/*.cc')
out=$(mktemp)
trap 'rm -f "$out"' EXIT
if ! clang-tidy --quiet -p "$build" "${checks[@]}" "${files[@]}" >"$out" 2>"$out.log"; then
  cat "$out" "$out.log"
  exit 1
fi
rm -f "$out.log"
echo "${#files[@]} sources"
