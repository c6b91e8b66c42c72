// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/top/view.h"

namespace kvmx {

/// What was pressed.
struct Key {
  enum class Kind : std::uint8_t {
    text,  ///< a character, or several that were pasted
    enter,
    escape,
    backspace,
    up,
    down,
    left,
    right,
    page_up,
    page_down,
    home,
    end,
    other,
  };
  Kind kind = Kind::other;
  std::string text{};

  bool operator==(const Key&) const = default;
};

/// The keys behind what a terminal sent at once, by ECMA-48 as xterm, tmux and the Linux console
/// send them.
std::vector<Key> decode_keys(std::string_view bytes);

/// What a key asks for besides a change of the view.
enum class Wish : std::uint8_t { none, quit };

/// Changes the view. `page`: guests that the table shows at once.
Wish press(const Key& key, std::size_t page, View& view);

}  // namespace kvmx
