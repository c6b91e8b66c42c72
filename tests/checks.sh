# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The checks of a test in shell: a line for each, and all of what a failed one printed. Sourced, by POSIX
# sh, too. Tests in Python have Verdict.

checks_passed=0 checks_failed=0 checks_missing=0 checks_left_out=0

# need COMMAND PACKAGE: what the checks need. Nothing is skipped where it is missing: see all_there.
need() {
  command -v "$1" >/dev/null && return
  echo "no $1: install the package $2" >&2
  checks_missing=1
}

# need_module MODULE PACKAGE: the same of python3's.
need_module() {
  python3 -c "import $1" 2>/dev/null && return
  echo "no module $1 of python3: install the package $2" >&2
  checks_missing=1
}

all_there() { [ $checks_missing = 0 ]; }

# check SENTENCE COMMAND...: COMMAND succeeds. Of one that did, the last line is printed too, if it is a
# count. COMMAND runs in a subshell: it leaves no variables behind.
check() {
  checks_sentence=$1
  shift
  if checks_log=$("$@" 2>&1); then
    checks_passed=$((checks_passed + 1))
    echo "ok: $checks_sentence$(printf '%s\n' "$checks_log" | sed -n '$s/^[0-9].*/: &/p')"
  else
    checks_failed=$((checks_failed + 1))
    printf 'FAILED: %s\n%s\n' "$checks_sentence" "$checks_log"
  fi
}

# check_nothing SENTENCE COMMAND...: COMMAND prints nothing; what it prints is what is wrong.
check_nothing() {
  checks_sentence=$1
  shift
  check "$checks_sentence" checks_silent "$@"
}

checks_silent() {
  if checks_log=$("$@" 2>&1) && [ -z "$checks_log" ]; then return; fi
  printf '%s\n' "$checks_log"
  return 1
}

# leave_out WHY: some checks cannot be made here. If the others hold, the test counts as skipped.
leave_out() {
  echo "SKIPPED: $1"
  checks_left_out=$((checks_left_out + 1))
}

verdict() {
  echo "$checks_passed passed, $checks_failed failed"
  [ $checks_failed = 0 ] || return 1
  [ $checks_left_out = 0 ] || return 77
}
