// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kvmx::guest {
namespace {

constexpr std::array kPrograms{
    Program{"deadline-halt", "write IA32_TSC_DEADLINE, HLT until its interrupt, EOI",
            kvmx_guest_deadline_halt, Clock::tsc, true, true},
    Program{"deadline-spin", "write IA32_TSC_DEADLINE, spin until its interrupt, EOI",
            kvmx_guest_deadline_spin, Clock::tsc, true, true},
    Program{"tick-halt",
            "a kernel's tick: deadlines a period apart, HLT between, EOI by KVM's paravirtual bit",
            kvmx_guest_tick_halt, Clock::tsc, true, true},
    Program{"tmict-halt", "the same as deadline-halt by the x2APIC's one-shot timer (TMICT)",
            kvmx_guest_tmict_halt, Clock::apic, true, true},
    Program{"periodic-halt", "x2APIC timer in periodic mode, HLT after HLT",
            kvmx_guest_periodic_halt, Clock::apic, true, true},
    Program{"wrmsr", "write --value to --msr; #GP is caught", kvmx_guest_wrmsr, Clock::none, true,
            true},
    Program{"rdmsr", "read --msr; #GP is caught", kvmx_guest_rdmsr, Clock::none, true, true},
    Program{"cpuid", "CPUID leaf 0", kvmx_guest_cpuid, Clock::none, true, true},
    Program{"pio", "OUT to a port of the VMM", kvmx_guest_pio, Clock::none, true, true},
    Program{"mmio", "write to a page of the VMM", kvmx_guest_mmio, Clock::none, true, true},
    Program{"io", "IN and OUT, reads and writes of --ports ports and --pages pages of the VMM",
            kvmx_guest_io, Clock::none, true, true},
    Program{"hypercall", "VMCALL or VMMCALL of KVM_HC_VAPIC_POLL_IRQ", kvmx_guest_hypercall,
            Clock::none, true, true},
    Program{"pause", "PAUSE", kvmx_guest_pause, Clock::none, true, true},
    Program{"random-msr",
            "hostile: random reads and writes of --indices random MSRs, and --deadlines",
            kvmx_guest_random_msr, Clock::tsc, true, true},
    Program{"nested",
            "a hypervisor (AMD's), whose own guest reads --msr and writes an MSR that it wants",
            kvmx_guest_nested, Clock::none, true, true},
    Program{"idle", "one HLT that nothing wakes, for --duration", kvmx_guest_idle, Clock::none,
            false, false},
    Program{"burn", "compute for --duration", kvmx_guest_burn, Clock::none, false, true},
};

// KVM's APIC bus: 1 ns a tick.
constexpr double kApicHz = 1e9;

bool host_uses_vmmcall() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return ebx == signature_AMD_ebx || ebx == 0x6f677948;  // AuthenticAMD, HygonGenuine
}

std::uint64_t splitmix64(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::uint64_t period_ticks(Clock clock, double rate_hz, std::uint64_t tsc_hz) {
  switch (clock) {
    case Clock::none:
      return 0;
    case Clock::tsc:
      return static_cast<std::uint64_t>(std::llround(static_cast<double>(tsc_hz) / rate_hz));
    case Clock::apic:
      return static_cast<std::uint64_t>(std::llround(kApicHz / rate_hz));
  }
  return 0;
}

}  // namespace

std::span<const Program> programs() { return kPrograms; }

const Program* find_program(std::string_view name) {
  const auto found = std::ranges::find(kPrograms, name, &Program::name);
  return found == kPrograms.end() ? nullptr : &*found;
}

std::uint64_t pool_size(const Program& program, const ProgramParameters& parameters) {
  return program.entry == kvmx_guest_random_msr ? parameters.indices : 0;
}

std::optional<std::string_view> objection(const Program& program,
                                          const ProgramParameters& parameters) {
  if (program.clock == Clock::apic && kApicHz / parameters.rate_hz > 0xffffffff) {
    return "--rate is too low for the APIC timer: its 32-bit counter of ns allows 0.233 Hz";
  }
  if (program.clock == Clock::apic && kApicHz / parameters.rate_hz < 1) {
    return "--rate is too high for the APIC timer";
  }
  if (program.entry == kvmx_guest_io) {
    if (parameters.ports == 0) return "the program io needs a port";
    if (parameters.ports + parameters.pages > KVMX_IO_RECORDS) {
      return "--ports and --pages are at most 64 together";
    }
  }
  if (program.entry == kvmx_guest_nested && !host_uses_vmmcall()) {
    return "the program nested needs an AMD CPU";
  }
  if (program.entry == kvmx_guest_random_msr) {
    if (parameters.count != 0 && parameters.deadlines > parameters.count) {
      return "--deadlines cannot be above --count";
    }
  }
  return std::nullopt;
}

void write_parameters(const Program& program, const ProgramParameters& parameters,
                      std::uint64_t ordinal, std::uint64_t tsc_hz, std::uint64_t pool_gpa,
                      GuestPage& page) {
  constexpr std::array<std::uint32_t, KVMX_SLOTS - 1> own_msrs{
      KVMX_MSR_SVR,          KVMX_MSR_LVTT, KVMX_MSR_DCR,      KVMX_MSR_TMICT,
      KVMX_MSR_TSC_DEADLINE, KVMX_MSR_EOI,  KVMX_MSR_PV_EOI_EN};
  for (std::size_t i = 0; i < own_msrs.size(); ++i) page.msrs[i].index = own_msrs[i];
  page.msrs[KVMX_SLOT_CHOSEN].index = parameters.msr;
  if (program.entry == kvmx_guest_nested) {
    page.msrs[KVMX_SLOT_HSAVE].index = KVMX_MSR_VM_HSAVE_PA;
    page.msrs[KVMX_SLOT_REFLECTED].index = KVMX_MSR_TSC_ADJUST;
  }

  page.count = program.counted ? parameters.count : 0;
  page.period = period_ticks(program.clock, parameters.rate_hz, tsc_hz);
  page.yield_every = parameters.yield_every;
  page.msr_value = parameters.value;
  page.random = splitmix64(parameters.seed + ordinal);
  if (page.random == 0) page.random = 1;  // where xorshift would stay
  page.pool = pool_gpa;
  page.pool_size = pool_size(program, parameters);
  page.deadlines_left = parameters.deadlines;
  // Without a count there is nothing to spread them over.
  constexpr std::uint64_t deadline_every_default = 1000;
  page.deadline_every = deadline_every_default;
  if (parameters.count != 0 && parameters.deadlines != 0) {
    page.deadline_every = parameters.count / parameters.deadlines;
  }
  page.until_deadline = page.deadline_every;
  // The ACPI PM timer of QEMU's first chipset; the mask of KVM's own interrupt controller.
  constexpr std::array<std::uint64_t, 2> first_ports{0x608, 0x21};
  for (std::uint64_t i = 0; i < std::max(parameters.ports, parameters.pages); ++i) {
    if (i < parameters.ports)
      page.io[page.io_used++].address =
          i < first_ports.size() ? first_ports[i] : KVMX_PORT_FIRST + i;
    if (i < parameters.pages) page.io[page.io_used++].address = KVMX_MMIO_GPA + i * 0x1000;
  }
  page.use_vmmcall = host_uses_vmmcall() ? 1 : 0;
}

}  // namespace kvmx::guest
