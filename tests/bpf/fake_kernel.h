// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// What the programs' headers need of the kernel and of libbpf, for their functions as ordinary C:
// maps that are made as they are asked for, a current task, and structs of the kernel that are what
// bpf/kvm_types.bpf.h says of them. Included once, before these headers.
#pragma once

#include <string.h>

#include "tests/bpf/count_shim.h"

// In place of libbpf's headers, which are for programs of the kernel only.
#define __BPF_HELPERS__
#define __BPF_CORE_READ_H__

#define SEC(section)
#define __ksym
#define __weak
#define __noinline __attribute__((noinline, unused))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value)* name
#define barrier_var(var) asm volatile("" : "+r"(var))
// The structs are this program's own, so nothing of them is relocated.
#define preserve_access_index annotate("")

#define FAKE_KEY(map) sizeof(*(map)->key)
#define FAKE_VALUE(map) sizeof(*(map)->value)
#define FAKE_TYPE(map) (sizeof(*(map)->type) / sizeof(int))
#define bpf_map_lookup_elem(map, key) \
  fake_lookup((map), (key), FAKE_KEY(map), FAKE_VALUE(map), FAKE_TYPE(map))
#define bpf_map_update_elem(map, key, value, flags) \
  fake_update((map), (key), FAKE_KEY(map), (value), FAKE_VALUE(map), (flags))
#define bpf_map_delete_elem(map, key) fake_delete((map), (key), FAKE_KEY(map))
#define bpf_map_pop_elem(map, value) fake_pop((map), (value))
#define bpf_map_push_elem(map, value, flags) fake_push((map), *(value))
#define bpf_ringbuf_output(map, data, size, flags) ((void)(data))

#define bpf_ktime_get_ns() shim_clock_ns
#define bpf_ktime_get_boot_ns() shim_clock_ns
#define bpf_get_smp_processor_id() shim_cpu
#define bpf_get_current_pid_tgid() shim_pid_tgid
#define bpf_get_current_task() ((__u64)&shim_task)
#define bpf_get_current_task_btf() (&shim_task)
#define bpf_probe_read_kernel(to, size, from) (memcpy((to), (from), (size)), 0)

#define bpf_core_field_exists(field) (sizeof(field) != 0)
#define bpf_core_field_offset(field) ((__u32)(unsigned long)&(field))
#define bpf_core_enum_value_exists(type, value) ((value)-1)  // no bpf_rdonly_cast()
#define bpf_core_type_id_kernel(type) 0
#define FAKE_READ_1(from, a) ((from)->a)
#define FAKE_READ_2(from, a, b) ((from)->a->b)
#define FAKE_READ(_1, _2, name, ...) name
#define BPF_CORE_READ(from, ...) \
  FAKE_READ(__VA_ARGS__, FAKE_READ_2, FAKE_READ_1, )(from, __VA_ARGS__)
#define BPF_CORE_READ_STR_INTO(to, from, a) memcpy(*(to), (from)->a, sizeof(*(to)))

struct task_struct;
extern struct task_struct shim_task;
