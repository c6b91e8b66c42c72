#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# unit_results_test.sh: what unit_results.sh tells of processes that pass, fail, crash, leak and never begin
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=../checks.sh
. "$here/../checks.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# tests NAME STATUS LINE...: a program that prints these lines and exits so, as GoogleTest's do; it is run.
tests() {
  name=$1 status=$2
  shift 2
  {
    echo "#!/bin/sh"
    printf "echo '%s'\n" "$@"
    echo "exit $status"
  } >"$work/$name"
  chmod +x "$work/$name"
  "$here/unit_results.sh" run "$work/$name" "$work/$name.log" >/dev/null
}
tell() { "$here/unit_results.sh" "$1" "$work/$2.log" "${3:-}"; }
refuses() { ! "$@"; }
says() { "$@" 2>&1 | grep -q -- "$told"; }

tests good 0 '[ RUN      ] A.One' 'printed by it[       OK ] A.One (1 ms)' '[ RUN      ] A.One2' '[  SKIPPED ] A.One2 (0 ms)'
check "a test that passes" tell result good A.One
check "a test that is skipped" tell result good A.One2
check "a test that was not run" refuses tell result good A.On
check "a process that ends well" tell end good

tests bad 1 '[ RUN      ] A.One' 'why it fails' '[  FAILED  ] A.One (1 ms)' '[ RUN      ] B/C.D/0' '[       OK ] B/C.D/0 (1 ms)' \
  '[  FAILED  ] 1 test, listed below:' ' 1 FAILED TEST'
check "a test that fails" refuses tell result bad A.One
told='why it fails'
check "... with what it printed" says tell result bad A.One
check "a test after one that failed" tell result bad B/C.D/0
check "a process of which a test failed ends as its tests did" tell end bad

tests crash 134 '[ RUN      ] A.One' '[       OK ] A.One (1 ms)' '[ RUN      ] A.Two' 'heap-use-after-free'
check "a test before a crash" tell result crash A.One
check "a test that crashes" refuses tell result crash A.Two
check "a test after a crash" refuses tell result crash A.Three
told='heap-use-after-free'
check "... with why it was not run" says tell result crash A.Three
check "a process that crashes" refuses tell end crash

tests leak 1 '[ RUN      ] A.One' '[       OK ] A.One (1 ms)' 'LeakSanitizer: detected memory leaks'
check "a process that leaks" refuses tell end leak
verdict
