#!/usr/bin/env bash
# startup_test.sh EXPORTER: what the exporter says, and how it ends, when it cannot start
#
# Each case: exit status, and a sentence that names the cure. As root, on any kernel with BPF.
set -uo pipefail

exporter=$(realpath "$1")
address=127.0.0.1:10196
log=$(mktemp)
# shellcheck source=../checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../checks.sh"
holder=''
trap 'rm -f "$log"; [[ -z $holder ]] || kill "$holder" 2>/dev/null' EXIT

# ends STATUS WORDS COMMAND...: COMMAND ends with that status, within 20 s, and prints these words.
ends() {
  local status=$1 words=$2 got
  shift 2
  timeout 20 "$@" >"$log" 2>&1
  got=$?
  [[ $got == "$status" ]] && grep -q -- "$words" "$log" && return
  echo "exit status $got, expected $status and \"$words\" in:"
  cat "$log"
  return 1
}
expect() { check "$1" ends "${@:2}"; }

expect "help" 0 "--web.listen-address" "$exporter" --help
expect "version" 0 "kvm_exit_exporter, version" "$exporter" --version
expect "unknown flag" 2 "--no-such-flag" "$exporter" --no-such-flag
expect "no room for vCPUs" 2 "--bpf.max-vcpus" "$exporter" --bpf.max-vcpus=0
expect "duration without a unit" 2 "--vm.linger" "$exporter" --vm.linger=5
expect "address without a port" 2 "give HOST:PORT" "$exporter" --web.listen-address=localhost
if [[ -w /dev/kvm ]]; then
  expect "no capabilities" 1 "CAP_SYS_ADMIN" \
    setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all \
    "$exporter" --web.listen-address=$address
  expect "no BTF" 0 "CONFIG_DEBUG_INFO_BTF" \
    unshare --mount sh -c 'mount -t tmpfs none /sys/kernel/btf && cd /sys/kernel/tracing &&
      { mountpoint -q . || mount -t tracefs tracefs .; } && exec "$@"' -- \
    timeout --preserve-status 3 "$exporter" --web.listen-address=$address
else
  leave_out "this machine has no /dev/kvm: nothing is loaded"
fi

"$exporter" --web.listen-address=$address 2>"$log.held" &
holder=$!
for _ in $(seq 100); do
  curl -sf "http://$address/-/ready" >/dev/null && break
  sleep 0.1
done
expect "port in use" 1 "is another exporter running there" \
  "$exporter" --web.listen-address=$address
expect "an unknown path is not found" 0 "^404$" \
  curl -s -o /dev/null -w '%{http_code}\n' "http://$address/nonsense"
expect "POST is refused" 0 "^405$" \
  curl -s -o /dev/null -w '%{http_code}\n' -d x=1 "http://$address/metrics"
expect "HEAD has no body" 0 "^200 0$" \
  curl -s -I -o /dev/null -w '%{http_code} %{size_download}\n' "http://$address/metrics"
kill -TERM "$holder"
wait "$holder"
status=$?
holder=''
check "SIGTERM ends it well: exit status $status" test "$status" = 0
rm -f "$log.held"

verdict
