// SPDX-License-Identifier: Apache-2.0
#include "vm.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <array>
#include <string>

#include "error.h"

namespace kvmx::guest {
namespace {

// <linux/kvm.h> cannot be used for this one: Debian 12's struct kvm_cpuid2 is
// 12 bytes long in C++ (its flexible array brings in an empty struct, of size
// 1 there), so that the ioctl's number comes out wrong and KVM says EINVAL.
struct CpuidRequest {
  std::uint32_t nent;
  std::uint32_t padding;
  std::array<kvm_cpuid_entry2, 256> entries;
};
constexpr unsigned long kGetSupportedCpuid = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, 8);

UniqueFd open_kvm() {
  UniqueFd fd{::open("/dev/kvm", O_RDWR | O_CLOEXEC)};
  if (fd) return fd;
  const int number = errno;
  std::string_view advice = "is it KVM that is there?";
  if (number == ENOENT || number == ENODEV || number == ENXIO) {
    advice =
        "load kvm_intel or kvm_amd (modprobe), with virtualization switched on in the firmware, "
        "or nested virtualization for a virtual host";
  } else if (number == EACCES || number == EPERM) {
    advice = "run as root, or as a member of the group that owns it (usermod -aG kvm USER)";
  }
  throw errno_error("cannot open /dev/kvm", number, advice);
}

void require(int kvm, int capability, const char* name) {
  if (::ioctl(kvm, KVM_CHECK_EXTENSION, capability) > 0) return;
  throw Error(std::string{"this host's KVM lacks "} + name +
              ", which the guests need; use another kernel or host");
}

std::vector<kvm_cpuid_entry2> supported_cpuid(int kvm) {
  CpuidRequest request{};
  request.nent = static_cast<std::uint32_t>(request.entries.size());
  if (::ioctl(kvm, kGetSupportedCpuid, &request) < 0) {
    throw errno_error("cannot ask KVM for its CPUID (KVM_GET_SUPPORTED_CPUID)");
  }
  constexpr std::uint32_t x2apic = 1U << 21;
  constexpr std::uint32_t tsc_deadline = 1U << 24;
  std::vector<kvm_cpuid_entry2> entries(request.entries.begin(),
                                        request.entries.begin() + request.nent);
  for (auto& entry : entries) {
    if (entry.function == 1) entry.ecx |= x2apic | tsc_deadline;
  }
  return entries;
}

int create_vm(int kvm) {
  const int fd = ::ioctl(kvm, KVM_CREATE_VM, 0);
  if (fd >= 0) return fd;
  const int number = errno;
  throw errno_error("cannot create a VM (KVM_CREATE_VM)", number,
                    number == EBUSY ? "another hypervisor is using the CPU's virtualization" : "");
}

}  // namespace

Kvm::Kvm() : fd_(open_kvm()) {
  const int version = ::ioctl(fd(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    throw Error("/dev/kvm speaks KVM API " + std::to_string(version) + ", not " +
                std::to_string(KVM_API_VERSION) + "; this is not a KVM we can use");
  }
  require(fd(), KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY");
  require(fd(), KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP");
  require(fd(), KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR");
  require(fd(), KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER");
  require(fd(), KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT");
  const int run_size = ::ioctl(fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < 0)
    throw errno_error("cannot ask for the size of kvm_run (KVM_GET_VCPU_MMAP_SIZE)");
  run_size_ = static_cast<std::size_t>(run_size);
  const int max_vcpus = ::ioctl(fd(), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
  max_vcpus_ = max_vcpus > 0 ? static_cast<unsigned>(max_vcpus) : 4;
  cpuid_ = supported_cpuid(fd());
}

Vm::Vm(const Kvm& kvm, unsigned vcpus, std::size_t pool_size)
    : memory_(vcpus, pool_size), fd_(create_vm(kvm.fd())) {
  // Three pages of its own that kvm_intel wants, and its identity map after
  // them; in the hole below 4 GiB, where we have no memory.
  if (::ioctl(fd(), KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0) {
    throw errno_error("cannot place KVM's TSS pages (KVM_SET_TSS_ADDR)");
  }
  std::uint64_t identity_map = 0xfffbc000;
  if (::ioctl(fd(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0) {
    throw errno_error("cannot place KVM's identity map (KVM_SET_IDENTITY_MAP_ADDR)");
  }
  if (::ioctl(fd(), KVM_CREATE_IRQCHIP, 0) < 0) {
    throw errno_error("cannot create the interrupt controllers (KVM_CREATE_IRQCHIP)");
  }
  kvm_userspace_memory_region region{};
  region.memory_size = memory_.size();
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory_.data());
  if (::ioctl(fd(), KVM_SET_USER_MEMORY_REGION, &region) < 0) {
    throw errno_error("cannot give the VM its memory (KVM_SET_USER_MEMORY_REGION)");
  }
}

void Vm::ask_for_unknown_msrs() const {
  kvm_enable_cap request{};
  request.cap = KVM_CAP_X86_USER_SPACE_MSR;
  request.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL;
  if (::ioctl(fd(), KVM_ENABLE_CAP, &request) < 0) {
    throw errno_error("cannot take over unknown MSRs (KVM_CAP_X86_USER_SPACE_MSR)");
  }
}

void Vm::park_vcpu(unsigned id) {
  parked_.emplace_back(::ioctl(fd(), KVM_CREATE_VCPU, static_cast<unsigned long>(id)));
  if (!parked_.back()) throw errno_error("cannot create a vCPU (KVM_CREATE_VCPU)");
}

UniqueFd Vm::line_fd(std::uint32_t line) const {
  UniqueFd fd{::eventfd(0, EFD_CLOEXEC)};
  kvm_irqfd irqfd{};
  irqfd.fd = static_cast<std::uint32_t>(fd.get());
  irqfd.gsi = line;
  if (!fd || ::ioctl(this->fd(), KVM_IRQFD, &irqfd) < 0) {
    throw errno_error("cannot give an interrupt line an eventfd (KVM_IRQFD)");
  }
  return fd;
}

void Vm::start_pit(std::uint64_t hz) const {
  constexpr std::uint64_t pit_hz = 1'193'182;
  constexpr std::uint8_t periodic = 2;
  kvm_pit_config config{};
  kvm_reinject_control each_tick{};
  kvm_pit_state2 state{};
  state.channels[0].count = static_cast<std::uint32_t>(pit_hz / hz);
  state.channels[0].mode = periodic;
  state.channels[0].gate = 1;
  if (::ioctl(fd(), KVM_CREATE_PIT2, &config) < 0 ||
      ::ioctl(fd(), KVM_REINJECT_CONTROL, &each_tick) < 0 ||
      ::ioctl(fd(), KVM_SET_PIT2, &state) < 0) {
    throw errno_error("cannot start the timer chip (KVM_CREATE_PIT2, KVM_SET_PIT2)");
  }
}

void Vm::pulse_irq(std::uint32_t line_number) const {
  for (const std::uint32_t level : {1U, 0U}) {
    kvm_irq_level line{};
    line.irq = line_number;
    line.level = level;
    if (::ioctl(fd(), KVM_IRQ_LINE, &line) < 0) {
      throw errno_error("cannot set an interrupt line (KVM_IRQ_LINE)");
    }
  }
}

}  // namespace kvmx::guest
