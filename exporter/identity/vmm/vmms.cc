// SPDX-License-Identifier: Apache-2.0
// The table of VMMs. vmms.h has the recipe to add one.
#include "exporter/identity/vmm/vmms.h"

#include <algorithm>

namespace kvmx {
namespace {

// Android's emulator has QEMU's programs, so it comes before QEMU.
constexpr const Vmm* kVmms[] = {
    &kAndroidEmulator, &kQemu,       &kFirecracker, &kCloudHypervisor, &kCrosvm,
    &kKvmtool,         &kDragonball, &kStratovirt,  &kVirtualBox,
};

bool matches(const ProgramName& name, std::string_view program, bool truncated) {
  if (truncated && name.text.starts_with(program)) return true;
  return name.is_prefix ? program.starts_with(name.text) : program == name.text;
}

}  // namespace

std::span<const Vmm* const> vmms() { return kVmms; }

const Vmm* find_vmm(std::string_view program, bool truncated, Words args) {
  for (const Vmm* vmm : kVmms) {
    const bool is_its_program = std::ranges::any_of(
        vmm->programs, [&](const ProgramName& name) { return matches(name, program, truncated); });
    if (is_its_program && (!vmm->confirms || vmm->confirms(args))) return vmm;
  }
  return nullptr;
}

const Vmm* recognise_vmm(Words args) {
  for (const Vmm* vmm : kVmms)
    if (vmm->recognises && vmm->recognises(args)) return vmm;
  return nullptr;
}

bool is_one_of(std::string_view word, std::span<const std::string_view> options) {
  return std::ranges::find(options, word) != options.end();
}

}  // namespace kvmx
