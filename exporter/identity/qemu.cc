// SPDX-License-Identifier: Apache-2.0
// QEMU, however it was started: by hand, libvirt (and what stands on it: OpenStack, oVirt,
// KubeVirt), Proxmox VE, Kata. Checked against system/vl.c of QEMU 7.2 and 10.2.
#include <algorithm>
#include <string>

#include "exporter/identity/qemu_options.h"
#include "exporter/identity/uuid.h"
#include "exporter/identity/vmms.h"

namespace kvmx {
namespace {

/// What identity needs of the words QEMU was given.
struct QemuArguments {
  std::string name;
  std::string uuid;
  std::string id;
  bool has_machine = false;
  bool has_name = false;
  bool has_uuid = false;
  bool by_libvirt = false;
  bool by_kubevirt = false;
};

void read_name(std::string_view value, QemuArguments& read) {
  read.has_name = true;
  // QEMU merges repeated -name options, and of an item given twice the last counts.
  for_each_qemu_opt(value, "guest", [&](std::string_view key, std::string text) {
    if (key == "guest") read.name = std::move(text);
  });
}

void read_smbios(std::string_view value, QemuArguments& read) {
  std::string uuid;
  bool system_information = false;
  for_each_qemu_opt(value, "", [&](std::string_view key, const std::string& text) {
    if (key == "type") system_information = text == "1";
    if (key == "uuid") uuid = canonical_uuid(text);
    if ((key == "manufacturer" || key == "family") && text == "KubeVirt") read.by_kubevirt = true;
  });
  // QEMU sets the machine's UUID from here as it does from -uuid; Proxmox gives it only so.
  if (system_information && !uuid.empty()) read.uuid = uuid;
}

void read_option(std::string_view option, std::string_view value, QemuArguments& read) {
  if (option == "name") {
    read_name(value, read);
  } else if (option == "uuid") {
    read.has_uuid = true;
    if (std::string uuid = canonical_uuid(value); !uuid.empty()) read.uuid = uuid;
  } else if (option == "smbios") {
    read_smbios(value, read);
  } else if (option == "id") {
    read.id = value;  // Proxmox VE's patch of QEMU: the number of the VM
  } else if (option == "machine" || option == "M") {
    read.has_machine = true;
  } else if (option == "chardev" || option == "object") {
    // The ids libvirt has given to its monitor and to its master key, ever since it has had them.
    if (value.find("charmonitor") != value.npos || value.find("masterKey0") != value.npos) {
      read.by_libvirt = true;
    }
  }
}

/// QEMU's own walk over its words (lookup_opt in system/vl.c): "--x" is "-x"; an option that takes
/// an argument takes the next word even if that begins with '-'; a word without '-' is a disk.
QemuArguments read_words(Words args) {
  QemuArguments read;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view word = args[i];
    if (!word.starts_with('-')) continue;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    if (is_qemu_flag(word)) continue;
    if (++i == args.size()) break;
    read_option(word, args[i], read);
    // Where KubeVirt keeps what it gives to QEMU: sockets, disks, and libvirt's own state. The
    // guest's owner may write anything in these two.
    const bool free_text = word == "append" || word == "name";
    if (!free_text && args[i].find("/run/kubevirt") != args[i].npos) read.by_kubevirt = true;
  }
  return read;
}

/// RFC 1123, which binds the names of Kubernetes: letters, digits, '-' and, in all but namespaces,
/// '.'. None of them can contain the '_' that KubeVirt joins them with.
bool is_kube_name(std::string_view name, bool dots) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [dots](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (dots && c == '.');
  });
}

VmIdentity to_identity(QemuArguments read, std::string_view vmm) {
  VmIdentity identity;
  identity.vmm = vmm;
  identity.name = std::move(read.name);
  identity.uuid = std::move(read.uuid);
  identity.id = std::move(read.id);
  if (read.by_libvirt) identity.domain = identity.name;
  // An underscore alone proves nothing (many call a VM "web_1"), hence the second witness.
  if (const std::size_t at = identity.name.find('_'); read.by_kubevirt && at != std::string::npos) {
    const std::string_view name = identity.name;
    if (is_kube_name(name.substr(0, at), false) && is_kube_name(name.substr(at + 1), true)) {
      identity.kube_namespace = name.substr(0, at);
      identity.kube_name = name.substr(at + 1);
    }
  }
  return identity;
}

}  // namespace

bool runs_qemu(std::string_view program) {
  // qemu-kvm: RHEL (also /usr/libexec); kvm: Debian's old wrapper and Proxmox.
  return program.starts_with("qemu-system-") || program.starts_with("qemu-kvm") ||
         program == "qemu" || program == "kvm" || program == "kvm-spice";
}

VmIdentity identify_qemu(Words args) { return to_identity(read_words(args), "qemu"); }

std::optional<VmIdentity> identify_qemu_alike(std::string_view program, Words args) {
  QemuArguments read = read_words(args);
  if (!read.has_machine || !(read.has_name || read.has_uuid)) return std::nullopt;
  return to_identity(std::move(read), program);
}

}  // namespace kvmx
