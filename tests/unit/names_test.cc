// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>

#include "exporter/names/devices.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"
#include "exporter/names/msr_tables.h"
#include "exporter/names/userspace_exits.h"

namespace kvmx {
namespace {

TEST(Hex, IsLowerCaseWithoutLeadingZeros) {
  EXPECT_EQ(hex(0), "0x0");
  EXPECT_EQ(hex(0x6e0), "0x6e0");
  EXPECT_EQ(hex(0xC0010130), "0xc0010130");
  EXPECT_EQ(hex(0xffffffff), "0xffffffff");
  EXPECT_EQ(hex(0xfffffffffff000), "0xfffffffffff000");
}

std::string_view device(std::span<const DeviceRange> devices, std::uint64_t first,
                        std::uint64_t last) {
  const DeviceRange* const found = find_device(devices, first, last);
  return found ? found->name : std::string_view();
}

TEST(Devices, AreFoundByAnyOfTheirAddresses) {
  for (const std::uint64_t port : {0x608, 0x60b, 0xb008})
    EXPECT_EQ(device(port_devices(), port, port), "the ACPI PM timer") << port;
  EXPECT_EQ(device(port_devices(), 0x607, 0x607), "");
  EXPECT_EQ(device(port_devices(), 0x60c, 0x60c), "");
  EXPECT_EQ(device(port_devices(), 0x3f6, 0x3f6), "the first IDE channel");
  EXPECT_EQ(device(port_devices(), 0xffff, 0xffff), "");
  EXPECT_EQ(device(mmio_devices(), 0xfed00000, 0xfed00fff), "the HPET, an old timer");
  EXPECT_EQ(device(mmio_devices(), 0xfecff000, 0xfecfffff), "");
  EXPECT_EQ(device(mmio_devices(), 0xfee00000, 0xfee00fff), "the local APIC");
  EXPECT_EQ(device(mmio_devices(), 0x380000000000, 0x380000000fff), "");
}

TEST(Devices, AreNamedAndExplainedInSentences) {
  for (const auto devices : {port_devices(), mmio_devices()})
    for (const DeviceRange& range : devices) {
      EXPECT_FALSE(range.name.empty());
      EXPECT_FALSE(range.name.ends_with('.')) << range.name;
      EXPECT_TRUE(range.cause.empty() ||
                  (range.cause.starts_with("Most likely ") && range.cause.ends_with('.')))
          << range.cause;
    }
}

void expect_sound(std::span<const CodeName> table) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < table.size(); ++i) {
    EXPECT_FALSE(table[i].name.empty()) << hex(table[i].code);
    EXPECT_FALSE(table[i].name.starts_with("0x")) << "could be taken for an unknown code";
    EXPECT_TRUE(names.insert(table[i].name).second) << table[i].name << " names two codes";
    if (i == 0) continue;
    EXPECT_LT(table[i - 1].code, table[i].code) << table[i].name;
  }
}

TEST(ExitReasons, TablesAreSortedAndNamesUnique) {
  expect_sound(exit_reasons(Isa::vmx));
  expect_sound(exit_reasons(Isa::svm));
}

// The number of entries in the kvm_exit trace format of Linux 7.2.
TEST(ExitReasons, AreCompleteAsOfLinux7_2) {
  EXPECT_EQ(exit_reasons(Isa::vmx).size(), 65U);
  EXPECT_EQ(exit_reasons(Isa::svm).size(), 110U);
  EXPECT_TRUE(exit_reasons(Isa::other).empty());
}

TEST(ExitReasons, EveryTableEntryIsFoundByItsCode) {
  for (const Isa isa : {Isa::vmx, Isa::svm}) {
    for (const ExitReason& reason : exit_reasons(isa)) {
      EXPECT_EQ(exit_reason_name(isa, reason.code), reason.name);
      EXPECT_EQ(find_exit_reason(isa, reason.code), reason.name);
    }
  }
}

struct ReasonCase {
  Isa isa;
  std::uint32_t code;
  std::string_view name;
};

// gtest shows this; without it, bytes of memory.
std::ostream& operator<<(std::ostream& out, const ReasonCase& reason) {
  return out << (reason.isa == Isa::vmx   ? "vmx "
                 : reason.isa == Isa::svm ? "svm "
                                          : "other ")
             << hex(reason.code);
}

class ExitReasonName : public testing::TestWithParam<ReasonCase> {};

TEST_P(ExitReasonName, IsWhatTheKernelPrints) {
  EXPECT_EQ(exit_reason_name(GetParam().isa, GetParam().code), GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(
    Vmx, ExitReasonName,
    testing::Values(ReasonCase{Isa::vmx, 0, "EXCEPTION_NMI"}, ReasonCase{Isa::vmx, 10, "CPUID"},
                    ReasonCase{Isa::vmx, 12, "HLT"}, ReasonCase{Isa::vmx, 30, "IO_INSTRUCTION"},
                    ReasonCase{Isa::vmx, 31, "MSR_READ"}, ReasonCase{Isa::vmx, 32, "MSR_WRITE"},
                    ReasonCase{Isa::vmx, 48, "EPT_VIOLATION"},
                    ReasonCase{Isa::vmx, 52, "PREEMPTION_TIMER"},
                    ReasonCase{Isa::vmx, 56, "APIC_WRITE"}, ReasonCase{Isa::vmx, 77, "TDCALL"},
                    ReasonCase{Isa::vmx, 85, "MSR_WRITE_IMM"},
                    // Codes that have a macro but no trace name.
                    ReasonCase{Isa::vmx, 6, "0x6"}, ReasonCase{Isa::vmx, 76, "0x4c"},
                    // Holes, and codes of the future.
                    ReasonCase{Isa::vmx, 5, "0x5"}, ReasonCase{Isa::vmx, 86, "0x56"},
                    ReasonCase{Isa::vmx, 0xffff, "0xffff"},
                    // Flags above the basic reason.
                    ReasonCase{Isa::vmx, 0x80000021, "INVALID_STATE"},
                    ReasonCase{Isa::vmx, 0x08000020, "MSR_WRITE"},
                    ReasonCase{Isa::vmx, 0x80000056, "0x56"}));

INSTANTIATE_TEST_SUITE_P(
    Svm, ExitReasonName,
    testing::Values(
        ReasonCase{Isa::svm, 0x000, "read_cr0"}, ReasonCase{Isa::svm, 0x018, "write_cr8"},
        ReasonCase{Isa::svm, 0x037, "write_dr7"}, ReasonCase{Isa::svm, 0x04e, "PF excp"},
        ReasonCase{Isa::svm, 0x053, "XF excp"}, ReasonCase{Isa::svm, 0x060, "interrupt"},
        ReasonCase{Isa::svm, 0x069, "read_rt"}, ReasonCase{Isa::svm, 0x078, "hlt"},
        ReasonCase{Isa::svm, 0x07b, "io"}, ReasonCase{Isa::svm, 0x07c, "msr"},
        ReasonCase{Isa::svm, 0x081, "hypercall"}, ReasonCase{Isa::svm, 0x0a5, "buslock"},
        ReasonCase{Isa::svm, 0x0a6, "idle-halt"}, ReasonCase{Isa::svm, 0x400, "npf"},
        ReasonCase{Isa::svm, 0x401, "avic_incomplete_ipi"},
        ReasonCase{Isa::svm, 0x402, "avic_unaccelerated_access"},
        ReasonCase{Isa::svm, 0x403, "vmgexit"},
        ReasonCase{Isa::svm, 0x80000001, "vmgexit_mmio_read"},
        ReasonCase{Isa::svm, 0x80000010, "vmgexit_page_state_change"},
        ReasonCase{Isa::svm, 0x80000013, "vmgexit_ap_creation"},
        ReasonCase{Isa::svm, 0x8000fffd, "vmgexit_hypervisor_feature"},
        ReasonCase{Isa::svm, 0xffffffff, "invalid_guest_state"},
        // Codes that have a macro but no trace name.
        ReasonCase{Isa::svm, 0x08c, "0x8c"}, ReasonCase{Isa::svm, 0x08e, "0x8e"},
        ReasonCase{Isa::svm, 0x8000ffff, "0x8000ffff"},
        ReasonCase{Isa::svm, 0xf0000000, "0xf0000000"},
        // Holes, and codes of the future.
        ReasonCase{Isa::svm, 0x001, "0x1"}, ReasonCase{Isa::svm, 0x404, "0x404"}));

INSTANTIATE_TEST_SUITE_P(Other, ExitReasonName,
                         testing::Values(ReasonCase{Isa::other, 12, "0xc"},
                                         ReasonCase{Isa::other, 0xffffffff, "0xffffffff"}));

TEST(UserspaceExits, TableIsSortedUniqueAndComplete) {
  expect_sound(userspace_exits());
  ASSERT_EQ(userspace_exits().size(), 44U);
  for (std::uint32_t code = 0; code < 44; ++code) {
    EXPECT_EQ(userspace_exits()[code].code, code);
    EXPECT_TRUE(userspace_exits()[code].name.starts_with("KVM_EXIT_"));
  }
}

TEST(UserspaceExits, NamesAreWhatTheKernelPrints) {
  EXPECT_EQ(userspace_exit_name(0), "KVM_EXIT_UNKNOWN");
  EXPECT_EQ(userspace_exit_name(2), "KVM_EXIT_IO");
  EXPECT_EQ(userspace_exit_name(6), "KVM_EXIT_MMIO");
  EXPECT_EQ(userspace_exit_name(10), "KVM_EXIT_INTR");
  EXPECT_EQ(userspace_exit_name(30), "KVM_EXIT_X86_WRMSR");
  EXPECT_EQ(userspace_exit_name(43), "KVM_EXIT_SNP_REQ_CERTS");
  EXPECT_EQ(userspace_exit_name(44), "0x2c");
}

TEST(UserspaceExits, AnErrorComesBeforeAStaleReason) {
  EXPECT_EQ(userspace_exit_name(2, -EINTR), "restart");
  EXPECT_EQ(userspace_exit_name(2, -EFAULT), "error");
  EXPECT_EQ(userspace_exit_name(2, 0), "KVM_EXIT_IO");
  EXPECT_EQ(userspace_exit_name(2, 1), "KVM_EXIT_IO");
}

struct MsrCase {
  std::uint32_t index;
  std::string_view name;
};

std::ostream& operator<<(std::ostream& out, const MsrCase& msr) { return out << hex(msr.index); }

class MsrNameOf : public testing::TestWithParam<MsrCase> {};

TEST_P(MsrNameOf, IsKnown) { EXPECT_EQ(msr_name(GetParam().index), GetParam().name); }

INSTANTIATE_TEST_SUITE_P(
    Architectural, MsrNameOf,
    testing::Values(MsrCase{0x10, "IA32_TSC"}, MsrCase{0x1b, "IA32_APIC_BASE"},
                    MsrCase{0x3a, "IA32_FEATURE_CONTROL"}, MsrCase{0x3b, "IA32_TSC_ADJUST"},
                    MsrCase{0x48, "IA32_SPEC_CTRL"}, MsrCase{0x49, "IA32_PRED_CMD"},
                    MsrCase{0x8b, "IA32_BIOS_SIGN_ID"}, MsrCase{0xe1, "IA32_UMWAIT_CONTROL"},
                    MsrCase{0x10a, "IA32_ARCH_CAPABILITIES"}, MsrCase{0x1a0, "IA32_MISC_ENABLE"},
                    MsrCase{0x277, "IA32_PAT"}, MsrCase{0x2ff, "IA32_MTRR_DEF_TYPE"},
                    MsrCase{0x38f, "IA32_PERF_GLOBAL_CTRL"}, MsrCase{0x480, "IA32_VMX_BASIC"},
                    MsrCase{0x570, "IA32_RTIT_CTL"}, MsrCase{0x6e0, "IA32_TSC_DEADLINE"},
                    MsrCase{0x774, "IA32_HWP_REQUEST"}, MsrCase{0xda0, "IA32_XSS"},
                    MsrCase{0xc0000080, "IA32_EFER"}, MsrCase{0xc0000081, "IA32_STAR"},
                    MsrCase{0xc0000084, "IA32_FMASK"}, MsrCase{0xc0000100, "IA32_FS_BASE"},
                    MsrCase{0xc0000101, "IA32_GS_BASE"}, MsrCase{0xc0000102, "IA32_KERNEL_GS_BASE"},
                    MsrCase{0xc0000103, "IA32_TSC_AUX"}));

INSTANTIATE_TEST_SUITE_P(
    Numbered, MsrNameOf,
    testing::Values(MsrCase{0xc1, "IA32_PMC0"}, MsrCase{0xc8, "IA32_PMC7"},
                    MsrCase{0x186, "IA32_PERFEVTSEL0"}, MsrCase{0x200, "IA32_MTRR_PHYSBASE0"},
                    MsrCase{0x213, "IA32_MTRR_PHYSMASK9"}, MsrCase{0x280, "IA32_MC0_CTL2"},
                    MsrCase{0x30b, "IA32_FIXED_CTR2"}, MsrCase{0x400, "IA32_MC0_CTL"},
                    MsrCase{0x429, "IA32_MC10_STATUS"}, MsrCase{0x47f, "IA32_MC31_MISC"},
                    MsrCase{0x4c1, "IA32_A_PMC0"}, MsrCase{0x583, "IA32_RTIT_ADDR1_B"},
                    MsrCase{0x151f, "IA32_LBR_31_FROM_IP"},
                    MsrCase{0xc0002010, "AMD64_SMCA_MC1_CTL"},
                    MsrCase{0xc0010203, "F15H_PERF_CTR1"}, MsrCase{0xc0010004, "K7_PERFCTR0"}));

INSTANTIATE_TEST_SUITE_P(
    X2apic, MsrNameOf,
    testing::Values(MsrCase{0x802, "X2APIC_ID"}, MsrCase{0x808, "X2APIC_TASKPRI"},
                    MsrCase{0x80b, "X2APIC_EOI"}, MsrCase{0x80f, "X2APIC_SPIV"},
                    MsrCase{0x810, "X2APIC_ISR0"}, MsrCase{0x827, "X2APIC_IRR7"},
                    MsrCase{0x830, "X2APIC_ICR"}, MsrCase{0x832, "X2APIC_LVTT"},
                    MsrCase{0x838, "X2APIC_TMICT"}, MsrCase{0x839, "X2APIC_TMCCT"},
                    MsrCase{0x83e, "X2APIC_TDCR"}, MsrCase{0x83f, "X2APIC_SELF_IPI"}));

INSTANTIATE_TEST_SUITE_P(
    Virtual, MsrNameOf,
    testing::Values(
        MsrCase{0x11, "KVM_WALL_CLOCK"}, MsrCase{0x12, "KVM_SYSTEM_TIME"},
        MsrCase{0x4b564d00, "KVM_WALL_CLOCK_NEW"}, MsrCase{0x4b564d01, "KVM_SYSTEM_TIME_NEW"},
        MsrCase{0x4b564d03, "KVM_STEAL_TIME"}, MsrCase{0x4b564d04, "KVM_PV_EOI_EN"},
        MsrCase{0x4b564d05, "KVM_POLL_CONTROL"}, MsrCase{0x4b564d06, "KVM_ASYNC_PF_INT"},
        MsrCase{0x4b564d08, "KVM_MIGRATION_CONTROL"}, MsrCase{0x40000002, "HV_X64_MSR_VP_INDEX"},
        MsrCase{0x40000021, "HV_X64_MSR_REFERENCE_TSC"}, MsrCase{0x40000070, "HV_X64_MSR_EOI"},
        MsrCase{0x40000071, "HV_X64_MSR_ICR"}, MsrCase{0x40000072, "HV_X64_MSR_TPR"},
        MsrCase{0x400000b0, "HV_X64_MSR_STIMER0_CONFIG"},
        MsrCase{0x400000b1, "HV_X64_MSR_STIMER0_COUNT"},
        MsrCase{0x400000b6, "HV_X64_MSR_STIMER3_CONFIG"},
        MsrCase{0x400000b7, "HV_X64_MSR_STIMER3_COUNT"}, MsrCase{0x40000104, "HV_X64_MSR_CRASH_P4"},
        MsrCase{0x40000105, "HV_X64_MSR_CRASH_CTL"}));

INSTANTIATE_TEST_SUITE_P(
    Amd, MsrNameOf,
    testing::Values(MsrCase{0xc0000104, "AMD64_TSC_RATIO"}, MsrCase{0xc0010015, "K7_HWCR"},
                    MsrCase{0xc0010117, "VM_HSAVE_PA"}, MsrCase{0xc001011f, "AMD64_VIRT_SPEC_CTRL"},
                    MsrCase{0xc0010130, "AMD64_SEV_ES_GHCB"}, MsrCase{0xc0011020, "AMD64_LS_CFG"},
                    MsrCase{0xc0011029, "AMD64_DE_CFG"}));

INSTANTIATE_TEST_SUITE_P(Unknown, MsrNameOf,
                         testing::Values(MsrCase{0x2, ""}, MsrCase{0x21a, ""}, MsrCase{0x4be, ""},
                                         MsrCase{0x800, ""}, MsrCase{0x80e, ""}, MsrCase{0x831, ""},
                                         MsrCase{0x8ff, ""}, MsrCase{0x40000004, ""},
                                         MsrCase{0x400000b8, ""}, MsrCase{0x4b564d09, ""},
                                         MsrCase{0x80000000, ""}, MsrCase{0xbfffffff, ""},
                                         MsrCase{0xc0000000, ""}, MsrCase{0xffffffff, ""}));

/// Every index that has a name, with that name.
std::map<std::uint32_t, std::string_view> all_msrs() {
  std::map<std::uint32_t, std::string_view> found;
  for (const auto& [first, last] : {std::pair{0x0U, 0x20000U},
                                    {0x40000000U, 0x40020000U},
                                    {0x4b564d00U, 0x4b564dffU},
                                    {0xc0000000U, 0xc0020000U}}) {
    for (std::uint32_t index = first; index <= last; ++index) {
      if (const std::string_view name = msr_name(index); !name.empty()) found[index] = name;
    }
  }
  return found;
}

TEST(MsrNames, AreUniqueAndFitForLabels) {
  std::set<std::string_view> names;
  for (const auto& [index, name] : all_msrs()) {
    EXPECT_TRUE(names.insert(name).second) << name << " names two MSRs, one is " << hex(index);
    EXPECT_NE(name, "unknown");
    EXPECT_NE(name, "other");
    for (const char c : name) {
      EXPECT_TRUE(std::isupper(static_cast<unsigned char>(c)) != 0 ||
                  std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '_')
          << name;
    }
  }
}

TEST(MsrNames, NoTableHidesAnother) {
  std::size_t entries = intel_msrs().size() + virtual_msrs().size() + amd_msrs().size();
  for (const MsrFamily& family : msr_families()) entries += family.count;
  EXPECT_EQ(all_msrs().size(), entries);
}

TEST(MsrNames, TablesKeepToTheirRanges) {
  EXPECT_LT(intel_msrs().back().code, 0x40000000U);
  EXPECT_GE(virtual_msrs().front().code, 0x40000000U);
  EXPECT_LT(virtual_msrs().back().code, 0x50000000U);
  EXPECT_GE(amd_msrs().front().code, 0xc0000000U);
}

}  // namespace
}  // namespace kvmx
