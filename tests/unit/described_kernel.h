// SPDX-License-Identifier: Apache-2.0
// What kernels say of themselves, made up: types as BTF has them, records as tracefs describes
// them.
#pragma once

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "exporter/kernel/bpf_owners.h"

namespace kvmx {

/// A kernel's types, or those of one of its modules, where functions and tracepoints have arguments
/// as EventProgram::arguments describes them.
class Types {
 public:
  Types() : types_(btf__new_empty()) {}
  explicit Types(const Types& base) : types_(btf__new_empty_split(base.get())) {}

  [[nodiscard]] btf* get() const { return types_.get(); }

  void add_tracepoint(const std::string& name, const std::string& arguments) {
    const int function = btf__add_ptr(get(), add_prototype("p" + arguments));
    btf__add_typedef(get(), ("btf_trace_" + name).c_str(), function);
  }

  void add_function(const std::string& name, const std::string& arguments) {
    btf__add_func(get(), name.c_str(), BTF_FUNC_STATIC, add_prototype(arguments));
  }

  void add_typedef(const char* name) {
    btf__add_typedef(get(), name, btf__add_int(get(), "int", 4, BTF_INT_SIGNED));
  }

  /// A variable that is a struct with a pointer of this name, or a pointer to such a struct.
  void add_variable(const char* name, const char* member, bool is_pointer) {
    const int pointer = btf__add_ptr(get(), 0);
    const int type = btf__add_struct(get(), "of_variable", 8);
    btf__add_field(get(), member, pointer, 0, 0);
    btf__add_var(get(), name, BTF_VAR_STATIC, is_pointer ? btf__add_ptr(get(), type) : type);
  }

 private:
  int add_prototype(const std::string& arguments) {
    std::vector<int> types;
    for (const char argument : arguments)
      types.push_back(argument == 'p' ? btf__add_ptr(get(), 0)
                                      : btf__add_int(get(), "int", 4, BTF_INT_SIGNED));
    const int prototype = btf__add_func_proto(get(), 0);
    for (const int type : types) btf__add_func_param(get(), "argument", type);
    return prototype;
  }

  BtfPtr types_;
};

/// KVM's tracepoints as they have been since 5.17, but for these two.
inline void add_kvm_events(Types& types, const std::string& exit, const std::string& entry) {
  const std::pair<const char*, std::string> events[] = {{"kvm_exit", exit},
                                                        {"kvm_entry", entry},
                                                        {"kvm_msr", "nnnn"},
                                                        {"kvm_pio", "nnnnp"},
                                                        {"kvm_mmio", "nnnp"},
                                                        {"kvm_fast_mmio", "n"},
                                                        {"kvm_set_irq", "nnn"},
                                                        {"kvm_vcpu_wakeup", "nnn"},
                                                        {"kvm_userspace_exit", "nn"},
                                                        {"kvm_hv_timer_state", "nn"},
                                                        {"kvm_nested_vmexit_inject", "nnnnnn"}};
  for (const auto& [name, arguments] : events) types.add_tracepoint(name, arguments);
}

inline void add_kvm_functions(Types& types) {
  types.add_function("kvm_arch_vcpu_destroy", "p");
  types.add_function("kvm_arch_vcpu_postcreate", "p");
  types.add_function("kvm_arch_vcpu_ioctl_run", "p");
  types.add_function("kvm_set_irq", "pnnnn");
}

struct Field {
  const char* name;
  unsigned size;
};
using Record = std::vector<Field>;

/// A tracefs with such events, which is removed at the end.
class Tracefs {
 public:
  Tracefs() {
    std::string path = testing::TempDir() + "kvmx-tracefs-XXXXXX";
    root_ = ::mkdtemp(path.data());
  }
  Tracefs(const Tracefs&) = delete;
  Tracefs& operator=(const Tracefs&) = delete;
  ~Tracefs() { std::filesystem::remove_all(root_); }

  [[nodiscard]] std::filesystem::path kvm() const { return root_ / "events/kvm"; }

  /// Each field where C puts it, after the 8 bytes that all records begin with.
  void add(const std::filesystem::path& event, const Record& record) const {
    std::filesystem::create_directories(root_ / "events" / event);
    std::ofstream format(root_ / "events" / event / "format");
    format << "name: " << event.filename().string() << "\nID: 1\nformat:\n"
           << "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
    unsigned offset = 8;
    for (const Field& field : record) {
      const unsigned alignment = field.size > 8 ? 1 : field.size;  // a text's
      offset = (offset + alignment - 1) / alignment * alignment;
      format << "\tfield:u" << 8 * field.size << " " << field.name << ";\toffset:" << offset
             << ";\tsize:" << field.size << ";\tsigned:0;\n";
      offset += field.size;
    }
  }

  /// Those that have been the same from 4.18 to 7.2.
  void add_stable() const {
    add("kvm/kvm_entry", {{"vcpu_id", 4}, {"rip", 8}});
    add("kvm/kvm_msr", {{"write", 4}, {"ecx", 4}, {"data", 8}, {"exception", 1}});
    add("kvm/kvm_hv_timer_state", {{"vcpu_id", 4}, {"hv_timer_in_use", 4}});
    add("kvm/kvm_vcpu_wakeup", {{"ns", 8}, {"waited", 1}, {"valid", 1}});
    add("kvm/kvm_userspace_exit", {{"reason", 4}, {"errno", 4}});
    add("kvm/kvm_pio", {{"rw", 4}, {"port", 4}, {"size", 4}, {"count", 4}, {"val", 4}});
    add("kvm/kvm_mmio", {{"type", 4}, {"len", 4}, {"gpa", 8}, {"val", 8}});
    add("kvm/kvm_fast_mmio", {{"gpa", 8}});
    add("kvm/kvm_set_irq", {{"gsi", 4}, {"level", 4}, {"irq_source_id", 4}});
    add("kvm/kvm_nested_vmexit_inject", {{"exit_code", 4}, {"exit_info1", 8}, {"exit_info2", 8}});
    add("sched/sched_process_free", {{"comm", 16}, {"pid", 4}, {"prio", 4}});
  }

 private:
  std::filesystem::path root_;
};

}  // namespace kvmx
