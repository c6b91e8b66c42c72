#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# unit_results.sh: all unit tests in one process, each with a test of ctest's that tells its result. A process of its own,
# with the sanitizers, would take a test 0.2 s before it begins.
#
#   unit_results.sh list PROGRAM LOG FILE   writes FILE, which ctest reads: the tests of PROGRAM
#   unit_results.sh run PROGRAM LOG         runs them; what they print goes to LOG, the exit status to LOG.status
#   unit_results.sh result LOG NAME         prints what a test printed, exits with 0 if it passed
#   unit_results.sh end LOG                 exits with 0 if the process ended as its tests did: no leak, no crash
set -eu

case $1 in
  list)
    "$2" --gtest_list_tests | awk -v self="$0" -v program="$2" -v log_file="$3" '
      function add(name, arguments, more) {
        printf "add_test([=[%s]=] sh [=[%s]=] %s)\n", name, self, arguments
        printf "set_tests_properties([=[%s]=] PROPERTIES LABELS unit %s)\n", name, more
      }
      BEGIN {
        add("unit-tests-run", "run [=[" program "]=] [=[" log_file "]=]", "FIXTURES_SETUP unit-tests TIMEOUT 600 COST 60")
        add("unit-tests-end", "end [=[" log_file "]=]", "FIXTURES_REQUIRED unit-tests")
      }
      /^[^ ]/ { suite = $1 }
      /^  / {
        called = name = suite $1
        # By its value, not its number, if it has one that can be read and is its own.
        if (name ~ /\/[0-9]+$/ && !/-byte object </ && sub(/.*# GetParam\(\) = */, "") && sub(/ *$/, "") && $0 != "") {
          sub(/[0-9]+$/, "", called)
          called = seen[called $0]++ ? name : called $0
        }
        add(called, "result [=[" log_file "]=] [=[" name "]=]",
            "FIXTURES_REQUIRED unit-tests SKIP_REGULAR_EXPRESSION \"\\\\[  SKIPPED \\\\]\"")
      }' >"$4"
    ;;
  run)
    status=0
    "$2" >"$3" 2>&1 || status=$?
    echo "$status" >"$3.status"
    tail -n 3 "$3"
    ;;
  result)
    awk -v name="$3" '
      $0 == "[ RUN      ] " name { inside = 1 }
      !inside { next }
      { print }
      index($0, "[       OK ] " name) || index($0, "[  SKIPPED ] " name) { passed = 1; exit }
      index($0, "[  FAILED  ] " name) { exit }
      END { exit !passed }' "$2" && exit
    grep -qF "[ RUN      ] $3" "$2" || tail -n 40 "$2"
    exit 1
    ;;
  end)
    status=$(cat "$2.status")
    [ "$status" -ne 0 ] || exit 0
    # GoogleTest's own, of tests that tell it themselves; a sanitizer's is 1, too.
    if [ "$status" -eq 1 ] && grep -q '^ *[0-9]* FAILED TEST' "$2"; then exit 0; fi
    tail -n 200 "$2"
    exit "$status"
    ;;
esac
