#!/usr/bin/env bash
# install_test.sh BUILD: what cmake --install puts where, and whether it is of use there
set -uo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cmake --install "$1" --prefix "$root" >"$root/log" || { cat "$root/log" && exit 1; }
# shellcheck source=../checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../checks.sh"

# prints WORDS COMMAND...: COMMAND succeeds and prints these words.
prints() {
  local words=$1 printed
  shift
  printed=$("$@" 2>&1) && [[ $printed == *"$words"* ]] && return
  printf 'expected "%s" in:\n%s\n' "$words" "$printed"
  return 1
}
expect() { check "$1" prints "${@:2}"; }

expect "the exporter runs from there" "kvm_exit_exporter, version" \
  "$root/bin/kvm_exit_exporter" --version

page=$root/share/man/man8/kvm_exit_exporter.8
troff_warnings() { ! groff -man -Tutf8 -ww -z "$page" 2>&1 | grep .; }
expect "the manual page has no mistake" "" troff_warnings
expect "the manual page reads well" "--[no-]collector.exits" \
  env MANWIDTH=100 MAN_KEEP_FORMATTING= man -l "$page"

# complete WORD...: what bash offers for the last of these words.
complete_in_bash() {
  bash -c '
    compopt() { :; } # only where a completion is under way
    . "$1"; shift
    COMP_WORDS=(kvm_exit_exporter "$@") COMP_CWORD=$#
    _kvm_exit_exporter kvm_exit_exporter "${*: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "${COMPREPLY[*]}"' - "$root/share/bash-completion/completions/kvm_exit_exporter" "$@"
}
expect "bash completes a flag" "--web.max-requests=" complete_in_bash --web.m
expect "bash completes a flag to switch off" "--no-collector.halts" complete_in_bash --no-collector.h
expect "bash offers the values" "debug info warn error" complete_in_bash --log.level =
expect "bash completes a value" "json" complete_in_bash --log.format = j
expect "bash completes a file" "$1/CMakeCache.txt" complete_in_bash --web.config.file "$1/CMakeCach"
expect "zsh takes its completion" "" zsh -n "$root/share/zsh/vendor-completions/_kvm_exit_exporter"

verdict
