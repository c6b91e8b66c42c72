// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/host.h"

#include <sys/utsname.h>

#include <filesystem>

#include "exporter/base/file.h"

namespace kvmx {

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
