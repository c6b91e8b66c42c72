# shellcheck shell=bash
# One run of an emulated host: its scratch directory, its command, its end.
# Sourced after lib.sh.

run=''
processes=()

# open_run OUT CONSOLE: make the scratch directory $run. $out becomes the absolute
# path of OUT, or of a directory forgotten with the run.
open_run() {
  run=$(mktemp -d "${TMPDIR:-/tmp}/kvmx-lab.XXXXXX")
  keep_console=$2
  trap close_run EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  [[ -n $1 ]] && out=$1 || out=$run/out
  mkdir -p "$out" || die "cannot write to --out $out; choose another directory"
  out=$(realpath "$out")
  mkfifo "$run/output"
  : >"$run/console"
}

close_run() {
  local process
  set +e
  trap - ERR
  for process in "${processes[@]}"; do
    kill -KILL "$process" 2>/dev/null && wait "$process" 2>/dev/null
  done
  [[ -z $keep_console ]] || tr -d '\r' <"$run/console" >"$keep_console"
  rm -rf "$run"
}

# quote WORD...: as any POSIX shell reads them back.
quote() {
  local word
  for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

# setting NAME VALUE: a line the host's shell can read.
setting() { printf '%s=%s\n' "$1" "$(quote "$2")"; }

# write_command ISA SERIES DIRECTORY COMMAND...: the script that runs in the host.
write_command() {
  setting LAB_ISA "$1"
  setting LAB_KERNEL "$2"
  setting PATH "$PATH:/usr/sbin:/usr/bin:/sbin:/bin"
  setting PWD "$3"
  shift 3
  echo 'LAB_OUT=/lab-out HOME=/root USER=root LC_ALL=C.UTF-8 TERM=dumb'
  echo 'export LAB_ISA LAB_KERNEL LAB_OUT PATH HOME USER LC_ALL TERM'
  [[ -z ${KVMX_FULL:-} ]] || echo 'export KVMX_FULL=1'
  # shellcheck disable=SC2016 # expanded in the host
  echo 'cd "$PWD" || { echo "lab: no $PWD in the host" >&2; exit 125; }'
  printf 'exec %s\n' "$(quote "$@")"
}

# supervise TIMEOUT EMULATOR...: run it to its end, print the command's output,
# and exit with the status the command left, or say why there is none.
supervise() {
  local limit=$1 emulator copier clock status late=''
  shift
  cat "$run/output" &
  copier=$!
  "$@" </dev/null >"$run/emulator" 2>&1 &
  emulator=$!
  sleep "$limit" &
  clock=$!
  processes=("$emulator" "$clock" "$copier")
  wait -n "$emulator" "$clock" || true
  if kill -0 "$emulator" 2>/dev/null; then
    late=yes
    kill -KILL "$emulator"
  fi
  wait "$emulator" 2>/dev/null || true
  # If the emulator never opened the output, its reader still waits for a writer.
  : <>"$run/output"
  wait "$copier" || true
  collect
  if [[ -s $run/status ]]; then
    status=$(<"$run/status")
    exit "$status"
  fi
  explain "$limit" "$late"
  exit "$LAB_FAILED"
}

# collect: bring $out and $run/status here, where the host does not write to them.
collect() { :; }

# explain TIMEOUT LATE: why a run left no status.
explain() {
  if grep -q 'Kernel panic' "$run/console"; then
    say "the host's kernel panicked:"
    # An oops says on its first lines what went wrong and where, and panics some fifty later.
    sed -nE '/BUG:|Oops|general protection|Kernel panic/,$p' "$run/console" | printable
    return
  elif [[ -z $2 ]]; then
    say "the host ended without running the command to its end; its console, and the emulator's messages:"
  elif [[ -e $run/started ]] || grep -q '^lab: started' "$run/console"; then
    say "the command was still running after $1 s; raise --timeout, or see where it hangs. The host's console:"
  else
    say "the host was not up after $1 s; raise --timeout if the machine is busy. The host's console:"
  fi
  tail -n 25 "$run/console" | printable
  tail -q -n 5 "$run"/emulator* | printable
}

# printable: without the escape sequences of a screen, to stderr.
printable() { sed 's/\x1b[[(][0-9;?]*[A-Za-z]//g' | tr -cd '[:print:]\n' >&2; }
