// SPDX-License-Identifier: Apache-2.0
#include "exporter/sandbox/capabilities.h"

#include <bpf/bpf.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include <cerrno>
#include <memory>
#include <type_traits>

namespace kvmx {
namespace {

struct CapFree {
  void operator()(void* memory) const { cap_free(memory); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, CapFree>;

Result<void> apply(const Capabilities& capabilities) {
  if (cap_set_proc(capabilities.get()) == 0) return {};
  return errno_error("change the capabilities", errno);
}

bool permitted(const Capabilities& capabilities, cap_value_t capability) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(capabilities.get(), capability, CAP_PERMITTED, &value) == 0 &&
         value == CAP_SET;
}

void add(const Capabilities& capabilities, cap_flag_t flag, cap_value_t capability) {
  cap_set_flag(capabilities.get(), flag, 1, &capability, CAP_SET);
}

/// Whether this thread, as it is, may use BPF maps: the kernel looks at that before the descriptor.
bool may_use_maps() {
  constexpr int kNoMap = -1;
  const int key = 0;
  int value = 0;
  return bpf_map_lookup_elem(kNoMap, &key, &value) == 0 || errno != EPERM;
}

}  // namespace

Result<void> raise_capabilities() {
  const Capabilities held(cap_get_proc());
  if (!held) return errno_error("look at the capabilities", errno);
  for (cap_value_t capability = 0; capability < cap_max_bits(); ++capability)
    if (permitted(held, capability)) add(held, CAP_EFFECTIVE, capability);
  if (Result<void> raised = apply(held); !raised) return raised;
  // While it has capabilities, who would trace it must have them, too; afterwards only be its user.
  if (::prctl(PR_SET_DUMPABLE, 1) == 0) return {};
  return errno_error("become readable in /proc", errno);
}

Result<std::string> drop_capabilities() {
  const Capabilities held(cap_get_proc());
  const Capabilities wanted(cap_init());
  if (!held || !wanted) return errno_error("look at the capabilities", errno);
  // CAP_SYS_ADMIN contains CAP_BPF, but who was given only the former cannot turn it into the
  // latter.
  const cap_value_t for_maps = permitted(held, CAP_BPF) ? CAP_BPF : CAP_SYS_ADMIN;
  const bool has_it = permitted(held, for_maps);
  // Within reach until it is known whether maps can be used without it.
  if (has_it) add(wanted, CAP_PERMITTED, for_maps);
  if (Result<void> tried = apply(wanted); !tried) return tried.error();
  const bool keep = has_it && !may_use_maps();
  if (keep)
    add(wanted, CAP_EFFECTIVE, for_maps);
  else
    cap_clear(wanted.get());
  if (Result<void> dropped = apply(wanted); !dropped) return dropped.error();
  if (!keep) return std::string();
  return std::string(for_maps == CAP_BPF ? "cap_bpf" : "cap_sys_admin");
}

}  // namespace kvmx
