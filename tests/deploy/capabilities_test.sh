#!/usr/bin/env bash
# capabilities_test.sh: which hosts' units get more capabilities (deploy/systemd/kvm-exit-exporter-capabilities)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../checks.sh
. "$here/../checks.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# host [TYPES [MODULE...]]: a host whose kernel's types are called TYPES and these modules', if they are given.
host() {
  rm -rf "${scratch:?}"/*
  mkdir -p "$scratch/btf" "$scratch/modules"
  [[ -z ${1:-} ]] || printf '\0%s\0' "$1" >"$scratch/btf/vmlinux"
  for module in "${@:2}"; do touch "$scratch/btf/$module"; done
}
loaded() { mkdir -p "$scratch/modules/kvm" && touch "$scratch/modules/kvm/initstate"; }
gets_more() {
  KVMX_BTF=$scratch/btf KVMX_MODULES=$scratch/modules KVMX_FLAGS=$scratch/flags \
    "$here/../../deploy/systemd/kvm-exit-exporter-capabilities" "$scratch/out"
  [[ -L $scratch/out/kvm-exit-exporter.service.d/more-capabilities.conf ]]
}
gets_no_more() { ! gets_more; }

host task_struct kvm kvm_amd && loaded
check "types of modules, KVM loaded: no more" gets_no_more
host task_struct virtio
check "types of modules, KVM not loaded yet: no more" gets_no_more
host btf_trace_kvm_exit
check "KVM built in: no more" gets_no_more
host task_struct && loaded
check "no types of modules, KVM loaded: more" gets_more
host task_struct
check "no types of modules, KVM not loaded yet: more" gets_more
host task_struct virtio && loaded
check "other modules' types, none of KVM: more" gets_more
host
check "no types at all: more" gets_more
host class_srcu_fast_notrace_t kvm && loaded
check "preemption stays on in tracepoints: more" gets_more
host task_struct kvm && loaded && echo 'ARGS="--collector.events=kvm_pio"' >"$scratch/flags"
check "other events are wanted: more" gets_more
host task_struct kvm && loaded && echo '# ARGS="--collector.events=kvm_pio"' >"$scratch/flags"
check "a comment wants nothing: no more" gets_no_more
verdict
