// SPDX-License-Identifier: Apache-2.0
// Android's emulator: "emulator -avd NAME ..." or "emulator @NAME ...", which goes on as
// ".../qemu/linux-x86_64/qemu-system-x86_64-headless -avd NAME ...". From
// android/android-emu/android/cmdline-options.h of external/qemu at 012f4ef. "-id" names one of
// several instances of a device. Words after "-qemu" are QEMU's options. A word "-avd" is always
// the option: no argument of another option looks like it.
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

constexpr ProgramName kPrograms[] = {
    {"emulator"}, {"emulator-", true}, {"emulator64-", true}, {"qemu-system-", true}};

VmIdentity identify(Words args) {
  VmIdentity identity;
  for (std::size_t i = 0; i < args.size() && args[i] != "-qemu"; ++i) {
    const bool has_value = i + 1 < args.size();
    if (args[i] == "-avd" && has_value) {
      identity.name = args[++i];
    } else if (args[i] == "-id" && has_value) {
      identity.id = args[++i];
    } else if (args[i].starts_with('@') && i == 0) {
      identity.name = args[i].substr(1);
    }
  }
  return identity;
}

/// QEMU itself has no option -avd, and takes a word with '@' for a disk image.
bool has_device(Words args) { return !identify(args).name.empty(); }

}  // namespace

constinit const Vmm kAndroidEmulator = {
    .name = "android-emulator",
    .programs = kPrograms,
    .identify = identify,
    .confirms = has_device,
};

}  // namespace kvmx
