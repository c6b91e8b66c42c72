// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vmm/qemu_options.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace kvmx {
namespace {

// Sorted for binary search. A flag that a vendor added and that is not here would swallow the word
// after it; as VM managers give -name first, the name is safe from that in practice.
constexpr std::string_view kFlags[] = {
    "S",
    "alt-grab",
    "async-teardown",
    "audio-help",
    "ctrl-grab",
    "curses",
    "daemonize",
    "enable-fips",
    "enable-hax",
    "enable-kvm",
    "enable-nesting",
    "enable-sync-profile",
    "full-screen",
    "h",
    "help",
    "jitdump",
    "localtime",
    "mem-prealloc",
    "no-acpi",
    "no-fd-bootchk",
    "no-frame",
    "no-hpet",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-kvm-pit-reinjection",
    "no-quit",
    "no-reboot",
    "no-shutdown",
    "no-user-config",
    "nodefaults",
    "nodefconfig",
    "nographic",
    "old-param",
    "only-migratable",
    "perfmap",
    "portrait",
    "preconfig",
    "rtc-td-hack",
    "s",
    "sdl",
    "semihosting",
    "show-cursor",
    "singlestep",
    "snapshot",
    "tdf",
    "usb",
    "version",
    "win2k-hack",
    "xen-attach",
    "xen-create",
    "xen-domid-restrict",
};

static_assert(std::is_sorted(std::begin(kFlags), std::end(kFlags)));

/// Takes a value off the front of `text`, up to a single comma, which goes too.
std::string take_value(std::string_view& text) {
  std::string value;
  while (true) {
    const std::size_t comma = text.find(',');
    value += text.substr(0, comma);
    if (comma == std::string_view::npos) {
      text = {};
      return value;
    }
    const bool doubled = comma + 1 < text.size() && text[comma + 1] == ',';
    text.remove_prefix(comma + (doubled ? 2 : 1));
    if (!doubled) return value;
    value += ',';
  }
}

}  // namespace

bool is_qemu_flag(std::string_view option) {
  return std::binary_search(std::begin(kFlags), std::end(kFlags), option);
}

void for_each_qemu_opt(std::string_view text, std::string_view implied_key,
                       const std::function<void(std::string_view key, std::string value)>& use) {
  bool first = true;
  while (!text.empty()) {
    const std::size_t key_end = std::min(text.find_first_of("=,"), text.size());
    std::string_view key = text.substr(0, key_end);
    if (key_end < text.size() && text[key_end] == '=') {
      text.remove_prefix(key_end + 1);
      use(key, take_value(text));
    } else if (first && !implied_key.empty()) {
      use(implied_key, take_value(text));
    } else {
      text.remove_prefix(std::min(key_end + 1, text.size()));
      const bool off = key.starts_with("no");
      use(off ? key.substr(2) : key, off ? "off" : "on");
    }
    first = false;
  }
}

}  // namespace kvmx
