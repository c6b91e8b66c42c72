#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang_tidy.sh BUILD [FILE...]: clang-tidy over the exporter's sources
#
# BUILD has a compile_commands.json. Most of the time goes into reading headers, 2 s a source: a build that joins
# sources (CMAKE_UNITY_BUILD) reads them once for each dozen. All checks in .clang-tidy take another 6 s a
# source. So without KVMX_FULL only those run here that cost next to nothing and that neither compiler has as a
# warning.
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
(($#)) || mapfile -t files < <(
  grep -oP '"file": "\K.*/exporter/.*\.(cc|cxx)(?=")' "$build/compile_commands.json" | sort -u)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
if ! clang-tidy --quiet -p "$build" --header-filter='/(exporter|tests)/.*\.(h|cc)$' "${checks[@]}" "${files[@]}" \
  >"$out" 2>"$out.log"; then
  cat "$out" "$out.log"
  exit 1
fi
rm -f "$out.log"
echo "${#files[@]} sources, or joined ones"
