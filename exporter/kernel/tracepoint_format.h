// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace kvmx {

/// Where a field of a tracepoint's record is, in bytes.
struct FieldPlace {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  bool operator==(const FieldPlace&) const = default;
};

using TracepointFields = std::map<std::string, FieldPlace, std::less<>>;

/// The fields of a tracepoint by name, from the text of its tracefs `format` file, lines such as
///     field:unsigned int vcpu_id;	offset:8;	size:4;	signed:0;
/// Lines of another form are passed over; of two fields of one name the first counts.
TracepointFields parse_tracepoint_format(std::string_view text);

/// Where the field of this name is, if there is one and it has this size, both in bytes.
std::optional<std::uint32_t> find_offset(const TracepointFields& fields, std::string_view name,
                                         std::uint32_t size);

}  // namespace kvmx
