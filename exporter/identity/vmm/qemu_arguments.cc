// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vmm/qemu_arguments.h"

#include <cstddef>
#include <utility>

#include "exporter/identity/kubernetes.h"
#include "exporter/identity/uuid.h"
#include "exporter/identity/vmm/qemu_options.h"

namespace kvmx {
namespace {

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

/// The component of a path that follows `directory`, empty if that is not in it.
std::string_view below(std::string_view directory, std::string_view path) {
  const std::size_t at = path.find(directory);
  if (at == path.npos) return {};
  path.remove_prefix(at + directory.size());
  return path.substr(0, path.find('/'));
}

/// KubeVirt and Kata keep what they give to QEMU (sockets, disks, libvirt's own state) in
/// directories of theirs.
void read_path(std::string_view value, QemuArguments& read) {
  if (value.find("/run/kubevirt") != value.npos) read.by_kubevirt = true;
  for (const std::string_view directory : {"/run/vc/vm/", "/run/kata/"})
    if (const std::string_view sandbox = below(directory, value); !sandbox.empty())
      read.kata_sandbox = sandbox;
}

}  // namespace

void read_qemu_option(std::string_view option, std::string_view value, QemuArguments& read) {
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
  } else if (option == "readconfig") {
    // systemd-vmspawn writes most options to a file in the directory of the machine.
    read.vmspawn_machine = below("/systemd/vmspawn/", value);
  } else if (option == "chardev" || option == "object") {
    // The ids libvirt has given to its monitor and to its master key, ever since it has had them.
    if (value.find("charmonitor") != value.npos || value.find("masterKey0") != value.npos)
      read.by_libvirt = true;
  }
  // The guest's owner may write anything in these two.
  if (option != "append" && option != "name") read_path(value, read);
}

VmIdentity to_identity(QemuArguments read) {
  VmIdentity identity;
  identity.name = std::move(read.name);
  if (identity.name.empty()) identity.name = std::move(read.vmspawn_machine);
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
  if (!read.kata_sandbox.empty() && identity.name == "sandbox-" + read.kata_sandbox) {
    identity.id = std::move(read.kata_sandbox);
    identity.name.clear();
  }
  return identity;
}

}  // namespace kvmx
