#!/usr/bin/env bash
# older_kvm.sh: builds KVM's modules for the lab's Linux 6.1, with the kvm_exit of Linux 5.11 to 5.16
#
# usage: tests/lab/older_kvm.sh
#
# Prints the directory with kvm.ko and kvm_amd.ko, which have BTF. No Debian kernel passes
# kvm_exit(reason, vcpu, isa), as Ubuntu 22.04's and Oracle's UEK 7 do. Built once, in two minutes, and
# kept in the lab's cache (fetch.sh).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kernels.sh
. "$LAB_DIR/kernels.sh"

# edit FILE SED_SCRIPT: every command of the script must change something.
edit() {
  local file=$1 command before
  shift
  for command in "$@"; do
    before=$(cksum <"$file")
    sed -i "$command" "$file"
    [[ $(cksum <"$file") != "$before" ]] || die "$file is not as expected: '$command' changes nothing; see older_kvm.sh"
  done
}

# The event's prototype as before 5.17 (0a62a0319abb); the record keeps the reason that KVM reads.
use_older_prototype() {
  local x86=$1/arch/x86/kvm
  edit "$x86/trace.h" \
    '/define TRACE_EVENT_KVM_EXIT/,/TP_STRUCT__entry/s/TP_PROTO(struct kvm_vcpu \*vcpu, /TP_PROTO(unsigned int exit_reason, struct kvm_vcpu *vcpu, /' \
    '/define TRACE_EVENT_KVM_EXIT/,/TP_STRUCT__entry/s/TP_ARGS(vcpu, isa)/TP_ARGS(exit_reason, vcpu, isa)/' \
    's#TRACE_INCLUDE_PATH ../../arch/x86/kvm#TRACE_INCLUDE_PATH .#'
  edit "$x86/svm/svm.c" \
    's/trace_kvm_exit(vcpu, /trace_kvm_exit(to_svm(vcpu)->vmcb->control.exit_code, vcpu, /' \
    's/trace_kvm_nested_vmexit(vcpu, /trace_kvm_nested_vmexit(0, vcpu, /'
  # Outside the kernel's tree, and without kvm_intel.
  # shellcheck disable=SC2016 # make's own variables
  edit "$x86/Makefile" 's#-I .*#-I $(src)#' 's#$(srctree)/virt#$(src)/../../../virt#' '/kvm-intel.o/d'
}

build_older_kvm() {
  local scratch=$1 kernel=$2 release=$3 module
  say "building KVM of Linux 6.1 with an older kvm_exit"
  mkdir "$scratch/source"
  update_suite bookworm || die "no suite bookworm on the machine's mirror"
  unpack bookworm "$scratch/source" linux-source-6.1
  tar -C "$scratch/source" --strip-components=1 -xJf "$scratch/source/root/usr/src/linux-source-6.1.tar.xz" \
    linux-source-6.1/arch/x86/kvm linux-source-6.1/virt/kvm
  use_older_prototype "$scratch/source"
  make -C "/usr/src/linux-headers-$release" M="$scratch/source/arch/x86/kvm" KCFLAGS=-Wno-error -j2 modules \
    >"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log" >&2 && die "KVM cannot be built"; }
  for module in kvm kvm-amd; do
    cp "$scratch/source/arch/x86/kvm/$module.ko" "$scratch/${module//-/_}.ko"
    LLVM_OBJCOPY=objcopy pahole -J --btf_base "$kernel/vmlinux" --skip_encoding_btf_enum64 "$scratch/${module//-/_}.ko"
    strip -g "$scratch/${module//-/_}.ko"
  done
  rm -rf "$scratch/source" "$scratch/log"
}

[[ ${1:-} != --help && ${1:-} != -h ]] || { usage "$0" && exit; }
kernel=$(kernel_dir 6.1)
release=$(<"$kernel/release")
dir=$LAB_CACHE/older-kvm-1/$release
[[ -d $dir ]] || require_packages "linux-headers-$release" make gcc binutils dwarves xz-utils
build_once "$dir" build_older_kvm "$kernel" "$release"
printf '%s\n' "$dir"
