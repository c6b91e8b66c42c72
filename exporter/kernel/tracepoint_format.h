// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace kvmx {

/// Where a field of a tracepoint's record is, in bytes.
struct FieldPlace {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  bool operator==(const FieldPlace&) const = default;
};

/// The fields of a tracepoint by name, from the text of its tracefs `format` file, lines such as
///     field:unsigned int vcpu_id;	offset:8;	size:4;	signed:0;
/// Lines of another form are passed over; of two fields of one name the first counts.
std::map<std::string, FieldPlace, std::less<>> parse_tracepoint_format(std::string_view text);

}  // namespace kvmx
