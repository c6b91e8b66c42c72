#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything that is checked about rules, alerts, runbooks and sample configurations:
#
#   tests/rules/run.sh [OUT_DIR]
#
# OUT_DIR keeps what is generated (default: a temporary directory). Never skips: what it needs is
# said and makes it fail.
set -u
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
deploy=$(cd "$here/../../deploy" && pwd)
rules=$deploy/prometheus/rules
# shellcheck source=../checks.sh
. "$here/../checks.sh"

need promtool prometheus
need amtool prometheus-alertmanager
need python3 python3
need_module yaml python3-yaml
all_there || exit 1

if [ $# -gt 0 ]; then
  out=$1
  mkdir -p "$out"
else
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi

scenario() { # file, seconds between scrapes: expands it and runs it
  local test
  test=$out/$(basename "$1" .yml).$2s.test.yml
  python3 "$here/expand.py" "$rules" "$1" "$2" >"$test" && promtool test rules "$test" &&
    echo "$(grep -c '^- name:' "$test") tests, $(grep -c '^  - expr:' "$test") checks"
}

shortened() {
  rm -rf "$out/short"
  python3 "$here/shorten.py" 20 "$rules" "$out/short" && promtool check rules "$out"/short/*.yml
}

two_versions() { # vCPUs
  local test=$out/rollout.$1.test.yml
  python3 "$here/rollout.py" "$rules" "$here/../fixtures/pages/before-findings.txt" "$here/../golden/metrics.txt" \
    "$1" >"$test" && promtool test rules "$test"
}

check "promtool check rules" promtool check rules --lint=all --lint-fatal "$rules"/*.yml
check "contract, conventions, coverage" \
  python3 "$here/check_rules.py" "$rules" "$here"/table.yml "$here"/scenarios/*.yml
for file in "$here"/table.yml "$here"/scenarios/*.yml; do
  for seconds in 15 60; do
    check "$(basename "$file"), a scrape every $seconds s" scenario "$file" "$seconds"
  done
done
for mode in counts none; do
  check "exporters of two versions, vCPUs: $mode" two_versions "$mode"
done
check "annotations" promtool test rules "$here/annotations.test.yml"
check "rules with their times divided" shortened
check "samples of Prometheus" python3 "$here/check_samples.py" "$deploy/prometheus"
check "amtool check-config" amtool check-config "$deploy/alertmanager/alertmanager.yml"
check "routes and inhibition" \
  python3 "$here/check_alertmanager.py" "$deploy/alertmanager/alertmanager.yml" "$rules"
check "series of a guest, and who reads them" python3 "$here/check_series.py" "$deploy/fleet/README.md"
check "the exporter's thresholds in rules and texts" python3 "$here/check_figures.py" "$rules"
check "runbooks" \
  python3 "$here/check_runbooks.py" "$deploy/runbooks" "$rules" "$deploy/prometheus/README.md"

verdict
