#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vmalert-rules.sh RULES_DIR OUT_DIR: our rules as vmalert and VictoriaMetrics need them
#
# - Of a series that begins within a window, rate() takes what it has for the whole in VictoriaMetrics, so that
#   the first minute of a storm would be a storm of ten. An increase over the window's length is the same in
#   both engines.
# - VictoriaMetrics 1.79 (Debian 12) has no native histograms: their half of a query is left out.
# - vmalert before 1.91 does not know keep_firing_for: there it goes, and an alert ends when its expression does,
#   a storm's page five minutes after the storm and not twenty.
set -eu

rules=$1 out=$2
mkdir -p "$out"
known=yes
vmalert -dryRun -rule="$rules/kvm-*.yml" >"$out/dry-run.log" 2>&1 || known=no
if [ $known = no ] && ! grep -q 'unknown fields in rule: keep_firing_for' "$out/dry-run.log"; then
  cat "$out/dry-run.log" >&2
  exit 1
fi
rm "$out/dry-run.log"
# $of stands in the rules' templates.
# shellcheck disable=SC2016
for file in "$rules"/kvm-*.yml; do
  sed -e 's/rate(\(kvm_vm_finding_seconds_total\)\[10m\])/(increase(\1[10m]) \/ 600)/' \
    -e '/^ *or$/{N;/histogram_quantile(0.99, rate(kvm_exit_latency_seconds\[/{N;N;d}}' \
    -e 's/ or histogram_quantile(0.99, rate(kvm_exit_latency_seconds%s\[10m\])) and histogram_count([^>]*> 100\(.*\)" \$of \$of/\1" $of/' \
    "$file" >"$out/$(basename "$file")"
  [ $known = yes ] || sed -i '/^ *keep_firing_for:/d' "$out/$(basename "$file")"
done
