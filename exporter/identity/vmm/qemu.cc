// SPDX-License-Identifier: Apache-2.0
// QEMU, however it was started: by hand, libvirt (for OpenStack, oVirt, KubeVirt, too), Proxmox VE,
// Kata. Checked against system/vl.c of QEMU 7.2 and 10.2.
#include <cstddef>
#include <string>

#include "exporter/identity/kubernetes.h"
#include "exporter/identity/uuid.h"
#include "exporter/identity/vmm/qemu_options.h"
#include "exporter/identity/vmm/vmms.h"

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
  std::string_view kata_sandbox;
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

/// KubeVirt and Kata keep what they give to QEMU (sockets, disks, libvirt's own state) in
/// directories of theirs.
void read_path(std::string_view value, QemuArguments& read) {
  if (value.find("/run/kubevirt") != value.npos) read.by_kubevirt = true;
  for (const std::string_view directory : {"/run/vc/vm/", "/run/kata/"}) {
    const std::size_t at = value.find(directory);
    if (at == value.npos) continue;
    value.remove_prefix(at + directory.size());
    read.kata_sandbox = value.substr(0, value.find('/'));
    return;
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
    // The guest's owner may write anything in these two.
    if (word != "append" && word != "name") read_path(args[i], read);
  }
  return read;
}

VmIdentity to_identity(QemuArguments read, std::string_view vmm) {
  VmIdentity identity;
  identity.vmm = vmm;
  identity.name = std::move(read.name);
  identity.uuid = std::move(read.uuid);
  identity.id = std::move(read.id);
  if (read.by_libvirt) identity.domain = identity.name;
  // An underscore alone proves nothing: many people call a VM "web_1".
  const auto kube_name = read.by_kubevirt ? parse_kube_name(identity.name) : std::nullopt;
  if (kube_name) {
    identity.kube_namespace = kube_name->kube_namespace;
    identity.kube_name = kube_name->name;
  }
  // Kata makes this name from the id of the pod's sandbox. It is no name that people use.
  if (!read.kata_sandbox.empty() && identity.name == "sandbox-" + std::string(read.kata_sandbox)) {
    identity.id = read.kata_sandbox;
    identity.name.clear();
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
