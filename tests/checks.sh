# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks that are commands: what they need, a line for each, all of what a failed one said. Sourced.

checks_passed=0 checks_failed=0 checks_missing=0

# need COMMAND PACKAGE: what the checks need.
need() {
  command -v "$1" >/dev/null && return
  echo "run.sh: no $1: install the package $2" >&2
  checks_missing=1
}

# need_module MODULE PACKAGE: the same of python3's.
need_module() {
  python3 -c "import $1" 2>/dev/null && return
  echo "run.sh: no module $1: install the package $2" >&2
  checks_missing=1
}

all_there() { [[ $checks_missing == 0 ]]; }

# check NAME COMMAND...: of one that passed the last line is shown too, if it is a count.
check() {
  local name=$1 log
  shift
  if log=$("$@" 2>&1); then
    checks_passed=$((checks_passed + 1))
    printf 'ok      %s%s\n' "$name" "$(sed -n '$s/^[0-9].*/: &/p' <<<"$log")"
  else
    checks_failed=$((checks_failed + 1))
    printf 'FAILED  %s\n%s\n' "$name" "$log"
  fi
}

verdict() {
  echo "$checks_passed passed, $checks_failed failed"
  [[ $checks_failed == 0 ]]
}
