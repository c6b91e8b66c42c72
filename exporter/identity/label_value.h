// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kvmx {

/// The longest label value made from outside text, in bytes.
inline constexpr std::size_t kMaxLabelBytes = 256;

/// Outside text as a label value: valid UTF-8, at most `max_bytes` long, cut between characters.
/// U+FFFD stands for each byte that is not part of a well-formed sequence (Unicode 15, table 3-7)
/// and for each control character (C0, DEL, C1), so that no name can forge or break a line of any
/// output. Quotes and backslashes stay: escaping is the writer's work. Idempotent.
std::string label_value(std::string_view text, std::size_t max_bytes = kMaxLabelBytes);

/// The longest prefix of valid UTF-8 that is at most `max_bytes` long and ends between characters.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);

}  // namespace kvmx
