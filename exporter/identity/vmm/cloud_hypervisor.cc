// SPDX-License-Identifier: Apache-2.0
// Cloud Hypervisor. It has no option for a name (cloud-hypervisor/src/main.rs, v50), so the name
// comes from the sockets and pipes that its manager passes to it:
//   libvirt  --api-socket fd=N --event-monitor path=.../NAME-event-monitor-fifo
//            (older: --api-socket .../NAME-socket)
//   Kata     --api-socket /run/vc/vm/SANDBOX/clh-api.sock, or /run/kata/SANDBOX/ch-api.sock
//   by hand  --api-socket /run/NAME.sock, or path=/run/NAME.sock
#include <algorithm>
#include <iterator>

#include "exporter/identity/uuid.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

// Names that say what a file or directory is for, not which VM it belongs to.
constexpr std::string_view kGeneric[] = {
    "",
    "api",
    "api-socket",
    "ch",
    "ch-api",
    "clh",
    "clh-api",
    "cloud-hypervisor",
    "cloud-hypervisor-api",
    "home",
    "root",
    "run",
    "shm",
    "sock",
    "socket",
    "tmp",
    "var",
    "virtink",
    "vm",
    "vmm",
};

bool is_generic(std::string_view name) {
  return std::find(std::begin(kGeneric), std::end(kGeneric), name) != std::end(kGeneric);
}

bool remove_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

/// Takes the last component off a path.
std::string_view take_last(std::string_view& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view last = path.substr(slash + 1);
  path = slash == path.npos ? std::string_view{} : path.substr(0, slash);
  return last;
}

/// The value of `key` in "key=value,key=value"; nothing if it is not there.
std::optional<std::string_view> item(std::string_view list, std::string_view key) {
  while (!list.empty()) {
    const std::string_view entry = list.substr(0, list.find(','));
    list.remove_prefix(std::min(entry.size() + 1, list.size()));
    const std::size_t equals = entry.find('=');
    if (equals != entry.npos && entry.substr(0, equals) == key) return entry.substr(equals + 1);
  }
  return std::nullopt;
}

std::string_view id_from_socket(std::string_view value) {
  if (item(value, "fd")) return {};
  std::string_view path = item(value, "path").value_or(value);
  std::string_view stem = take_last(path);
  if (!remove_suffix(stem, ".sock") && !remove_suffix(stem, ".socket")) {
    remove_suffix(stem, "-socket");
  }
  if (!is_generic(stem)) return stem;
  const std::string_view directory = take_last(path);
  return is_generic(directory) ? std::string_view{} : directory;
}

void read_option(std::string_view option, std::string_view value, VmIdentity& identity) {
  if (option == "--api-socket") {
    identity.id = id_from_socket(value);
  } else if (option == "--event-monitor") {
    std::string_view path = item(value, "path").value_or("");
    std::string_view name = take_last(path);
    if (remove_suffix(name, "-event-monitor-fifo")) {
      identity.name = name;
      identity.domain = name;
    }
  } else if (option == "--platform") {
    const auto uuid = item(value, "system_uuid");
    identity.uuid = canonical_uuid(uuid ? *uuid : item(value, "uuid").value_or(""));
  }
}

}  // namespace

bool runs_cloud_hypervisor(std::string_view program) {
  return program == "cloud-hypervisor" || program == "cloud-hypervisor-static";
}

VmIdentity identify_cloud_hypervisor(Words args) {
  VmIdentity identity;
  identity.vmm = "cloud-hypervisor";
  // "--option value" or "--option=value"; a value cannot begin with '-' in the first form.
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::size_t equals = args[i].find('=');
    if (!args[i].starts_with("--")) continue;
    if (equals != std::string_view::npos) {
      read_option(args[i].substr(0, equals), args[i].substr(equals + 1), identity);
    } else if (i + 1 < args.size() && !args[i + 1].starts_with('-')) {
      read_option(args[i], args[i + 1], identity);
    }
  }
  return identity;
}

}  // namespace kvmx
