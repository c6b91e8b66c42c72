#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# alert_guests.sh EXPORTER GUEST PORT OUT: an exporter without vCPUs, and the guests of alert_test.py
#
# On this machine or in an emulated host. The guest page-storm ticks at 1000 Hz on twelve vCPUs, and has a
# thirteenth that never runs, until the file OUT/cure is there; then it starts again as a quiet guest, as
# one does that was booted without nohz=off. All ends when OUT/end is there.
set -eu

exporter=$1 guest=$2 port=$3 out=$4
pids=''
# A storm is one by its sum of 10,000 ticks a second, on a busy machine as well: so it comes before all else.
first=''
if chrt -f 10 true 2>/dev/null; then first='chrt -f 10'; fi

start() { # NAME OPTION...
  name=$1
  shift
  $first "$guest" --qemu-name "$name" --count 0 "$@" >/dev/null &
  pids="$pids $!"
}

until_there() { until [ -e "$out/$1" ]; do sleep 1 & wait $!; done; }

trap 'kill $pids 2>/dev/null || true' EXIT
trap 'exit 143' TERM
$first "$exporter" --web.listen-address=":$port" --metrics.per-vcpu=none --scrape.min-interval=100ms &
pids=$!
# They would leave an emulated CPU little time to load BPF programs.
until busybox wget -q -O /dev/null "http://127.0.0.1:$port/-/ready"; do sleep 1; done 2>/dev/null
# Its halts are so short that they end while KVM still polls, which it does only where nothing else wants the
# CPU: so nobody else begins before OUT/begin is there. It leaves at once, its counts linger.
sleep 3 | "$guest" --qemu-name page-poll --hold-after --program tick-halt --rate 8000 --count 3000 >/dev/null
touch "$out/begin"
# A guest in health, by the rates of one of 32 vCPUs, and one whose tick is a tick and no storm.
start page-quiet --program tick-halt --rate 14 --vcpus 4
start page-tick --program tick-halt --rate 150 --yield-every 50
start page-storm --qemu-uuid 8f0e2f6c-0000-4000-8000-000000000001 --program tick-halt --rate 1000 --vcpus 12 --parked 1
storm=$!
until_there cure
kill $storm
wait $storm || true
start page-storm --qemu-uuid 8f0e2f6c-0000-4000-8000-000000000001 --program tick-halt --rate 14 --vcpus 12 --parked 1
until_there end
