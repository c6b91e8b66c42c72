/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs that do nothing: what the kernel itself takes for running any program at an event. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EMPTY(event)                                                    \
  SEC("tp_btf/" #event) int event##_tp_btf(void *context) { return 0; } \
  SEC("tp/kvm/" #event) int event##_tracepoint(void *context) { return 0; }

EMPTY(kvm_exit)
EMPTY(kvm_entry)
EMPTY(kvm_msr)
EMPTY(kvm_hv_timer_state)
EMPTY(kvm_vcpu_wakeup)
EMPTY(kvm_userspace_exit)
EMPTY(kvm_pio)
EMPTY(kvm_mmio)
EMPTY(kvm_fast_mmio)
EMPTY(kvm_set_irq)
