// SPDX-License-Identifier: Apache-2.0
// What QEMU's options say about who the VM is. StratoVirt has the same options.
#pragma once

#include <string>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// What identity needs of the options QEMU was given.
struct QemuArguments {
  std::string name;
  std::string uuid;
  std::string id;
  bool has_machine = false;
  bool has_name = false;
  bool has_uuid = false;
  bool by_libvirt = false;
  bool by_kubevirt = false;
  std::string kata_sandbox;
  std::string vmspawn_machine;
};

/// Takes note of an option and its argument. `option` comes without its leading dashes.
void read_qemu_option(std::string_view option, std::string_view value, QemuArguments& read);

/// The identity that the options together show. Its fields are raw (see label_value()).
VmIdentity to_identity(QemuArguments read);

}  // namespace kvmx
