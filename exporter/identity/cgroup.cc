// SPDX-License-Identifier: Apache-2.0
// The control groups that the services which start VMs make, one line each:
//
//   libvirt with systemd     /machine.slice/machine-qemu\x2d5\x2dNAME.scope/libvirt/emulator
//   libvirt without systemd  /machine/qemu-5-NAME.libvirt-qemu/emulator
//   libvirt before 1.2       /machine/NAME.libvirt-qemu
//   systemd-machined         /machine.slice/machine-NAME.scope
//   systemd's own units      /machine.slice/systemd-vmspawn@NAME.service/..., and a VM in a
//   container
//                            of systemd-nspawn@NAME.service
//   Proxmox VE               /qemu.slice/100.scope
//   kubelet with systemd     /kubepods.slice/kubepods-QOS.slice/kubepods-QOS-podUID.slice/...,
//                            with "_" for each "-" of UID; then cri-containerd-ID.scope,
//                            crio-ID.scope; or both in one, ...-podUID.slice:cri-containerd:ID
//   kubelet with cgroupfs    /kubepods/burstable/podUID/ID; a guaranteed pod: /kubepods/podUID/ID
//   Kata on cgroup v1        the process in /kata_overhead/SANDBOX, its vCPUs' threads in
//                            /kubepods/burstable/podUID/kata_SANDBOX
//   Docker, Podman           /docker/ID, /system.slice/docker-ID.scope,
//                            /machine.slice/libpod-ID.scope
//   LXC, LXD, Incus          /lxc/NAME/..., /lxc.payload/NAME/..., /lxc.payload.NAME/...
#include "exporter/identity/cgroup.h"

#include <algorithm>
#include <cstddef>

#include "exporter/identity/uuid.h"

namespace kvmx {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

bool remove_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool remove_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

int hex_value(char c) { return is_digit(c) ? c - '0' : c - 'a' + 10; }

/// systemd.unit(5): "\x2d" is '-'. What is no such escape stays.
std::string unescape(std::string_view unit) {
  std::string text;
  while (!unit.empty()) {
    if (unit.size() >= 4 && unit.starts_with("\\x") && is_hex(unit[2]) && is_hex(unit[3])) {
      text += static_cast<char>(hex_value(unit[2]) * 16 + hex_value(unit[3]));
      unit.remove_prefix(4);
    } else {
      text += unit.front();
      unit.remove_prefix(1);
    }
  }
  return text;
}

/// Takes libvirt's "DRIVER-ID-" off the name it gives to machined.
std::string_view without_libvirt_id(std::string_view machine) {
  std::string_view rest = machine;
  if (!remove_prefix(rest, "qemu-") && !remove_prefix(rest, "ch-")) return machine;
  const auto digits =
      static_cast<std::size_t>(std::ranges::find_if_not(rest, is_digit) - rest.begin());
  if (digits == 0 || digits == rest.size() || rest[digits] != '-') return machine;
  return rest.substr(digits + 1);
}

std::string machine_of(std::string_view group) {
  if (remove_suffix(group, ".scope"))
    return remove_prefix(group, "machine-") ? std::string(without_libvirt_id(unescape(group))) : "";
  if (remove_suffix(group, ".service")) {
    const bool is_machine =
        remove_prefix(group, "systemd-vmspawn@") || remove_prefix(group, "systemd-nspawn@");
    return is_machine ? unescape(group) : "";
  }
  return remove_suffix(group, ".libvirt-qemu") ? std::string(without_libvirt_id(group)) : "";
}

/// The UID if `text` is one: a pod's, with '-' or '_'; a static pod has a hash.
std::string pod_uid(std::string_view text) {
  if (text.size() == 32 && std::ranges::all_of(text, is_hex)) return std::string(text);
  std::string uid(text);
  std::ranges::replace(uid, '_', '-');
  return canonical_uuid(uid);
}

std::string pod_uid_of(std::string_view group) {
  std::string_view unit = group.substr(0, group.find(':'));
  if (remove_suffix(unit, ".slice")) {
    const std::size_t at = unit.rfind("-pod");
    return at == unit.npos ? "" : pod_uid(unit.substr(at + 4));
  }
  return remove_prefix(unit, "pod") ? pod_uid(unit) : "";
}

/// The id or name of the container, if `group`, in the group `parent`, is one.
std::string_view container_of(std::string_view group, std::string_view parent) {
  if (remove_prefix(group, "lxc.payload.")) return group;
  if (parent == "lxc" || parent == "lxc.payload") return group;
  remove_suffix(group, ".scope");
  const std::size_t mark = group.find_last_of("-_:");
  const std::string_view id = mark == group.npos ? group : group.substr(mark + 1);
  return id.size() == 64 && std::ranges::all_of(id, is_hex) ? id : std::string_view{};
}

/// The number of the VM, if `group`, in the group `parent`, is Proxmox VE's.
std::string_view proxmox_of(std::string_view group, std::string_view parent) {
  if (parent != "qemu.slice" || !remove_suffix(group, ".scope")) return {};
  return std::ranges::all_of(group, is_digit) ? group : std::string_view{};
}

/// What follows "ID:CONTROLLERS:" in a line; nothing if that is not there.
std::string_view path_of(std::string_view line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == line.npos ? first : line.find(':', first + 1);
  return second == line.npos ? std::string_view{} : line.substr(second + 1);
}

void read_path(std::string_view path, CgroupIdentity& identity) {
  remove_suffix(path, " (deleted)");
  std::string_view parent;
  while (!path.empty()) {
    const std::string_view group = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), group.size() + 1));
    if (group == "user.slice") return;
    if (identity.pod_uid.empty()) identity.pod_uid = pod_uid_of(group);
    if (identity.machine.empty()) identity.machine = machine_of(group);
    if (identity.id.empty()) identity.id = proxmox_of(group, parent);
    if (identity.id.empty()) identity.id = container_of(group, parent);
    parent = group;
  }
}

/// Takes the first line off `text`.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

}  // namespace

CgroupIdentity parse_cgroup(std::string_view text) {
  CgroupIdentity identity;
  while (!text.empty()) read_path(path_of(take_line(text)), identity);
  return identity;
}

bool threads_may_differ(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::string_view path = path_of(line);
    if (!line.starts_with("0::") && !path.empty() && path != "/") return true;
  }
  return false;
}

}  // namespace kvmx
