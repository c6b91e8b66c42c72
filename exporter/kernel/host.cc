// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/host.h"

#include <cpuid.h>
#include <mntent.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>

#include "exporter/base/file.h"

namespace kvmx {

bool in_initial_pid_namespace() {
  constexpr ino_t kInitialPidNamespace = 0xeffffffc;  // PROC_PID_INIT_INO of linux/proc_ns.h
  struct stat info {};
  return ::stat("/proc/self/ns/pid", &info) == 0 && info.st_ino == kInitialPidNamespace;
}

bool proc_is_hidden() {
  const std::unique_ptr<FILE, int (*)(FILE*)> mounts(::setmntent("/proc/self/mounts", "r"),
                                                     &::endmntent);
  bool hidden = false;
  while (const mntent* mount = mounts ? ::getmntent(mounts.get()) : nullptr) {
    if (std::string_view(mount->mnt_dir) != "/proc") continue;
    const char* const option = ::hasmntopt(mount, "gid");  // gid=NUMBER, unless it is 0
    const auto group = option ? static_cast<gid_t>(std::strtoul(option + 4, nullptr, 10)) : 0;
    hidden = ::hasmntopt(mount, "hidepid") && group != ::getegid() && !::group_member(group);
  }
  return hidden;
}

namespace {

bool cpu_has_svm() {
  constexpr unsigned kSvm = 1U << 2;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kSvm) != 0;
}

/// Whether this module of KVM drives the CPU. One that is built in is always there, whatever the
/// CPU; one that is not would not have been loaded.
bool drives(const std::filesystem::path& module, bool is_of_cpu) {
  std::error_code ignored;
  return std::filesystem::exists(is_of_cpu ? module : module / "initstate", ignored);
}

}  // namespace

Isa find_isa(const std::filesystem::path& sys, bool cpu_has_svm) {
  if (drives(sys / "module/kvm_amd", cpu_has_svm)) return Isa::svm;
  return drives(sys / "module/kvm_intel", !cpu_has_svm) ? Isa::vmx : Isa::other;
}

bool kvm_is_ready(const std::filesystem::path& sys) {
  std::error_code ignored;
  return std::filesystem::exists(sys / "class/misc/kvm", ignored);
}

HostInfo read_host() {
  HostInfo host;
  host.isa = find_isa("/sys", cpu_has_svm());
  utsname system{};
  if (::uname(&system) == 0) host.kernel = system.release;
  host.preemption_timer =
      read_line("/sys/module/kvm_intel/parameters/preemption_timer").value_or("");
  host.halt_poll_ns = read_line("/sys/module/kvm/parameters/halt_poll_ns").value_or("");
  host.cpus = static_cast<std::uint32_t>(std::max(0L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  return host;
}

}  // namespace kvmx
