// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "tests/bpf/count_shim.h"

#include "tests/bpf/fake_kernel.h"

#include "bpf/lib/count.bpf.h"
#include "bpf/lib/handling.bpf.h"
#include "bpf/lib/msr.bpf.h"
#include "bpf/lib/slot.bpf.h"
#include "bpf/lib/vcpu_life.bpf.h"

__u64 shim_clock_ns;
__u32 shim_cpu;
__u64 shim_pid_tgid;
struct task_struct shim_task;
const volatile bool kvmx_vcpu_hooks = true;
const volatile bool kvmx_returns_may_be_missed = true;

void shim_count_latency(__u64* buckets, __u64 ns) { kvmx_count_latency(buckets, ns); }
void shim_count_interval(__u64* buckets, __u64 ns) { kvmx_count_interval(buckets, ns); }
__u32 shim_msr_id(struct vcpu_slot* slot, __u32 index) { return kvmx_hot_msr_id(slot, index); }
void shim_count_io(struct kvmx_io* io, __u64 key, int write) { kvmx_count_io(io, key, write != 0); }
__u32 shim_dense_entry(const __u16* dense, __u64 code) { return kvmx_dense_entry(dense, code); }
__u32 shim_overflow_reason(struct vcpu_slot* slot, __u32 code) {
  return kvmx_overflow_reason(slot, code);
}
__u32 shim_userspace_exit_id(__u32 reason, int error) {
  return kvmx_userspace_exit_id(reason, error);
}

void shim_count_entry(struct vcpu_slot* slot) {
  if (slot->exit <= KVMX_EXIT_ID)
    count_plain_entry(slot, slot->exit);
  else
    count_other_entry(slot);
}
void shim_count_wakeup(struct vcpu_slot* slot, __u64 ns, int waited) {
  count_wakeup(slot, ns, waited);
}
void shim_count_userspace_exit(struct vcpu_slot* slot, __u32 reason, int error) {
  count_userspace_exit(slot, reason, error);
}

int shim_missed_return(const struct vcpu_slot* slot) { return kvmx_missed_return(slot); }

union shim_vmx {
  struct kvm_vcpu vcpu;
  struct vcpu_vmx___vt vmx;
};

void shim_count_noted_msr(struct vcpu_slot* slot, const struct shim_msr_exit* exit) {
  union shim_vmx made = {0};
  made.vcpu.arch.regs[KVMX_RAX] = exit->rax;
  made.vcpu.arch.regs[KVMX_RDX] = exit->rdx;
  made.vcpu.arch.exception.pending = exit->gp;
  made.vcpu.arch.exception.vector = KVMX_GP_VECTOR;
  made.vmx.vt.exit_qualification = exit->qualification;
  slot->vcpu = (__u64)&made;
  count_noted_msr(slot);
}

const __u32* shim_hint(void) { return kvmx_hint(); }

void shim_start_process(__u32 tgid, __u64 start, const char* comm) {
  shim_pid_tgid = (__u64)tgid << 32 | tgid;
  shim_task.pid = shim_task.tgid = tgid;
  shim_task.start_time = shim_task.start_boottime = start;
  shim_task.group_leader = &shim_task;
  strncpy(shim_task.comm, comm, sizeof(shim_task.comm) - 1);
}

void shim_start_thread(__u32 tid, __u64 start) {
  shim_pid_tgid = shim_pid_tgid >> 32 << 32 | tid;
  shim_task.pid = tid;
  shim_task.start_time = start;
}
void shim_vcpu_made(const struct shim_vcpu* vcpu) { kvmx_vcpu_made((__u64)vcpu, vcpu->vcpu_id); }
void shim_vcpu_destroyed(const struct shim_vcpu* vcpu) { kvmx_vcpu_destroyed((__u64)vcpu); }
struct vcpu_slot* shim_run(const struct shim_vcpu* vcpu) {
  return kvmx_bound_slot_of_vcpu((__u64)vcpu);
}
struct vcpu_slot* shim_slot_of_only_id(__u32 vcpu_id) {
  return kvmx_slot_of_only_id(vcpu_id);
}
void shim_offer_slots(__u32 count) {
  for (__u32 i = 0; i < count; i++) bpf_map_push_elem(&free_slots, &i, 0);
}
__u64 shim_lost(__u32 cause) { return *(__u64*)bpf_map_lookup_elem(&lost, &cause); }
const void* const shim_vcpus_by_id = &vcpus_by_id;
const void* const shim_vcpu_makers = &vcpu_makers;
void shim_forget_maker(const struct shim_vcpu* vcpu) {
  const __u64 key = (__u64)vcpu;
  bpf_map_delete_elem(&vcpu_makers, &key);
}
void shim_forget_id(__u32 vcpu_id) {
  const struct vcpu_id_key key = {.tgid = shim_pid_tgid >> 32, .vcpu_id = vcpu_id};
  bpf_map_delete_elem(&vcpus_by_id, &key);
}
