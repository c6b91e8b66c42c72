// SPDX-License-Identifier: Apache-2.0
// What the tests of command lines share.
#pragma once

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/identity/command_line.h"

namespace kvmx {

// gtest shows a value with this; without it, bytes of memory.
inline std::ostream& operator<<(std::ostream& out, const VmIdentity& vm) {
  return out << "{name=" << vm.name << " uuid=" << vm.uuid << " vmm=" << vm.vmm << " id=" << vm.id
             << " display=" << vm.display_name << " domain=" << vm.domain
             << " kube=" << vm.kube_namespace << "/" << vm.kube_name << " pod=" << vm.pod
             << " project=" << vm.project << " user=" << vm.user << "}";
}

using WordList = std::vector<std::string_view>;

inline std::ostream& print_words(std::ostream& out, const WordList& words) {
  for (const std::string_view word : words) out << word.substr(0, 60) << ' ';
  return out;
}

inline constexpr std::string_view kUuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// /proc/PID/cmdline of a process with these words.
inline std::string cmdline(const WordList& words) {
  std::string text;
  for (const std::string_view word : words) {
    text += word;
    text += '\0';
  }
  return text;
}

inline std::optional<VmIdentity> identify_words(const WordList& words) {
  return identify(cmdline(words));
}

/// The same, of words that white space parts.
inline std::optional<VmIdentity> identify_line(std::string_view line) {
  constexpr std::string_view white = " \n";
  WordList words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(white), line.size()));
    if (line.empty()) return identify_words(words);
    words.push_back(line.substr(0, line.find_first_of(white)));
    line.remove_prefix(words.back().size());
  }
}

/// What a qemu-system-x86_64 with these words after its name is to us.
inline VmIdentity identify_qemu_words(WordList words) {
  words.insert(words.begin(), "qemu-system-x86_64");
  return identify_words(words).value();
}

inline VmIdentity qemu(std::string_view name, std::string_view uuid = "") {
  VmIdentity identity;
  identity.vmm = "qemu";
  identity.name = name;
  identity.uuid = uuid;
  return identity;
}

}  // namespace kvmx
