#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: what can be said of the sources by reading them; clang_tidy.sh says more
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
export PYTHONDONTWRITEBYTECODE=1
# shellcheck source=../checks.sh
. tests/checks.sh

need shellcheck shellcheck
need clang-format clang-format
need python3 python3
need dpkg-parsechangelog dpkg-dev
all_there || exit 1

all() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [[ ! -e $file ]] || echo "$file"; done; }

mapfile -t shells < <(all '*.sh' .ci/run deploy/systemd/kvm-exit-exporter-capabilities)
check_nothing "shellcheck" shellcheck -x -P SCRIPTDIR "${shells[@]}"

mapfile -t sources < <(all '*.cc' '*.h' 'bpf/*.c')
check_nothing "clang-format" clang-format --dry-run --Werror "${sources[@]}"

unparsed() { all '*.py' | xargs /usr/bin/python3 -c 'import ast, sys
for path in sys.argv[1:]: ast.parse(open(path, encoding="utf-8").read(), path)'; }
check_nothing "Debian's Python can read every script" unparsed

unlicensed() { all '*.cc' '*.h' '*.c' '*.S' | xargs grep -L 'SPDX-License-Identifier: ' || true; }
check_nothing "every source names its licence" unlicensed

misplaced() {
  all | sed 's,/.*,,' | sort -u |
    grep -vxE 'CMakeLists.txt|exporter|bpf|dashboards|deploy|tests|README.md|LICENSE|CHANGELOG.md|\..*'
  true
}
check_nothing "the top level is as agreed" misplaced

# longer_than LINES FILE...
longer_than() { wc -l "${@:2}" | awk -v most="$1" '$2 != "total" && $1 > most'; }
mapfile -t limited < <(all '*.cc' '*.h' '*.c' '*.S' '*.py' '*.sh')
check_nothing "no source is longer than 400 lines" longer_than 400 "${limited[@]}"
check_nothing "README.md is no longer than 200 lines" longer_than 200 README.md

check_nothing "every include goes with the flow of data" python3 tests/lint/check_includes.py .

mapfile -t pages < <(all '*.md')
check_nothing "every link in a page leads somewhere" python3 tests/lint/check_links.py "${pages[@]}"

# The version is project(VERSION) in CMakeLists.txt; the package and the chart repeat it.
other_versions() {
  local chart=deploy/helm/kvm-exit-exporter/Chart.yaml version
  version=$(sed -n 's/^project(.* VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
  [[ $version ]] || echo "CMakeLists.txt names no version"
  [[ $(dpkg-parsechangelog -l deploy/debian/changelog -S Version) == "$version" ]] ||
    echo "deploy/debian/changelog is not of $version"
  [[ $(grep -cxE "(version|appVersion): \"?$version\"?" $chart) == 2 ]] || echo "$chart is not of $version"
  grep -q "^## $version" CHANGELOG.md || echo "CHANGELOG.md has no chapter $version"
}
check_nothing "one version: CMakeLists.txt's" other_versions

verdict
