#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# promtool.sh: the rules by whichever promtool comes first in PATH, a scrape every 60 s
#
# run.sh does more with this system's. Since Prometheus 3 a range leaves out a sample at its very beginning.
set -u
export PYTHONDONTWRITEBYTECODE=1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rules=$here/../../deploy/prometheus/rules
# shellcheck source=../checks.sh
. "$here/../checks.sh"
need promtool prometheus
all_there || exit 1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

scenario() {
  local test
  test=$out/$(basename "$1")
  python3 "$here/expand.py" "$rules" "$1" 60 >"$test" && promtool test rules "$test" &&
    echo "$(grep -c '^- name:' "$test") tests, $(grep -c '^  - expr:' "$test") checks"
}

promtool --version | sed -n 1p
check "promtool check rules" promtool check rules --lint=all --lint-fatal "$rules"/*.yml
for file in "$here"/table.yml "$here"/scenarios/*.yml; do
  check "$(basename "$file")" scenario "$file"
done
check "annotations" promtool test rules "$here/annotations.test.yml"
check "samples of Prometheus" python3 "$here/check_samples.py" "$here/../../deploy/prometheus"
verdict
