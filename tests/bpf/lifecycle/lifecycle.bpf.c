/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A measurement: do kvm_arch_vcpu_create() and kvm_arch_vcpu_destroy() bound the life of each vCPU,
 * and does kvm_running_vcpu name the vCPU of each event? RUNNING: how that variable is read, 1 by
 * its BTF, 2 by its symbol, else not at all.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct kvm_vcpu {
  struct kvm *kvm;
  int vcpu_id;
} __attribute__((preserve_access_index));

enum figure {
  CREATED,
  CREATE_FAILED,
  CREATED_TWICE,
  DESTROYED,
  DESTROYED_UNKNOWN,
  CREATED_WITHOUT_KVM,
  EXITS,
  EXITS_UNKNOWN,
  EXITS_RUNNING_OTHER,
  ENTRIES,
  ENTRIES_UNKNOWN,
  ENTRIES_RUNNING_OTHER,
  MSRS,
  MSRS_RUNNING_NONE,
  MSRS_RUNNING_UNKNOWN,
  TIMERS,
  TIMERS_RUNNING_NONE,
  TIMERS_RUNNING_UNKNOWN,
  TIMERS_OTHER_ID,
  WAKEUPS,
  WAKEUPS_RUNNING_NONE,
  WAKEUPS_RUNNING_UNKNOWN,
  USERSPACE,
  USERSPACE_RUNNING_NONE,
  USERSPACE_RUNNING_UNKNOWN,
  FIGURES
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FIGURES);
  __type(key, __u32);
  __type(value, __u64);
} figures SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, __u32);
} live SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u64);
} creating SEC(".maps"); /* thread -> vCPU, between kprobe and kretprobe */

static __always_inline void add(__u32 figure) {
  __u64 *value = bpf_map_lookup_elem(&figures, &figure);
  if (value) __sync_fetch_and_add(value, 1);
}

static __always_inline bool is_live(__u64 vcpu) { return bpf_map_lookup_elem(&live, &vcpu); }

static __always_inline void note_created(__u64 vcpu, int error, __u64 kvm, __u32 id) {
  if (error) {
    add(CREATE_FAILED);
    return;
  }
  add(is_live(vcpu) ? CREATED_TWICE : CREATED);
  if (!kvm) add(CREATED_WITHOUT_KVM);
  bpf_map_update_elem(&live, &vcpu, &id, BPF_ANY);
}

static __always_inline void note_destroyed(__u64 vcpu) {
  add(bpf_map_delete_elem(&live, &vcpu) ? DESTROYED_UNKNOWN : DESTROYED);
}

SEC("fexit/kvm_arch_vcpu_create")
int BPF_PROG(created_fexit, struct kvm_vcpu *vcpu, int error) {
  note_created((__u64)vcpu, error, (__u64)vcpu->kvm, vcpu->vcpu_id);
  return 0;
}

SEC("fentry/kvm_arch_vcpu_destroy")
int BPF_PROG(destroyed_fentry, struct kvm_vcpu *vcpu) {
  note_destroyed((__u64)vcpu);
  return 0;
}

struct registers { /* struct pt_regs */
  unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};

SEC("kprobe/kvm_arch_vcpu_create")
int create_kprobe(struct registers *registers) {
  const __u64 thread = bpf_get_current_pid_tgid(), vcpu = registers->di;
  bpf_map_update_elem(&creating, &thread, &vcpu, BPF_ANY);
  return 0;
}

SEC("kretprobe/kvm_arch_vcpu_create")
int created_kretprobe(struct registers *registers) {
  const __u64 thread = bpf_get_current_pid_tgid();
  const __u64 *vcpu = bpf_map_lookup_elem(&creating, &thread);
  if (!vcpu) return 0;
  note_created(*vcpu, (int)registers->ax, 1, 0);
  bpf_map_delete_elem(&creating, &thread);
  return 0;
}

SEC("kprobe/kvm_arch_vcpu_destroy")
int destroyed_kprobe(struct registers *registers) {
  note_destroyed(registers->di);
  return 0;
}

#if RUNNING == 1
extern struct kvm_vcpu *kvm_running_vcpu __ksym;
static __always_inline __u64 running(void) {
  return *(const __u64 *)bpf_this_cpu_ptr(&kvm_running_vcpu);
}
#elif RUNNING == 2
extern const void kvm_running_vcpu __ksym;
extern const void __per_cpu_offset __ksym;
static __always_inline __u64 running(void) {
  __u64 base = 0, vcpu = 0;
  bpf_probe_read_kernel(&base, 8, &__per_cpu_offset + 8 * bpf_get_smp_processor_id());
  bpf_probe_read_kernel(&vcpu, 8, (void *)(base + (__u64)&kvm_running_vcpu));
  return vcpu;
}
#endif

#ifdef RUNNING
static __always_inline void note_running(__u32 figure) {
  const __u64 vcpu = running();
  add(figure);
  if (!vcpu)
    add(figure + 1);
  else if (!is_live(vcpu))
    add(figure + 2);
}

static __always_inline void note_named(__u64 vcpu, __u32 figure) {
  add(figure);
  if (!is_live(vcpu)) add(figure + 1);
  if (running() != vcpu) add(figure + 2);
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(on_exit, struct kvm_vcpu *vcpu) {
  note_named((__u64)vcpu, EXITS);
  return 0;
}
SEC("tp_btf/kvm_entry")
int BPF_PROG(on_entry, struct kvm_vcpu *vcpu) {
  note_named((__u64)vcpu, ENTRIES);
  return 0;
}
SEC("tp_btf/kvm_msr")
int on_msr(__u64 *arguments) {
  note_running(MSRS);
  return 0;
}
SEC("tp_btf/kvm_hv_timer_state")
int on_timer(__u64 *arguments) {
  const __u64 vcpu = running();
  const __u32 *id = bpf_map_lookup_elem(&live, &vcpu);
  note_running(TIMERS);
  if (id && *id != (__u32)arguments[0]) add(TIMERS_OTHER_ID);
  return 0;
}
SEC("tp_btf/kvm_vcpu_wakeup")
int on_wakeup(__u64 *arguments) {
  note_running(WAKEUPS);
  return 0;
}
SEC("tp_btf/kvm_userspace_exit")
int on_userspace(__u64 *arguments) {
  note_running(USERSPACE);
  return 0;
}
#endif
