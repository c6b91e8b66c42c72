// SPDX-License-Identifier: Apache-2.0
// What is chosen on which kernel, by descriptions of kernels: their prototypes, and the records of
// their events as tracefs describes them.
#include "exporter/kernel/features.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/programs.h"
#include "exporter/kernel/skeleton.h"
#include "tests/unit/described_kernel.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

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
