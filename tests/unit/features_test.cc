// SPDX-License-Identifier: Apache-2.0
// What is chosen on which kernel, by descriptions of kernels: their prototypes, and the records of
// their events as tracefs describes them.
#include "exporter/kernel/features.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/programs.h"
#include "exporter/kernel/skeleton.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

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
void add_kvm_events(Types& types, const std::string& exit, const std::string& entry) {
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

void add_kvm_functions(Types& types) {
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
  ~Tracefs() { fs::remove_all(root_); }

  [[nodiscard]] fs::path kvm() const { return root_ / "events/kvm"; }

  /// Each field where C puts it, after the 8 bytes that all records begin with.
  void add(const fs::path& event, const Record& record) const {
    fs::create_directories(root_ / "events" / event);
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
  fs::path root_;
};

/// 5.10, and RHEL 8 since it took over KVM from such a kernel.
const Record kExit = {{"exit_reason", 4}, {"guest_rip", 8}, {"isa", 4},        {"info1", 8},
                      {"info2", 8},       {"intr_info", 4}, {"error_code", 4}, {"vcpu_id", 4}};
/// 4.18's own.
const Record kExitWithoutVcpu = {
    {"exit_reason", 4}, {"guest_rip", 8}, {"isa", 4}, {"info1", 8}, {"info2", 8}};

/// The programs that run on such a kernel.
Names programs(const Features& features, Isa isa) {
  Result<ExitSkeletonPtr> skeleton = open_skeleton(features, {}, isa, 16);
  if (!skeleton) return {skeleton.error().message};
  Names names;
  for (const SelectedProgram& selected : select_programs(**skeleton, features, {}, isa))
    names.emplace_back(selected.program ? bpf_program__name(selected.program) : "none");
  return names;
}

KernelDescription describe(const Types& vmlinux, const Types* kvm = nullptr,
                           const Types* amd = nullptr) {
  KernelDescription kernel;
  kernel.vmlinux = vmlinux.get();
  if (kvm) kernel.kvm = kvm->get();
  if (amd) kernel.kvm_amd = amd->get();
  return kernel;
}

/// A kernel whose modules have no types.
KernelDescription describe(const Types& vmlinux, const Tracefs& tracefs, bool kprobes) {
  KernelDescription kernel = describe(vmlinux);
  kernel.events = tracefs.kvm();
  kernel.kprobes = kprobes;
  return kernel;
}

bool has(const Names& names, const char* name) {
  return std::ranges::find(names, name) != names.end();
}

const Names kHooksByFentry = {"kvm_arch_vcpu_destroy_fentry", "kvm_arch_vcpu_postcreate_fentry",
                              "kvm_arch_vcpu_ioctl_run_fentry"};
const Names kHooksByKprobe = {"kvm_vcpu_destroy_kprobe", "kvm_vcpu_postcreate_kprobe",
                              "kvm_vcpu_run_kprobe", "kvm_vcpu_precreate_kprobe"};
const Names kByRecord = {"kvm_set_irq_tracepoint",        "kvm_fast_mmio_tracepoint",
                         "kvm_mmio_tracepoint",           "kvm_pio_tracepoint",
                         "kvm_userspace_exit_tracepoint", "kvm_vcpu_wakeup_tracepoint",
                         "kvm_hv_timer_state_tracepoint", "kvm_msr_tracepoint",
                         "kvm_entry_tracepoint"};

/// By the arguments of events and functions, all described by BTF.
Names by_btf(const char* exit) {
  Names names = kHooksByFentry;
  names.insert(names.end(),
               {"kvm_nested_vmexit_inject_tp_btf", "kvm_set_irq_fentry", "kvm_fast_mmio_tp_btf",
                "kvm_mmio_tp_btf", "kvm_pio_tp_btf", "kvm_userspace_exit_tp_btf",
                "kvm_vcpu_wakeup_tp_btf", "kvm_hv_timer_state_tp_btf", "kvm_entry_tp_btf", exit});
  return names;
}

Names joined(Names first, const Names& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST(FindFeatures, OfLinux6_1) {
  const Types vmlinux;
  Types kvm(vmlinux);
  Types amd(vmlinux);
  add_kvm_events(kvm, "pn", "p");
  add_kvm_functions(kvm);
  amd.add_variable("svm_data", "current_vmcb", false);
  const Features features = find_features(describe(vmlinux, &kvm, &amd));
  EXPECT_TRUE(features.svm_data);
  EXPECT_FALSE(features.preemptible);
  EXPECT_EQ(programs(features, Isa::svm), by_btf("kvm_exit_svm"));
  EXPECT_EQ(programs(features, Isa::vmx), by_btf("kvm_exit_vmx"));
}

/// Programs that attach by BTF, by name, with what `features` has as the target of each.
Names targets(const Features& features, const btf* types) {
  Result<ExitSkeletonPtr> skeleton = open_skeleton(features, {}, Isa::svm, 16);
  if (!skeleton) return {skeleton.error().message};
  Names names;
  for (const SelectedProgram& selected : select_programs(**skeleton, features, {}, Isa::svm)) {
    if (bpf_program__type(selected.program) != BPF_PROG_TYPE_TRACING) continue;
    const auto target = features.targets.find(bpf_program__section_name(selected.program));
    const btf_type* const type =
        target == features.targets.end() ? nullptr : btf__type_by_id(types, target->second);
    names.push_back(bpf_program__name(selected.program) + std::string(" ") +
                    (type ? btf__name_by_offset(types, type->name_off) : "none"));
  }
  return names;
}

TEST(FindFeatures, NamesTheTypesThatProgramsAttachTo) {
  Types vmlinux;
  vmlinux.add_typedef("before_those_of_the_module");
  Types kvm(vmlinux);
  for (Types* const types : {&kvm, &vmlinux}) {  // KVM as a module, and built in
    add_kvm_events(*types, "pn", "p");
    add_kvm_functions(*types);
    const Features features =
        find_features(types == &kvm ? describe(vmlinux, &kvm) : describe(vmlinux));
    const Names found = targets(features, types->get());
    EXPECT_EQ(found.size(), by_btf("kvm_exit_svm").size());
    for (const char* const name :
         {"kvm_exit_svm btf_trace_kvm_exit", "kvm_entry_tp_btf btf_trace_kvm_entry",
          "kvm_nested_vmexit_inject_tp_btf btf_trace_kvm_nested_vmexit_inject",
          "kvm_set_irq_fentry kvm_set_irq", "kvm_arch_vcpu_destroy_fentry kvm_arch_vcpu_destroy"})
      EXPECT_TRUE(has(found, name)) << name;
    for (const std::string& name : found) EXPECT_FALSE(name.ends_with(" none")) << name;
  }
}

/// Up to 6.0 svm_data is a pointer.
TEST(FindFeatures, OfLinux5_15) {
  const Types vmlinux;
  Types kvm(vmlinux);
  Types amd(vmlinux);
  add_kvm_events(kvm, "npn", "p");
  add_kvm_functions(kvm);
  amd.add_variable("svm_data", "current_vmcb", true);
  const Features features = find_features(describe(vmlinux, &kvm, &amd));
  EXPECT_FALSE(features.svm_data);
  for (const Isa isa : {Isa::svm, Isa::vmx})
    EXPECT_EQ(programs(features, isa), by_btf("kvm_exit_by_reason"));
}

/// KVM is built into the kernel, whose types are then its own.
TEST(FindFeatures, OfAKernelWithKvmBuiltIn) {
  Types vmlinux;
  add_kvm_events(vmlinux, "pn", "pn");
  add_kvm_functions(vmlinux);
  EXPECT_EQ(programs(find_features(describe(vmlinux)), Isa::vmx), by_btf("kvm_exit_vmx"));
}

/// Tracepoints leave preemption on. What would be skipped unnoticed is read from records.
TEST(FindFeatures, OfLinux7_2) {
  const Tracefs tracefs;
  Types vmlinux;
  vmlinux.add_typedef("class_srcu_fast_notrace_t");
  Types kvm(vmlinux);
  add_kvm_events(kvm, "pn", "pn");
  add_kvm_functions(kvm);
  tracefs.add_stable();
  KernelDescription kernel = describe(vmlinux, &kvm);
  kernel.events = tracefs.kvm();
  const Names names = programs(find_features(kernel), Isa::svm);
  for (const char* const name : {"kvm_vcpu_wakeup_tracepoint", "kvm_userspace_exit_tracepoint",
                                 "kvm_nested_vmexit_inject_tracepoint", "kvm_exit_svm"})
    EXPECT_TRUE(has(names, name)) << name;
  EXPECT_FALSE(has(names, "kvm_msr_tracepoint"));
  kernel.msr_event_needed = true;
  EXPECT_TRUE(has(programs(find_features(kernel), Isa::svm), "kvm_msr_tracepoint"));
  kernel.events.reset();
  const Features features = find_features(kernel);
  for (const char* const name : {"kvm_vcpu_wakeup_tp_btf", "kvm_msr_tp_btf"})
    EXPECT_TRUE(has(programs(features, Isa::svm), name)) << name;
  EXPECT_NE(features.unavailable_reason.find("tracefs"), std::string::npos);
}

/// RHEL 8: the kernel describes its types and none of KVM's, as others do whose modules have none.
TEST(FindFeatures, OfRhel8) {
  const Tracefs tracefs;
  const Types vmlinux;
  tracefs.add_stable();
  tracefs.add("kvm/kvm_exit", kExit);
  KernelDescription kernel = describe(vmlinux, tracefs, true);
  const Features features = find_features(kernel);
  EXPECT_TRUE(features.btf);
  EXPECT_TRUE(features.vcpu_hooks_by_kprobe());
  EXPECT_EQ(features.freed_pid, std::nullopt);
  const Names counted = joined(kByRecord, {"kvm_exit_tracepoint"});
  for (const Isa isa : {Isa::svm, Isa::vmx})
    EXPECT_EQ(programs(features, isa), joined(kHooksByKprobe, counted));
  const TracepointFields& exit = features.fields[index_of(Event::exit)];
  EXPECT_EQ(find_offset(exit, "exit_reason", 4), 8U);
  EXPECT_EQ(find_offset(exit, "vcpu_id", 4), 56U);
  kernel.kprobes = false;
  EXPECT_EQ(programs(find_features(kernel), Isa::vmx), counted);
}

/// A record that does not say which vCPU left the guest is of no use; all else is counted.
TEST(FindFeatures, OfAKernelWhoseExitsNameNoVcpu) {
  const Tracefs tracefs;
  const Types vmlinux;
  tracefs.add_stable();
  tracefs.add("kvm/kvm_exit", kExitWithoutVcpu);
  const Features features = find_features(describe(vmlinux, tracefs, true));
  EXPECT_EQ(programs(features, Isa::vmx), joined(kHooksByKprobe, kByRecord));
}

/// Of a form that nobody knows, as BTF describes it, the record may still be known.
TEST(FindFeatures, OfUnknownArguments) {
  const Tracefs tracefs;
  const Types vmlinux;
  Types kvm(vmlinux);
  add_kvm_events(kvm, "ppp", "p");
  add_kvm_functions(kvm);
  tracefs.add_stable();
  tracefs.add("kvm/kvm_exit", kExit);
  KernelDescription kernel = describe(vmlinux, tracefs, false);
  kernel.kvm = kvm.get();
  const Features features = find_features(kernel);
  EXPECT_EQ(programs(features, Isa::vmx), joined(kByRecord, {"kvm_exit_tracepoint"}));
}

/// openEuler 22.03, for one: ends of threads tell what start times would.
TEST(FindFeatures, WithoutBtf) {
  const Tracefs tracefs;
  tracefs.add_stable();
  tracefs.add("kvm/kvm_exit", kExit);
  KernelDescription kernel;
  kernel.events = tracefs.kvm();
  kernel.kprobes = true;
  const Features features = find_features(kernel);
  EXPECT_FALSE(features.btf);
  EXPECT_FALSE(features.vcpu_hooks);
  EXPECT_EQ(features.freed_pid, 24U);
  EXPECT_EQ(programs(features, Isa::svm),
            joined(joined({"thread_freed_tracepoint"}, kByRecord), {"kvm_exit_tracepoint"}));
}

TEST(FindFeatures, WithoutBtfOfKvmAndTracefs) {
  const Types vmlinux;
  KernelDescription kernel = describe(vmlinux);
  kernel.kprobes = true;
  const Features features = find_features(kernel);
  EXPECT_NE(features.unavailable_reason.find("tracefs is not mounted"), std::string::npos);
  EXPECT_FALSE(features.vcpu_hooks);
  EXPECT_EQ(programs(features, Isa::vmx), Names());
}

/// A /sys with these files and directories.
class Sys {
 public:
  explicit Sys(const std::vector<const char*>& paths) {
    std::string path = testing::TempDir() + "kvmx-sys-XXXXXX";
    root_ = ::mkdtemp(path.data());
    for (const char* const file : paths) fs::create_directories(root_ / file);
  }
  Sys(const Sys&) = delete;
  Sys& operator=(const Sys&) = delete;
  ~Sys() { fs::remove_all(root_); }

  [[nodiscard]] const fs::path& path() const { return root_; }

 private:
  fs::path root_;
};

TEST(FindIsa, IsThatOfTheLoadedModule) {
  const Sys amd({"module/kvm/initstate", "module/kvm_amd/initstate"});
  const Sys intel({"module/kvm/initstate", "module/kvm_intel/initstate"});
  EXPECT_EQ(find_isa(amd.path(), true), Isa::svm);
  EXPECT_EQ(find_isa(intel.path(), false), Isa::vmx);
}

TEST(FindIsa, IsTheCpusWhereBothAreBuiltIn) {
  const Sys sys({"module/kvm/parameters", "module/kvm_amd", "module/kvm_intel"});
  EXPECT_EQ(find_isa(sys.path(), true), Isa::svm);
  EXPECT_EQ(find_isa(sys.path(), false), Isa::vmx);
}

TEST(FindIsa, IsNotThatOfABuiltInModuleForOtherCpus) {
  EXPECT_EQ(find_isa(Sys({"module/kvm_intel"}).path(), true), Isa::other);
  EXPECT_EQ(find_isa(Sys({"module/kvm_amd"}).path(), false), Isa::other);
  const Sys one_built_in({"module/kvm_intel", "module/kvm_amd/initstate"});
  EXPECT_EQ(find_isa(one_built_in.path(), true), Isa::svm);
}

TEST(FindIsa, IsAnotherWithoutEither) {
  const Sys sys({"module/kvm/parameters"});
  EXPECT_EQ(find_isa(sys.path(), true), Isa::other);
  EXPECT_EQ(find_isa(sys.path(), false), Isa::other);
}

TEST(KvmIsReady, OnceItsDeviceIsRegistered) {
  EXPECT_TRUE(kvm_is_ready(Sys({"module/kvm/parameters", "class/misc/kvm"}).path()));
  EXPECT_FALSE(kvm_is_ready(Sys({"module/kvm/initstate", "class/misc"}).path()));
  EXPECT_FALSE(kvm_is_ready(Sys({"module/kvm/parameters", "module/kvm_intel"}).path()));
}

}  // namespace
}  // namespace kvmx
