// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/host.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <filesystem>

#include "exporter/base/file.h"

namespace kvmx {

bool in_initial_pid_namespace() {
  constexpr ino_t kInitialPidNamespace = 0xeffffffc;  // PROC_PID_INIT_INO of linux/proc_ns.h
  struct stat info {};
  return ::stat("/proc/self/ns/pid", &info) == 0 && info.st_ino == kInitialPidNamespace;
}

HostInfo read_host() {
  HostInfo host;
  std::error_code ignored;
  if (std::filesystem::exists("/sys/module/kvm_intel", ignored)) host.isa = Isa::vmx;
  if (std::filesystem::exists("/sys/module/kvm_amd", ignored)) host.isa = Isa::svm;
  utsname system{};
  if (::uname(&system) == 0) host.kernel = system.release;
  host.preemption_timer =
      read_line("/sys/module/kvm_intel/parameters/preemption_timer").value_or("");
  host.halt_poll_ns = read_line("/sys/module/kvm/parameters/halt_poll_ns").value_or("");
  return host;
}

}  // namespace kvmx
