// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvmx {

/// One VM to be named. The first three tell it from every other VM.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order people think of it
struct VmToLabel {
  std::uint32_t tgid = 0;       ///< its process
  std::uint64_t start_ns = 0;   ///< start of that process: process ids are reused
  std::uint32_t ordinal = 0;    ///< which VM of that process, from 0; must stay the VM's own
  std::string_view name = {};   ///< VmIdentity::title(), or ""
  std::string_view comm = {};   ///< name of the process
  bool gone = false;            ///< it has ended, its last counts are still exported
  int form = 0;                 ///< that of the label it had before
  std::string_view label = {};  ///< that it is exported under and keeps while it lives; or ""
};

struct VmLabel {
  std::string text;
  int form = 0;  ///< which of the forms below it has, from 0
};

/// The `vm` label of each VM, in the order of `vms`. Labels are distinct whatever the names are,
/// fit to be label values (see label_value()), not empty, and depend on nothing but the set of
/// `vms`.
///
/// A VM is called by its name, or "COMM-PID" if it has none. VMs that would share a label all take
/// the next form, and again while any two agree:
///
///   NAME    NAME@PID    NAME@PID/ORDINAL    NAME@PID/ORDINAL/START
///
/// A VM that lives keeps the label it is exported under, whatever others are called: it is these
/// that take the next form. Else, if exactly one of those that agree still lives, it keeps its
/// label: a VM that is restarted under its name is not renamed by what is left of its last run. A
/// VM never goes back to an earlier form: it would go on with the series of another VM, and rate()
/// would take the difference of their counts for events. NAME is cut where the whole would be
/// longer than kMaxLabelBytes. Should names imitate these forms so well that labels still agree,
/// "#1", "#2" and so on part them, in order of tgid, start and ordinal.
std::vector<VmLabel> vm_labels(std::span<const VmToLabel> vms);

/// The first form of this label: NAME, or COMM-PID.
std::string first_label(const VmToLabel& vm);

}  // namespace kvmx
