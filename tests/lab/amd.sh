#!/usr/bin/env bash
# amd.sh: run a command on an emulated AMD host with KVM
#
# usage: tests/lab/amd.sh [OPTION...] -- COMMAND [ARGUMENT...]
#
# Boots a stock Debian kernel in QEMU (TCG, so no /dev/kvm is needed) with SVM and
# nested paging, loads kvm_amd, and runs COMMAND there as root. The machine's own
# files are there under the same paths, in the same working directory; what is
# written to them inside is forgotten at the end, but for $LAB_OUT.
#
#   --kernel SERIES   5.10, 6.1 (default), 6.12 or 7.2: Debian 11, 12, 13, unstable
#   --smp N           CPUs of the host, default 1; they take turns on one of ours
#   --mem MB          its memory, default 3000
#   --out DIR         what COMMAND writes into $LAB_OUT goes here
#   --forward H:G     TCP port G of the host is 127.0.0.1:H here; repeatable
#   --icount          the clock counts instructions, 1 ns each: repeatable times,
#                     about 3 times slower, one CPU emulated at a time
#   --system DIR      boot the Debian system in DIR with its own systemd, and run
#                     COMMAND as a service in it; this machine's files are under
#                     /machine there
#   --no-kvm          leave kvm and kvm_amd out; COMMAND may modprobe kvm_amd
#   --append ARGS     more arguments for the host's kernel
#   --console FILE    keep the host's console log
#   --timeout SECONDS from start to end, default 300
#
# Inside: LAB_ISA=svm, LAB_KERNEL=SERIES, LAB_OUT; tracefs, debugfs, bpffs and
# cgroup2 are mounted; modules and /boot/config of the kernel are in place.
# LAB_QEMU and LAB_KERNEL_DIR are directories with this QEMU and this kernel.
#
# COMMAND's output, both kinds, comes out on stdout as it is made. Exit status is
# COMMAND's; 125 with a sentence on stderr if the host failed, hung or panicked.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=initramfs.sh
. "$LAB_DIR/initramfs.sh"
# shellcheck source=run.sh
. "$LAB_DIR/run.sh"

system='' machine_files=''
series=6.1 smp=1 mem=3000 timeout=300 out='' console='' append='' icount='' kvm=yes forwards=()
while (($#)); do
  case $1 in
    --help | -h) usage "$0" && exit ;;
    --icount) icount=yes && shift && continue ;;
    --no-kvm) kvm='' && shift && continue ;;
    --) shift && break ;;
    --*) need_value "$1" $# ;;
    *) break ;;
  esac
  case $1 in
    --kernel) need_series "$2" && series=$2 ;;
    --smp) need_number "$1" "$2" && smp=$2 ;;
    --mem) need_number "$1" "$2" && mem=$2 ;;
    --timeout) need_number "$1" "$2" && timeout=$2 ;;
    --out) out=$2 ;;
    --system)
      [[ -x $2/lib/systemd/systemd ]] || die "--system needs a directory with a Debian system, not '$2'"
      system=$(realpath "$2") machine_files=/machine
      ;;
    --append) append=$2 ;;
    --console) console=$2 ;;
    --forward)
      [[ $2 =~ ^[0-9]+:[0-9]+$ ]] || die "--forward needs HOSTPORT:GUESTPORT, not '$2'"
      forwards+=("$2")
      ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift 2
done
(($#)) || die "no command given; see --help"

kernel=$(kernel_dir "$series")
qemu=$(qemu_dir)
boot=$(boot_dir amd "$series" "$kernel")

open_run "$out" "$console"
{
  setting lab_dir "$machine_files$LAB_DIR"
  setting lab_kernel_dir "$machine_files$kernel"
  setting lab_system "$system"
  setting lab_hostname lab-amd
  setting lab_net "${forwards[*]}"
  setting lab_kvm "$kvm"
} >"$run/settings"
{
  setting LAB_QEMU "$machine_files$qemu"
  setting LAB_KERNEL_DIR "$machine_files$kernel"
  echo 'export LAB_QEMU LAB_KERNEL_DIR'
  write_command svm "$series" "$machine_files$PWD" "$@"
} >"$run/command"

# All CPUs have one TSC here, but without tsc=reliable the kernel calls it unstable if
# there are two, and its clock, and KVM's, become several times slower. On a busy machine
# an emulated timer may come too late for the kernel's check of its wiring.
tuning="tsc=reliable no_timer_check"
# The emulator does not speculate, and guarding against it takes a third of the boot;
# counted instructions, though, should be those of a real host. Left to measure the TSC
# itself on a busy machine, the kernel has a clock that runs several times too fast.
[[ $icount ]] || tuning+=" mitigations=off tsc_early_khz=$(/usr/bin/python3 "$LAB_DIR/tsc-rate.py")"
# shellcheck disable=SC2054 # the commas are QEMU's
machine=(
  # Without erms and fsrm, as AMD's CPUs before Zen 3, the kernel copies and clears by words, not
  # by bytes, of which the emulator does one at a time: a tenth less work.
  -M q35 -cpu "max,+svm,+npt,-la57,-erms,-fsrm" -smp "$smp" -m "$mem"
  -nodefaults -no-user-config -display none -no-reboot
  -L "$qemu/usr/share/qemu" -bios qboot.rom
  -kernel "$kernel/vmlinux" -initrd "$boot/initramfs"
  -append "console=ttyS0 panic=-1 oops=panic quiet $tuning $append"
  -serial "file:$run/console"
  -virtfs "local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap"
  -virtfs "local,path=${run//,/,,},mount_tag=run,security_model=none,multidevs=remap"
  -virtfs "local,path=${out//,/,,},mount_tag=out,security_model=none,multidevs=remap"
  -device virtio-serial-pci -chardev "file,id=output,path=${run//,/,,}/output" -device virtserialport,chardev=output
)
if [[ -n $icount ]]; then
  machine+=(-accel tcg -icount "shift=0,sleep=off")
else
  # One thread for all CPUs: with a thread each, QEMU's SVM loses events, and the host panics, a
  # guest hangs or is shut down.
  machine+=(-accel "tcg,thread=single")
fi
if ((${#forwards[@]})); then
  network=user,id=net
  for forward in "${forwards[@]}"; do
    network+=",hostfwd=tcp:127.0.0.1:${forward%:*}-:${forward#*:}"
  done
  machine+=(-netdev "$network" -device "virtio-net-pci,netdev=net,romfile=")
fi

supervise "$timeout" "$qemu/usr/bin/qemu-system-x86_64" "${machine[@]}"
