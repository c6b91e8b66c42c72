// SPDX-License-Identifier: Apache-2.0
//
// kvmx-tricks TRICK SECONDS: a VMM that does what few do, and is to be counted like any other.
//
//   rename         gives its process another name all the time
//   locked         keeps its memory locked, so that nobody can read its command line to the end
//   closed         closes its vCPU, VM and KVM descriptors while the vCPU runs, a guest that counts
//                  its CPUIDs, and in the end halts; prints how many they were
//   many           starts 2000 processes, each with a VM that never runs; prints how many at once
//   idle           makes a VM of 200 vCPUs that never run; prints how many at once
//   other-process  runs the vCPU in a child that shares its memory (CLONE_VM | CLONE_FILES)
//   orphan         the same, and after two seconds it ends itself; the child goes on and reports
//   threads        400 threads, one after the other, each call KVM_RUN once and end; told to return
//                  at once, it does so without entering the guest
//   two-vms        a vCPU of a second VM returns 7 times before it first enters, while that of the
//                  first runs a guest that never returns; prints 7 at once, and enters at the end
//   restore        its main thread restores the APIC timers of 4 vCPUs; other threads run them
//   replug         its vCPU's thread ends after SECONDS; at the next line of its input another one
//                  runs it, for as long, and it prints again how often KVM_RUN returned
//   short          starts processes, 40 or more, that each run a VM for a moment, one after the
//                  other; prints how many
//
// Other guests write to an I/O port, so each KVM_RUN returns with KVM_EXIT_IO. After SECONDS it
// prints how often that was, and waits for its standard input to end. Needs nothing of kvmx-guest.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "locked_memory.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

int checked(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

constexpr std::size_t kMemory = 0x2000;
constexpr std::size_t kCode = 0x1000;
constexpr std::string_view kPortLoop = "\xe6\x80\xeb\xfc";           // out %al, $0x80; jmp to it
constexpr std::string_view kCpuidLoop = "\x31\xc0\x0f\xa2\xeb\xfa";  // xor %eax, %eax; cpuid; jmp

// Where the guest that counts its CPUIDs has the number, and looks whether it is to go on.
constexpr std::size_t kCount = 0x1800;
constexpr std::size_t kStop = 0x1804;
constexpr std::string_view kCountedCpuidLoop{
    "\x31\xc0\x0f\xa2"      // xor %ax, %ax; cpuid
    "\x66\xff\x06\x00\x18"  // incl kCount
    "\x80\x3e\x04\x18\x00"  // cmpb $0, kStop
    "\x74\xf0\xf4",         // je to the first; hlt
    17};

struct Vm {
  int kvm;
  int vm;
  int vcpu;
  kvm_run* shared;
  char* memory;
};

Vm make_vm_alone(std::string_view code) {
  Vm made{};
  made.kvm = checked(::open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  made.vm = checked(::ioctl(made.kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  void* const memory =
      ::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  made.memory = static_cast<char*>(memory);
  std::memcpy(made.memory + kCode, code.data(), code.size());
  const kvm_userspace_memory_region region{0, 0, 0, kMemory,
                                           reinterpret_cast<std::uintptr_t>(memory)};
  checked(::ioctl(made.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  return made;
}

/// The VM with a vCPU of this id, another than it had.
Vm with_vcpu(Vm made, unsigned long id) {
  made.vcpu = checked(::ioctl(made.vm, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU");
  const int size = checked(::ioctl(made.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  void* const shared = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE,
                              MAP_SHARED, made.vcpu, 0);
  if (shared == MAP_FAILED) fail("mmap of a vCPU");
  made.shared = static_cast<kvm_run*>(shared);
  kvm_sregs sregs{};
  checked(::ioctl(made.vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
  sregs.cs.base = sregs.cs.selector = 0;
  checked(::ioctl(made.vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
  kvm_regs regs{};
  regs.rip = kCode;
  regs.rflags = 2;
  checked(::ioctl(made.vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
  return made;
}

Vm make_vm(std::string_view code = kPortLoop) { return with_vcpu(make_vm_alone(code), 0); }

std::atomic<unsigned long> returns;
std::chrono::seconds duration;
Clock::time_point end;

void begin() { end = Clock::now() + duration; }

/// KVM may take half a minute to make a VM, where CPUs are busy: time begins after that.
Vm begin_with_vm(std::string_view code = kPortLoop) {
  const Vm vm = make_vm(code);
  begin();
  return vm;
}

void run_once(int vcpu) {
  checked(::ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
  ++returns;
}

int run(void* vm) {
  while (Clock::now() < end) {
    run_once(static_cast<Vm*>(vm)->vcpu);
    std::this_thread::sleep_for(5ms);
  }
  return 0;
}

void rename_until_end() {
  for (int i = 0; Clock::now() < end; ++i) {
    ::prctl(PR_SET_NAME, ("name-" + std::to_string(i)).c_str());
    std::this_thread::sleep_for(100ms);
  }
}

void make_short_vms() {
  constexpr unsigned long kAtLeast = 40;
  while (returns < kAtLeast || Clock::now() < end) {
    const pid_t child = checked(::fork(), "fork");
    if (child == 0) {
      const Vm vm = make_vm();
      for (int i = 0; i < 3; ++i) run_once(vm.vcpu);
      std::_Exit(0);
    }
    ::waitpid(child, nullptr, 0);
    ++returns;
    std::this_thread::sleep_for(20ms);
  }
}

/// KVM_RUN that returns before it enters the guest.
void return_at_once(const Vm& vm) {
  vm.shared->immediate_exit = 1;
  if (::ioctl(vm.vcpu, KVM_RUN, 0) == 0 || errno != EINTR) fail("KVM_RUN with immediate_exit");
  vm.shared->immediate_exit = 0;
  ++returns;
}

void run_on_threads() {
  const Vm vm = begin_with_vm();
  for (int i = 0; i < 400; ++i) std::thread(return_at_once, vm).join();
  std::this_thread::sleep_until(end);
}

void set_register(kvm_lapic_state& apic, std::size_t offset, std::uint32_t value) {
  std::memcpy(apic.regs + offset, &value, sizeof(value));
}

/// Gives a vCPU's APIC a timer that is running, as if it came from another host.
void restore_timer(const Vm& vm) {
  constexpr std::uint32_t kLongTime = 0x40000000;
  kvm_lapic_state apic{};
  checked(::ioctl(vm.vcpu, KVM_GET_LAPIC, &apic), "KVM_GET_LAPIC");
  set_register(apic, 0x0f0, 0x1ff);      // spurious interrupts: the APIC is on
  set_register(apic, 0x320, 0xec);       // timer: once
  set_register(apic, 0x380, kLongTime);  // its initial count
  set_register(apic, 0x390, kLongTime);  // and what is left of it
  checked(::ioctl(vm.vcpu, KVM_SET_LAPIC, &apic), "KVM_SET_LAPIC");
}

void run_restored() {
  const Vm vm = make_vm_alone(kPortLoop);
  checked(::ioctl(vm.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
  std::vector<Vm> vcpus;
  for (unsigned long id = 0; id < 4; ++id) {
    vcpus.push_back(with_vcpu(vm, id));
    const kvm_mp_state runnable{KVM_MP_STATE_RUNNABLE};
    checked(::ioctl(vcpus[id].vcpu, KVM_SET_MP_STATE, &runnable), "KVM_SET_MP_STATE");
    restore_timer(vcpus[id]);
  }
  std::vector<std::thread> threads;
  for (Vm& vcpu : vcpus) threads.emplace_back(run, &vcpu);
  for (std::thread& thread : threads) thread.join();
}

void print_returns() {
  std::printf("%lu\n", returns.load());
  std::fflush(stdout);
}

void replug() {
  Vm vm = begin_with_vm();
  std::thread(run, &vm).join();
  print_returns();
  while (std::getchar() != '\n') {
  }
  begin();
  std::thread(run, &vm).join();
}

void run_two_vms() {
  const Vm first = begin_with_vm(kCpuidLoop);
  std::thread([first] { ::ioctl(first.vcpu, KVM_RUN, 0); }).detach();
  std::this_thread::sleep_for(1s);
  const Vm second = make_vm();
  std::thread([second] {
    for (int i = 0; i < 7; ++i) return_at_once(second);
    print_returns();
    std::this_thread::sleep_until(end);
    run_once(second.vcpu);
  }).join();
}

/// Ends its process, and not itself alone: new kernels' KVM has a thread of its own in the process
/// that runs a vCPU.
int run_and_end(void* vm) {
  run(vm);
  std::_Exit(0);
}

void run_in_child(Vm& vm) {
  static std::vector<char> stack(1U << 16U);
  checked(::clone(run_and_end, stack.data() + stack.size(), CLONE_VM | CLONE_FILES | SIGCHLD, &vm),
          "clone");
  std::this_thread::sleep_until(end + 100ms);
}

/// What a child does that is to report itself.
int run_and_report(void* vm) {
  run(vm);
  print_returns();
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);
}

[[noreturn]] void leave_to_child(Vm& vm) {
  static std::vector<char> stack(1U << 18U);
  checked(
      ::clone(run_and_report, stack.data() + stack.size(), CLONE_VM | CLONE_FILES | SIGCHLD, &vm),
      "clone");
  std::this_thread::sleep_for(2s);
  std::_Exit(0);
}

void run_closed() {
  const Vm vm = begin_with_vm(kCountedCpuidLoop);
  std::thread vcpu([&vm] { ::ioctl(vm.vcpu, KVM_RUN, 0); });
  std::this_thread::sleep_for(1s);
  for (const int fd : {vm.vcpu, vm.vm, vm.kvm}) ::close(fd);
  std::this_thread::sleep_until(end);
  vm.memory[kStop] = 1;
  vcpu.join();
  std::uint32_t count = 0;
  std::memcpy(&count, vm.memory + kCount, sizeof(count));
  returns = count;
}

void make_many_vms() {
  constexpr unsigned long kMany = 2000;
  std::array<int, 2> made{};
  checked(::pipe(made.data()), "pipe");
  for (unsigned long i = 0; i < kMany; ++i) {
    if (checked(::fork(), "fork") != 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    make_vm();
    checked(static_cast<int>(::write(made[1], "", 1)), "write");
    for (;;) ::pause();
  }
  for (char byte = 0; returns < kMany; ++returns)
    checked(static_cast<int>(::read(made[0], &byte, 1)), "read");
}

void make_idle_vcpus() {
  const Vm vm = make_vm_alone(kPortLoop);
  for (unsigned long id = 0; id < 200; ++id) with_vcpu(vm, id);
  returns = 200;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view trick = argc == 3 ? argv[1] : "";
  duration = std::chrono::seconds(argc == 3 ? std::atoi(argv[2]) : 0);
  begin();
  if (trick == "short") {
    make_short_vms();
  } else if (trick == "other-process") {
    Vm vm = begin_with_vm();
    run_in_child(vm);
  } else if (trick == "orphan") {
    Vm vm = begin_with_vm();
    leave_to_child(vm);
  } else if (trick == "threads") {
    run_on_threads();
  } else if (trick == "restore") {
    run_restored();
  } else if (trick == "replug") {
    replug();
  } else if (trick == "two-vms") {
    run_two_vms();
  } else if (trick == "closed") {
    run_closed();
  } else if (trick == "many") {
    make_many_vms();
  } else if (trick == "idle") {
    make_idle_vcpus();
  } else if (trick == "locked") {
    Vm vm = begin_with_vm();
    std::thread vcpu(run, &vm);
    std::this_thread::sleep_for(500ms);
    const auto wait = [] { std::this_thread::sleep_until(end); };
    if (!kvmx::tricks::with_locked_memory(wait)) return 77;
    vcpu.join();
  } else if (trick == "rename") {
    Vm vm = begin_with_vm();
    std::thread vcpu(run, &vm);
    rename_until_end();
    vcpu.join();
  } else {
    std::fputs(
        "usage: kvmx-tricks "
        "rename|locked|closed|many|idle|other-process|orphan|threads|two-vms|restore|replug|short "
        "SECONDS\n",
        stderr);
    return 2;
  }
  print_returns();
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);
}
