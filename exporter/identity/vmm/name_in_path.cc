// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vmm/name_in_path.h"

#include <algorithm>
#include <iterator>

namespace kvmx {
namespace {

// Names that say what a file or directory is for, not which VM it belongs to. Sorted.
constexpr std::string_view kGeneric[] = {
    "",
    ".",
    "..",
    "api",
    "api-socket",
    "ch",
    "ch-api",
    "clh",
    "clh-api",
    "cloud-hypervisor",
    "cloud-hypervisor-api",
    "config",
    "control",
    "crosvm",
    "crosvm_control",
    "fc",
    "fcConfig",
    "firecracker",
    "firecracker-api",
    "firecracker-config",
    "home",
    "internal",
    "microvm",
    "opt",
    "root",
    "run",
    "shm",
    "sock",
    "socket",
    "tmp",
    "user",
    "var",
    "virtink",
    "vm",
    "vm-config",
    "vm_config",
    "vmconfig",
    "vmm",
    "vms",
};
static_assert(std::is_sorted(std::begin(kGeneric), std::end(kGeneric)));

constexpr std::string_view kExtensions[] = {".sock", ".socket", "-socket", ".json"};

/// How many directories above the file may be generic. Firecracker's jail has two, "root/run".
constexpr int kDirectories = 3;

std::string_view take_last(std::string_view& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view last = path.substr(slash + 1);
  path = slash == path.npos ? std::string_view{} : path.substr(0, slash);
  return last;
}

std::string_view without_extension(std::string_view file) {
  for (const std::string_view extension : kExtensions)
    if (file.ends_with(extension)) return file.substr(0, file.size() - extension.size());
  return file;
}

bool is_generic(std::string_view name) {
  return std::binary_search(std::begin(kGeneric), std::end(kGeneric), name);
}

}  // namespace

std::string_view name_in_path(std::string_view path) {
  std::string_view name = without_extension(take_last(path));
  for (int i = 0; i < kDirectories && is_generic(name) && !path.empty(); ++i) {
    name = take_last(path);
    // These are a person's name and number.
    if (path.ends_with("/home") || path.ends_with("/run/user")) return {};
  }
  return is_generic(name) ? std::string_view{} : name;
}

}  // namespace kvmx
