// SPDX-License-Identifier: Apache-2.0
// Readers of command lines, one file for each VMM. Only exporter/identity includes this.
//
// To add a VMM:
//   1. Write vmm/NAME.cc, which defines a `Vmm`, and declare it below. Cite the source and version
//      that its options come from. Where an option's argument may begin with '-', tell the options
//      with an argument from those without: mistaking one for the other loses the name.
//   2. Add it to the table in vmms.cc, and the file to CMakeLists.txt.
//   3. Add its value of the label `vmm` and where its name comes from to ../README.md.
//   4. Add command lines with the right identity to tests/fixtures/identity.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// The arguments of a process, those after argv[0].
using Words = std::span<const std::string_view>;

/// A file name of a VMM's program: the whole of it or its beginning.
struct ProgramName {
  std::string_view text;
  bool is_prefix = false;
};

struct Vmm {
  std::string_view name;  ///< value of the label `vmm`
  std::span<const ProgramName> programs;
  /// Reads the arguments. Its fields are raw (see label_value()), and it need not set `vmm`.
  VmIdentity (*identify)(Words args);
  /// Of two VMMs whose programs have the same name, this says which it is. May be null.
  bool (*confirms)(Words args) = nullptr;
  /// Whether the arguments alone show this VMM, whatever the program is called. May be null.
  bool (*recognises)(Words args) = nullptr;
};

extern const Vmm kAndroidEmulator;
extern const Vmm kCloudHypervisor;
extern const Vmm kCrosvm;
extern const Vmm kDragonball;
extern const Vmm kFirecracker;
extern const Vmm kKvmtool;
extern const Vmm kQemu;
extern const Vmm kStratovirt;
extern const Vmm kVirtualBox;

/// All of them, in the order in which they are tried.
std::span<const Vmm* const> vmms();

/// The VMM with a program of this file name, or null. `truncated`: only the beginning of the name
/// is known.
const Vmm* find_vmm(std::string_view program, bool truncated, Words args);

/// The VMM that these arguments alone show, or null.
const Vmm* recognise_vmm(Words args);

/// True if `word` is one of `options`, a short list.
bool is_one_of(std::string_view word, std::span<const std::string_view> options);

}  // namespace kvmx
