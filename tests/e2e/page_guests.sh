#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# page_guests.sh EXPORTER GUEST PORT OUT RATE VCPUS: an exporter, and the guests of page_test.py
#
# On this machine or in an emulated host. The guest page-storm ticks at RATE Hz on VCPUS vCPUs until
# the file OUT/cure is there; then it starts again as a quiet guest, as one does that was booted
# without nohz=off. All ends when OUT/end is there.
set -eu

exporter=$1 guest=$2 port=$3 out=$4 rate=$5 vcpus=$6
pids=''

start() { # NAME OPTION...
  name=$1
  shift
  "$guest" --qemu-name "$name" --program tick-halt --count 0 "$@" >/dev/null &
  pids="$pids $!"
}

until_there() { until [ -e "$out/$1" ]; do sleep 1 & wait $!; done; }

trap 'kill $pids 2>/dev/null || true' EXIT
trap 'exit 143' TERM
"$exporter" --web.listen-address=":$port" --scrape.min-interval=100ms &
pids=$!
# They would leave an emulated CPU little time to load BPF programs.
until busybox wget -q -O /dev/null "http://127.0.0.1:$port/-/ready"; do sleep 1; done 2>/dev/null
# Its halts are so short that they end while KVM still polls; it leaves at once, its counts linger.
sleep 3 | "$guest" --qemu-name page-poll --hold-after --program tick-halt --rate 8000 --count 3000 >/dev/null
# A guest in health, by the rates of one of 32 vCPUs, and one whose tick is a tick, and no storm.
start page-quiet --rate 14 --vcpus 4
start page-tick --rate 100 --yield-every 50
# Over 800 is a storm.
start page-storm --rate "$rate" --vcpus "$vcpus"
storm=$!
until_there cure
kill $storm
wait $storm || true
start page-storm --rate 14 --vcpus "$vcpus"
until_there end
