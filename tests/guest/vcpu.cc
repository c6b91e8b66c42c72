// SPDX-License-Identifier: Apache-2.0
#include "vcpu.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "error.h"
#include "exit_names.h"
#include "msr_pool.h"

namespace kvmx::guest {
namespace {

// See CpuidRequest in vm.cc.
constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, 8);

constexpr std::uint64_t kCr0ProtectedPaged = 0x80000033;  // PG, NE, ET, MP, PE
constexpr std::uint64_t kCr4Pae = 1U << 5;
constexpr std::uint64_t kEferLongMode = 0x500;  // LMA, LME
constexpr std::uint64_t kApicBaseX2apic = 0xfee00000 | 1U << 11 | 1U << 10;
constexpr std::uint64_t kApicBaseBsp = 1U << 8;

UniqueFd create_vcpu(int vm, unsigned id) {
  UniqueFd fd{::ioctl(vm, KVM_CREATE_VCPU, id)};
  if (!fd) throw errno_error("cannot create vCPU " + std::to_string(id) + " (KVM_CREATE_VCPU)");
  return fd;
}

kvm_segment segment(std::uint16_t selector, std::uint8_t type, bool is_code) {
  kvm_segment result{};
  result.limit = 0xffffffff;
  result.selector = selector;
  result.type = type;
  result.present = 1;
  result.s = 1;
  result.l = is_code ? 1 : 0;
  result.db = is_code ? 0 : 1;
  result.g = 1;
  return result;
}

std::uint64_t now_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// Where KVM does not know the TSC's rate, half a second tells it well enough.
std::uint64_t measured_tsc_khz() {
  const std::uint64_t start = now_ns(CLOCK_MONOTONIC);
  const std::uint64_t first = __rdtsc();
  const timespec pause{.tv_sec = 0, .tv_nsec = 500'000'000};
  ::nanosleep(&pause, nullptr);
  const std::uint64_t end = now_ns(CLOCK_MONOTONIC);
  const std::uint64_t last = __rdtsc();
  const double seconds = static_cast<double>(end - start) * 1e-9;
  return static_cast<std::uint64_t>(static_cast<double>(last - first) / seconds / 1000);
}

}  // namespace

Vcpu::Vcpu(const Kvm& kvm, const Vm& vm, unsigned id, std::uint64_t ordinal, const Program& program,
           const ProgramParameters& parameters)
    : vm_(vm),
      id_(id),
      fd_(create_vcpu(vm.fd(), id)),
      run_(Mapping::shared(fd_.get(), kvm.run_size(), "the vCPU's kvm_run")),
      page_(vm.memory().page(id)) {
  const int khz = ::ioctl(fd(), KVM_GET_TSC_KHZ, 0);
  tsc_khz_ = khz > 0 ? static_cast<std::uint64_t>(khz) : measured_tsc_khz();
  write_parameters(program, parameters, ordinal, tsc_khz_ * 1000, vm.memory().pool_gpa(id), page_);
  fill_msr_pool(parameters.seed + ordinal, vm.memory().pool(id));
  set_cpuid(kvm);
  set_segments(program);
  set_registers(program);
}

void Vcpu::set_cpuid(const Kvm& kvm) {
  struct {
    std::uint32_t nent;
    std::uint32_t padding;
    std::array<kvm_cpuid_entry2, 256> entries;
  } request{};
  request.nent = static_cast<std::uint32_t>(kvm.cpuid().size());
  std::ranges::copy(kvm.cpuid(), request.entries.begin());
  for (std::uint32_t i = 0; i < request.nent; ++i) {
    auto& entry = request.entries[i];
    if (entry.function == 1) entry.ebx = (entry.ebx & 0x00ffffff) | (id_ & 0xff) << 24;
    if (entry.function == 0xb || entry.function == 0x1f) entry.edx = id_;
  }
  if (::ioctl(fd(), kSetCpuid2, &request) < 0) {
    throw errno_error("cannot set the vCPU's CPUID (KVM_SET_CPUID2)");
  }
}

// Straight into 64-bit mode with the x2APIC on: the guest itself needs no MSR
// access to get there.
void Vcpu::set_segments(const Program& program) {
  kvm_sregs sregs{};
  if (::ioctl(fd(), KVM_GET_SREGS, &sregs) < 0) {
    throw errno_error("cannot read the vCPU's registers (KVM_GET_SREGS)");
  }
  constexpr std::uint8_t code_type = 11;
  constexpr std::uint8_t data_type = 3;
  constexpr std::uint8_t busy_tss_type = 11;
  sregs.cs = segment(GuestMemory::kCodeSelector, code_type, true);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss =
      segment(GuestMemory::kDataSelector, data_type, false);
  sregs.tr = {};
  sregs.tr.selector = GuestMemory::kTssSelector;
  sregs.tr.limit = 0x67;
  sregs.tr.type = busy_tss_type;
  sregs.tr.present = 1;
  sregs.ldt = {};
  sregs.ldt.unusable = 1;
  sregs.gdt.base = GuestMemory::kGdtGpa;
  sregs.gdt.limit = GuestMemory::kGdtLimit;
  sregs.idt.base = GuestMemory::kIdtGpa;
  sregs.idt.limit = GuestMemory::kIdtLimit;
  sregs.cr0 = kCr0ProtectedPaged;
  sregs.cr3 = GuestMemory::kPml4Gpa;
  sregs.cr4 = kCr4Pae;
  sregs.efer = program.entry == kvmx_guest_nested ? KVMX_EFER_NESTED : kEferLongMode;
  sregs.apic_base = kApicBaseX2apic | (id_ == 0 ? kApicBaseBsp : 0);
  if (::ioctl(fd(), KVM_SET_SREGS, &sregs) < 0) {
    throw errno_error("cannot put the vCPU into 64-bit mode with x2APIC (KVM_SET_SREGS)");
  }
}

void Vcpu::set_registers(const Program& program) {
  kvm_regs regs{};
  regs.rip = GuestMemory::code_address(program.entry);
  regs.rsp = vm_.memory().stack_top_gpa(id_);
  regs.r15 = vm_.memory().page_gpa(id_);
  regs.rflags = 2;
  if (::ioctl(fd(), KVM_SET_REGS, &regs) < 0) {
    throw errno_error("cannot set the vCPU's registers (KVM_SET_REGS)");
  }
  // All but the first would wait for INIT and SIPI.
  kvm_mp_state state{.mp_state = KVM_MP_STATE_RUNNABLE};
  if (::ioctl(fd(), KVM_SET_MP_STATE, &state) < 0) {
    throw errno_error("cannot make the vCPU runnable (KVM_SET_MP_STATE)");
  }
}

void Vcpu::request_stop() { std::atomic_ref{page_.stop}.store(1, std::memory_order_relaxed); }

void Vcpu::request_kick() {
  kicked_.store(true);
  auto& run = *reinterpret_cast<kvm_run*>(run_.data());
  std::atomic_ref{run.immediate_exit}.store(1);
}

std::vector<MsrRecord> Vcpu::msr_records() const {
  std::map<std::uint32_t, MsrRecord> by_index;
  const auto add = [&by_index](const MsrRecord& record) {
    if (record.reads == 0 && record.writes == 0) return;
    auto& sum = by_index[record.index];
    sum.index = record.index;
    sum.reads += record.reads;
    sum.writes += record.writes;
    sum.read_faults += record.read_faults;
    sum.write_faults += record.write_faults;
  };
  std::ranges::for_each(page_.msrs, add);
  std::ranges::for_each(vm_.memory().pool(id_), add);
  for (const auto& [index, record] : answered_) {
    by_index[index].reads -= record.reads;
    by_index[index].writes -= record.writes;
  }
  std::vector<MsrRecord> result;
  result.reserve(by_index.size());
  for (const auto& [index, record] : by_index) result.push_back(record);
  return result;
}

bool Vcpu::run(std::uint64_t max_returns) {
  const auto tid = static_cast<pid_t>(::syscall(SYS_gettid));
  auto thread = std::ranges::find(threads_, tid, &ThreadRuns::tid);
  if (thread == threads_.end()) thread = threads_.insert(thread, {.tid = tid});
  const std::uint64_t wall = now_ns(CLOCK_MONOTONIC);
  const std::uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
  const bool through = run_on(*thread, max_returns);
  thread->cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
  thread->wall_ns += now_ns(CLOCK_MONOTONIC) - wall;
  return through;
}

bool Vcpu::run_on(ThreadRuns& thread, std::uint64_t max_returns) {
  for (std::uint64_t done = 0; max_returns == 0 || done < max_returns; ++done) {
    ++thread.runs;
    enter();
    if (ending_ != Ending::not_yet) return true;
  }
  return false;
}

void Vcpu::enter() {
  const int error = ::ioctl(fd(), KVM_RUN, 0) < 0 ? errno : 0;
  count_return(error);
  if (error == EINTR || error == EAGAIN) {
    if (kicked_.load()) ending_ = Ending::kicked;
    return;
  }
  if (error != 0) throw errno_error("vCPU " + std::to_string(id_) + " cannot run (KVM_RUN)", error);
  if (handle_exit()) ending_ = Ending::program;
}

void Vcpu::count_return(int error) {
  if (error != 0) {
    ++returns_[errno_name(error)];
    return;
  }
  ++returns_[exit_name(reinterpret_cast<const kvm_run*>(run_.data())->exit_reason)];
}

bool Vcpu::handle_exit() {
  const auto& run = *reinterpret_cast<const kvm_run*>(run_.data());
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      return handle_io();
    case KVM_EXIT_MMIO:
      if (run.mmio.phys_addr - KVMX_MMIO_GPA < KVMX_IO_RECORDS * 0x1000UL) return false;
      fail("touched guest-physical " + hex(run.mmio.phys_addr) + ", where nothing is");
    case KVM_EXIT_INTR:
      return false;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      answer_msr();
      return false;
    case KVM_EXIT_FAIL_ENTRY:
      fail("could not enter the guest, hardware reason " +
           hex(run.fail_entry.hardware_entry_failure_reason));
    case KVM_EXIT_INTERNAL_ERROR:
      fail("met a KVM internal error, suberror " + std::to_string(run.internal.suberror));
    default:
      fail("left with " + exit_name(run.exit_reason) + ", which no program asks for");
  }
}

void Vcpu::answer_msr() {
  auto& run = *reinterpret_cast<kvm_run*>(run_.data());
  MsrRecord& record = answered_[run.msr.index];
  ++(run.exit_reason == KVM_EXIT_X86_RDMSR ? record.reads : record.writes);
  run.msr.data = 0;
  run.msr.error = 0;
}

bool Vcpu::handle_io() {
  const auto& run = *reinterpret_cast<const kvm_run*>(run_.data());
  switch (run.io.port) {
    case KVMX_PORT_END:
      return true;
    case KVMX_PORT_WORK:
    case KVMX_PORT_YIELD:
      return false;
    case KVMX_PORT_PANIC: {
      std::ostringstream text;
      text << "got an exception that its program does not expect, vector " << page_.panic[0]
           << "; stack:" << std::hex;
      for (std::size_t i = 1; i < std::size(page_.panic); ++i) text << " 0x" << page_.panic[i];
      fail(text.str());
    }
    default:
      for (const IoRecord& record : page_.io)
        if (record.address != 0 && record.address == run.io.port) return false;
      fail("touched port " + hex(run.io.port) + ", where nothing is");
  }
}

void Vcpu::fail(const std::string& what) const {
  kvm_regs regs{};
  std::string where;
  if (::ioctl(fd(), KVM_GET_REGS, &regs) == 0) {
    where = " (after " + std::to_string(page_.iterations) + " iterations; rip " + hex(regs.rip) +
            ", rcx " + hex(regs.rcx) + ")";
  }
  throw Error("vCPU " + std::to_string(id_) + " " + what + where);
}

}  // namespace kvmx::guest
