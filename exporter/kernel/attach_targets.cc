// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/attach_targets.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace kvmx {
namespace {

/// Where the programs attach that are being loaded, for set_target() to tell libbpf.
struct {
  const AttachTargets* targets = nullptr;
  int kvm_types = 0;  ///< descriptor of the module's BTF; 0: KVM is part of the kernel
} known;

int set_target(bpf_program* program, bpf_prog_load_opts* options, long /*cookie*/) {
  if (!known.targets) return -EINVAL;
  const auto target = known.targets->find(std::string_view(bpf_program__section_name(program)));
  if (target == known.targets->end()) return -ESRCH;
  options->attach_btf_id = target->second;
  options->attach_btf_obj_fd = static_cast<__u32>(known.kvm_types);
  return 0;
}

int attach(const bpf_program* program, long /*cookie*/, bpf_link** link) {
  *link = bpf_program__attach_trace(program);
  return *link ? 0 : -errno;
}

/// libbpf keeps these for the life of the process. If it cannot, it searches by itself.
bool set_handlers() {
  libbpf_prog_handler_opts options{};
  options.sz = sizeof(options);
  options.prog_prepare_load_fn = &set_target;
  options.prog_attach_fn = &attach;
  return libbpf_register_prog_handler("tp_btf+", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP,
                                      &options) >= 0 &&
         libbpf_register_prog_handler("fentry+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY,
                                      &options) >= 0;
}

/// The types of the module kvm, as the kernel has them; none if it has none, or does not say.
UniqueFd open_kvm_types() {
  __u32 id = 0;
  while (bpf_btf_get_next_id(id, &id) == 0) {
    UniqueFd types(bpf_btf_get_fd_by_id(id));
    std::array<char, 64> name{};
    bpf_btf_info info{};
    info.name = reinterpret_cast<std::uintptr_t>(name.data());
    info.name_len = name.size();
    __u32 size = sizeof(info);
    if (!types || bpf_obj_get_info_by_fd(types.get(), &info, &size) != 0) continue;
    if (info.kernel_btf != 0 && std::string_view(name.data()) == "kvm") return types;
  }
  return {};
}

}  // namespace

KnownTargets::KnownTargets(const AttachTargets& targets) : kvm_types_(open_kvm_types()) {
  static const bool set = set_handlers();
  static_cast<void>(set);
  known = {&targets, kvm_types_ ? kvm_types_.get() : 0};
}

KnownTargets::~KnownTargets() { known = {}; }

}  // namespace kvmx
