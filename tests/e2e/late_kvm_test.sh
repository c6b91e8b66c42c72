#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# late_kvm_test.sh EXPORTER GUEST: KVM is loaded after the exporter has started
#
# In an emulated AMD host, whose KVM is unloaded first. The exporter must run, say on /metrics that
# nothing is attached, attach when the modules come, and then count.
set -eu

exporter=$1 guest=$2
url=http://127.0.0.1:10197
log=$(mktemp)
# KVM's events, and three functions of its own.
probes=$(($(grep -c '^kvm_' "$(dirname "$0")/../lib/events.txt") + 3))

fail() {
  echo "FAILED: $*"
  cat "$log"
  exit 1
}
metrics() { busybox wget -q -O - $url/metrics; }
attached() { metrics | grep -c '^kvm_exporter_probe_attached.* 1$' || true; }

[ ! -e /sys/module/kvm_amd ] || modprobe -r kvm_amd
[ ! -e /sys/module/kvm ] || fail "KVM cannot be unloaded"
"$exporter" --web.listen-address=127.0.0.1:10197 --scrape.min-interval=1ms 2>"$log" &
exporter_pid=$!
trap 'kill $exporter_pid' EXIT

tries=0
until metrics >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || fail "the exporter does not run without KVM"
  sleep 0.5
done
[ "$(attached)" = 0 ] || fail "something is attached without KVM"
[ "$(metrics | grep -c '^kvm_exporter_probe_attached.* 0$')" = $probes ] || fail "not all probes are listed"
grep -q "modprobe kvm_amd" "$log" || fail "the log does not say what to do"
echo "ok: without KVM it runs and says so"

modprobe kvm_amd
tries=0
until [ "$(attached)" = $probes ]; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || fail "the probes were not attached when KVM came"
  sleep 0.5
done
echo "ok: attached when KVM came"

"$guest" --qemu-name late-kvm --program cpuid --count 123 >/dev/null
metrics | grep -q '^kvm_exits_total{vm="late-kvm",vcpu="0",reason="cpuid"} 123$' ||
  fail "the guest's exits are not counted: $(metrics | grep kvm_exits_total)"
echo "ok: counts"
