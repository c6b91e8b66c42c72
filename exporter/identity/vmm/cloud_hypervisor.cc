// SPDX-License-Identifier: Apache-2.0
// Cloud Hypervisor. It has no option for a name (cloud-hypervisor/src/main.rs, 53.0), so the name
// comes from the sockets and pipes that its manager passes to it:
//   libvirt  --api-socket fd=N --event-monitor path=.../NAME-event-monitor-fifo
//            (older: --api-socket .../NAME-socket)
//   Kata     --api-socket /run/vc/vm/SANDBOX/clh-api.sock, or /run/kata/SANDBOX/ch-api.sock
//   by hand  --api-socket /run/NAME.sock, or path=/run/NAME.sock
// Its parser (clap) takes no argument that begins with '-', so options cannot hide in one another.
#include <algorithm>

#include "exporter/identity/uuid.h"
#include "exporter/identity/vmm/name_in_path.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

// Kata's static builds are called cloud-hypervisor-glibc, releases cloud-hypervisor-static.
constexpr ProgramName kPrograms[] = {{"cloud-hypervisor"}, {"cloud-hypervisor-", true}};

// Options that a VM needs, of which one or more go with --api-socket.
constexpr std::string_view kVmOptions[] = {
    "--cpus", "--disk", "--firmware", "--kernel", "--memory", "--payload", "--restore",
};

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

void read_event_monitor(std::string_view value, VmIdentity& identity) {
  constexpr std::string_view kSuffix = "-event-monitor-fifo";
  const std::string_view path = item(value, "path").value_or("");
  const std::string_view file = path.substr(path.rfind('/') + 1);
  if (!file.ends_with(kSuffix)) return;
  identity.name = file.substr(0, file.size() - kSuffix.size());
  identity.domain = identity.name;
}

void read_option(std::string_view option, std::string_view value, VmIdentity& identity) {
  if (option == "--api-socket") {
    if (!item(value, "fd")) identity.id = name_in_path(item(value, "path").value_or(value));
  } else if (option == "--event-monitor") {
    read_event_monitor(value, identity);
  } else if (option == "--platform") {
    const auto uuid = item(value, "system_uuid");
    identity.uuid = canonical_uuid(uuid ? *uuid : item(value, "uuid").value_or(""));
  }
}

VmIdentity identify(Words args) {
  VmIdentity identity;
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

/// No other VMM has --api-socket.
bool has_its_options(Words args) {
  const auto is_socket = [](std::string_view word) {
    return word == "--api-socket" || word.starts_with("--api-socket=");
  };
  return std::ranges::any_of(args, is_socket) &&
         std::ranges::any_of(args, [](std::string_view word) {
           return is_one_of(word.substr(0, word.find('=')), kVmOptions);
         });
}

}  // namespace

constinit const Vmm kCloudHypervisor = {
    .name = "cloud-hypervisor",
    .programs = kPrograms,
    .identify = identify,
    .recognises = has_its_options,
};

}  // namespace kvmx
