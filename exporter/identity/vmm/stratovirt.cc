// SPDX-License-Identifier: Apache-2.0
// StratoVirt, by hand or by openEuler's libvirt, which gives it what it gives to QEMU. Options from
// machine_manager/src/cmdline.rs and util/src/arg_parser.rs of April 2026, after 2.5: every word
// that begins with '-' is an option ("-disable-seccomp", "-daemonize" and more have no argument),
// and the words up to the next one are its arguments. Words after "--" are not its options.
#include <utility>

#include "exporter/identity/vmm/qemu_arguments.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

constexpr ProgramName kPrograms[] = {{"stratovirt", true}};

VmIdentity identify(Words args) {
  QemuArguments read;
  for (std::size_t i = 0; i + 1 < args.size() && args[i] != "--"; ++i) {
    const std::string_view option = args[i];
    const std::string_view value = args[i + 1];
    if (!option.starts_with('-') || option.starts_with("--") || value.starts_with('-')) continue;
    if (option == "-name" && !value.starts_with("guest=")) {
      read.name = value;  // commas are part of the name, unlike QEMU's
    } else {
      read_qemu_option(option.substr(1), value, read);
    }
  }
  return to_identity(std::move(read));
}

}  // namespace

constinit const Vmm kStratovirt = {
    .name = "stratovirt",
    .programs = kPrograms,
    .identify = identify,
};

}  // namespace kvmx
