#!/usr/bin/env bash
# selftest.sh: does the lab give what it promises?
#
# usage: tests/lab/selftest.sh amd|intel KERNEL   boot that host and look around
#        tests/lab/selftest.sh edges              panic, hang, late modules, two
#                                                 CPUs, ports, counted time (AMD)
#        tests/lab/selftest.sh scenarios          results of scenarios, good and bad (AMD)
#
# Exit status 0 if all holds; else each thing that does not is told on stderr.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

failures=0
wrong() {
  say "selftest: $*"
  failures=$((failures + 1))
}

# expect WHAT GOT WANTED
expect() { [[ $2 == "$3" ]] || wrong "$1: expected '$3', got '$2'"; }

# run STATUS HOST ARGS...: run a lab script, its output to $scratch/{output,errors}.
run() {
  local wanted=$1 host=$2 status=0
  shift 2
  "$LAB_DIR/$host.sh" "$@" >"$scratch/output" 2>"$scratch/errors" || status=$?
  [[ $status == "$wanted" ]] && return
  wrong "$host.sh $*: expected exit status $wanted, got $status; it said:"
  cat "$scratch/output" "$scratch/errors" >&2
}

host() {
  local host=$1 series=$2 isa=svm options=()
  if [[ $host == intel ]]; then
    isa=vmx
    options=(--file "$LAB_DIR/selftest-host.sh")
  fi
  # shellcheck disable=SC2016 # a test of quoting
  run 42 "$host" --kernel "$series" --out "$scratch/out" "${options[@]}" -- \
    "$LAB_DIR/selftest-host.sh" "$isa" "$series" "it's \"two\" \$words"
  ((failures == 0)) || return 0
  expect "output" "$(<"$scratch/output")" $'on stdout\non stderr\nagain on stdout'
  expect "working directory" "$(cat "$scratch/out/cwd")" "$PWD"
  expect "size of a file in --out" "$(stat -c %s "$scratch/out/folder/megabyte")" 1000000
}

edges() {
  local port=$((20000 + RANDOM % 10000)) answer='' status=0
  run 125 amd --kernel 4.19 -- true
  run 125 amd
  run 127 amd -- no-such-command
  run 125 amd -- sh -c 'echo c >/proc/sysrq-trigger'
  grep -q "kernel panicked" "$scratch/errors" || wrong "a panic is not called one"
  run 125 amd --timeout 1 -- true
  grep -q "not up after 1 s" "$scratch/errors" || wrong "a host that is not up is not called that"
  # Long enough for a busy machine to boot the host.
  run 125 amd --timeout 45 -- sleep 1000
  grep -q "still running after 45 s" "$scratch/errors" || wrong "a hang is not called one"

  run 0 amd --no-kvm -- sh -c '! test -e /sys/module/kvm && modprobe kvm_amd && : <>/dev/kvm'
  # shellcheck disable=SC2016 # expanded in the host
  run 0 amd --smp 2 -- sh -c 'test "$(nproc)" = 2 && ! dmesg | grep -i "tsc.*unstable"'
  # One instruction a nanosecond.
  run 0 amd --icount -- sh -c 'dmesg | grep -E "tsc: Detected (999|1000)[.]"'
  run 0 amd -- sh -c 'head -c 3000000 /dev/zero | tr "\0" x'
  expect "bytes of a long output" "$(stat -c %s "$scratch/output")" 3000000

  "$LAB_DIR/amd.sh" --forward "$port:8080" -- sh -c 'mkdir /tmp/www && echo served >/tmp/www/page
    busybox httpd -f -p 8080 -h /tmp/www' &
  local server=$!
  for _ in {1..90}; do
    sleep 1
    answer=$(fetch_page "$port" 2>/dev/null || true)
    [[ -z $answer ]] || break
  done
  expect "a page from inside" "$answer" served
  kill -TERM "$server"
  wait "$server" || status=$?
  expect "exit status of a run that was stopped" "$status" 143
}

# Scenarios that panic the host, stop it (and, run again, keep it busy), are late, leave something behind and are
# skipped, each between good ones.
scenarios() {
  local name status
  cat >"$scratch/plan" <<'END'
lab --kernel 6.1 --timeout 200
guest /bin/true
good 20 true
panics 20 sh -c '"$0" --count 1 "two words"; echo c >/proc/sysrq-trigger; sleep 10' /bin/true
good-again 20 true
stops-all 5 sh -c 'kill -STOP "$PPID"; [ -e /lab-out/again ] || exec touch /lab-out/again; while :; do :; done'
late 3 sleep 100
leaves 20 sh -c 'sleep 100 & mkdir /sys/fs/bpf/kvmx-left'
skipped 20 sh -c 'exit 77'
shut-down 20 sh -c 'echo left with KVM_EXIT_SHUTDOWN; exit 1'
bad 20 false
END
  # A host that spins is to have the CPU time of the second long before it has hung by the first, also on a busy machine.
  KVMX_LAB_HANGS_AFTER=40 KVMX_LAB_SILENT_CPU_SECONDS=5 "$LAB_DIR/scenarios.py" run "$scratch/plan" \
    "$scratch/results" >"$scratch/output" || wrong "scenarios.py run failed"
  for name in good=0 panics=125 good-again=0 stops-all=125 late=124 leaves=1 skipped=77 shut-down=125 bad=1 host=125; do
    status=0
    "$LAB_DIR/scenarios.py" result "$scratch/results" "${name%=*}" >"$scratch/log" || status=$?
    expect "status of ${name%=*}" "$status" "${name#*=}"
    case $name in
      panics=*)
        grep -q "Kernel panic" "$scratch/log" || wrong "the log of a panic does not tell of it"
        grep -q "^control run: 1 guests without an exporter: 0 were shut down" "$scratch/log" ||
          wrong "the log of a panic has no control run"
        ;;
    esac
  done
  grep -q "hung in stops-all, it was 40 s late" "$scratch/results/host.log" || wrong "a host that idles does not hang"
  grep -q "hung in stops-all, it gave no sign of life for .* s of CPU time" "$scratch/results/host.log" ||
    wrong "a host that spins does not hang"
  ((failures == 0)) || cat "$scratch/output" >&2
  status=0
  "$LAB_DIR/scenarios.py" result "$scratch/results" missing >/dev/null || status=$?
  expect "status of a scenario that was not run" "$status" 1
}

# fetch_page PORT: its body's last line, without a program for it.
fetch_page() {
  exec 5<>"/dev/tcp/127.0.0.1/$1"
  printf 'GET /page HTTP/1.0\r\n\r\n' >&5
  timeout 5 tail -n 1 <&5
  exec 5>&-
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case "${1:-}:${2:-}" in
  --help: | -h:) usage "$0" && exit ;;
  amd:?* | intel:?*) need_series "$2" && host "$1" "$2" ;;
  edges: | scenarios:) "$1" ;;
  *) die "tell me what to test; see --help" ;;
esac
((failures == 0)) || exit 1
