// SPDX-License-Identifier: Apache-2.0
// QEMU's two layers of command-line syntax, as far as identity needs them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace kvmx {

/// True for the options of QEMU that take no argument; every other word that begins with '-'
/// consumes the next word, whatever that looks like. `option` comes without its leading dashes.
/// From qemu-options.hx of QEMU 1.5 to 11.1.
bool is_qemu_flag(std::string_view option);

/// Calls `use(key, value)` for each item of an option argument such as
/// "guest=vm,,1,debug-threads=on", in order, read as QemuOpts does (util/qemu-option.c):
/// items are parted by commas, a doubled comma is a literal one, a first item without '=' is the
/// value of `implied_key` if that is not empty, and any other item without '=' is a switch:
/// "x" is x=on, "nox" is x=off.
void for_each_qemu_opt(std::string_view text, std::string_view implied_key,
                       const std::function<void(std::string_view key, std::string value)>& use);

}  // namespace kvmx
