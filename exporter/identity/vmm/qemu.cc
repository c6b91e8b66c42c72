// SPDX-License-Identifier: Apache-2.0
// QEMU, however it was started: by hand, libvirt (for OpenStack, oVirt, KubeVirt, too), Proxmox VE,
// Kata, systemd-vmspawn. Checked against system/vl.c of QEMU 7.2 and 10.2.
#include <utility>

#include "exporter/identity/vmm/qemu_arguments.h"
#include "exporter/identity/vmm/qemu_options.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

// qemu-kvm: RHEL (also /usr/libexec); kvm: Debian's old wrapper and Proxmox.
constexpr ProgramName kPrograms[] = {
    {"qemu-system-", true}, {"qemu-kvm", true}, {"qemu"}, {"kvm"}, {"kvm-spice"}};

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
    read_qemu_option(word, args[i], read);
  }
  return read;
}

VmIdentity identify(Words args) { return to_identity(read_words(args)); }

/// A build of QEMU under a name of its own.
bool has_its_options(Words args) {
  const QemuArguments read = read_words(args);
  return read.has_machine && (read.has_name || read.has_uuid);
}

}  // namespace

constinit const Vmm kQemu = {
    .name = "qemu",
    .programs = kPrograms,
    .identify = identify,
    .recognises = has_its_options,
};

}  // namespace kvmx
