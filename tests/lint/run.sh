#!/usr/bin/env bash
# run.sh: what can be said of the sources without running them
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
failures=0

check() {
  local what=$1 found
  shift
  if found=$("$@" 2>&1) && [[ -z $found ]]; then
    echo "ok: $what"
  else
    printf 'FAILED: %s\n%s\n' "$what" "$found"
    failures=$((failures + 1))
  fi
}

all() { git ls-files --cached --others --exclude-standard -- "$@"; }

mapfile -t shells < <(all '*.sh' .ci/run)
check "shellcheck" shellcheck -x -P SCRIPTDIR "${shells[@]}"

mapfile -t sources < <(all '*.cc' '*.h' 'bpf/*.c')
check "clang-format" clang-format --dry-run --Werror "${sources[@]}"

unparsed() { all '*.py' | xargs /usr/bin/python3 -c 'import ast, sys
for path in sys.argv[1:]: ast.parse(open(path, encoding="utf-8").read(), path)'; }
check "Debian's Python can read every script" unparsed

unlicensed() { all '*.cc' '*.h' '*.c' '*.S' | xargs grep -L 'SPDX-License-Identifier: ' || true; }
check "every source names its licence" unlicensed

misplaced() {
  all | sed 's,/.*,,' | sort -u |
    grep -vxE 'CMakeLists.txt|exporter|bpf|dashboards|deploy|tests|README.md|LICENSE|CHANGELOG.md|\..*'
  true
}
check "the top level is as agreed" misplaced

long() { all '*.cc' '*.h' '*.c' '*.S' | xargs wc -l | awk '$2 != "total" && $1 > 400'; }
check "no source is longer than 400 lines" long

echo "$failures failed"
((failures == 0))
