#!/usr/bin/env bash
# intel.sh: run a command on an emulated Intel host with KVM
#
# usage: tests/lab/intel.sh [OPTION...] -- COMMAND [ARGUMENT...]
#
# Boots a stock Debian kernel in Bochs (no /dev/kvm is needed) with VMX, EPT and the
# preemption timer, loads kvm_intel, and runs COMMAND there as root. The host has
# busybox, one CPU, and the files it is given; COMMAND starts in a directory of the
# same name as the current one.
#
#   --kernel SERIES   5.10, 6.1 (default), 6.12 or 7.2: Debian 11, 12, 13, unstable
#   --file PATH       a program or file to take along, or a directory of them; its
#                     shared libraries come with it; same path inside; repeatable
#   --mem MB          the host's memory, default 1024
#   --out DIR         what COMMAND writes into $LAB_OUT goes here, at most 250 MB
#   --append ARGS     more arguments for the host's kernel
#   --console FILE    keep the host's console log
#   --timeout SECONDS from start to end, default 600
#
# Inside: LAB_ISA=vmx, LAB_KERNEL=SERIES, LAB_OUT; tracefs, debugfs, bpffs and
# cgroup2 are mounted; /boot/config of the kernel is in place. Its clock runs at
# 100 MHz of emulated instructions: slower than ours when busy, faster when idle.
#
# COMMAND's output, both kinds, comes out on stdout as it is made (10 KB/s of the
# host's time: use --out for more). Exit status is COMMAND's; 125 with a sentence on
# stderr if the host failed, hung or panicked.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=initramfs.sh
. "$LAB_DIR/initramfs.sh"
# shellcheck source=intel-disk.sh
. "$LAB_DIR/intel-disk.sh"
# shellcheck source=run.sh
. "$LAB_DIR/run.sh"

series=6.1 mem=1024 timeout=600 out='' console='' append='' files=()
while (($#)); do
  case $1 in
    --help | -h) usage "$0" && exit ;;
    --) shift && break ;;
    --*) need_value "$1" $# ;;
    *) break ;;
  esac
  case $1 in
    --kernel) need_series "$2" && series=$2 ;;
    --mem) need_number "$1" "$2" && mem=$2 ;;
    --timeout) need_number "$1" "$2" && timeout=$2 ;;
    --file)
      [[ -e $2 ]] || die "--file $2: no such file; build it first"
      files+=("$2")
      ;;
    --out) out=$2 ;;
    --append) append=$2 ;;
    --console) console=$2 ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift 2
done
(($#)) || die "no command given; see --help"

kernel=$(kernel_dir "$series")
boot=$(boot_dir intel "$series" "$kernel")
require_packages bochs bochs-term bochsbios vgabios bsdutils

# carry PATH: copy it, and the libraries of the programs in it, under $run/tree.
carry() {
  local path library
  path=$(realpath -s "$1")
  mkdir -p "$run/tree$(dirname "$path")"
  cp -rL "$path" "$run/tree$(dirname "$path")/"
  find -L "$path" -type f -perm /111 | while read -r path; do
    { ldd "$path" 2>/dev/null || true; } | sed -n 's,^[^/]*\(/[^ ]*\) (0x.*,\1,p' | while read -r library; do
      mkdir -p "$run/tree$(dirname "$library")"
      cp -uL "$library" "$run/tree$library"
    done
  done
}

open_run "$out" "$console"
mkdir -p "$run/tree/lab-run" "$run/tree$PWD"
write_command vmx "$series" "$PWD" "$@" >"$run/tree/lab-run/command"
for file in "${files[@]}"; do carry "$file"; done
{ cat "$boot/initramfs" && pack_tree "$run/tree"; } >"$run/initramfs"
pad_sectors "$run/initramfs"
write_disk "$run/boot.img" "$kernel" "$boot" "$run/initramfs" \
  "console=ttyS0 panic=-1 reboot=t oops=panic quiet mitigations=off cryptomgr.notests $append"
rm -rf "$run/tree" "$run/initramfs"
truncate -s 256M "$run/out.img"

# This model has no CPUID leaf 0x15, so the kernel measures the TSC at the true
# 100 MHz; at more than 429 MHz kvm_intel would do without the preemption timer.
# A panic ends in a triple fault (reboot=t), and that in the end of the emulator.
cat >"$run/bochsrc" <<END
display_library: term
cpu: model=corei7_haswell_4770, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=$mem, host=$mem
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=disk, path="$run/boot.img", mode=flat
ata0-slave: type=disk, path="$run/out.img", mode=flat
boot: disk
com1: enabled=1, mode=file, dev="$run/console"
com2: enabled=1, mode=file, dev="$run/output"
clock: sync=none
speaker: enabled=0
log: "$run/emulator.log"
info: action=ignore
error: action=ignore
panic: action=fatal
END
# Debian's build starts in its debugger: continue.
echo c >"$run/bochsrc.debugger"

# Bochs draws its screen, and insists on a terminal to do so, of a known kind.
# shellcheck disable=SC2317 # called by supervise
emulate() {
  TERM=vt100 exec script -qc "exec bochs -q -f '$run/bochsrc' -rc '$run/bochsrc.debugger'" \
    "$run/emulator.screen" >/dev/null
}

# shellcheck disable=SC2317 # called by supervise
collect() {
  tar -xf "$run/out.img" -C "$run" 2>/dev/null && [[ -s $run/lab-run/status ]] || return 0
  cp -r "$run/lab-out/." "$out/"
  mv "$run/lab-run/status" "$run/status"
}

supervise "$timeout" emulate
