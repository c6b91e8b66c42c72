// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kvmx {

/// Reads little-endian data from its beginning. Past the end everything is 0 or empty, and at_end()
/// holds.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

  template <typename T>
  T number() {
    T value{};
    if (bytes_.size() < sizeof(T)) {
      bytes_ = {};
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }

  /// LEB128 without a sign. Bits above the 64th are lost.
  std::uint64_t uleb() { return leb().value; }

  /// LEB128 with a sign.
  std::int64_t sleb() {
    const Leb read = leb();
    std::uint64_t value = read.value;
    if (read.negative && read.bits < 64) value |= ~std::uint64_t{0} << read.bits;
    return static_cast<std::int64_t>(value);
  }

  /// Up to a zero byte, which is read, too.
  std::string_view text() {
    const std::size_t end = bytes_.find('\0');
    if (end == std::string_view::npos) {
      bytes_ = {};
      return {};
    }
    const std::string_view found = bytes_.substr(0, end);
    bytes_.remove_prefix(end + 1);
    return found;
  }

  std::string_view take(std::uint64_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  struct Leb {
    std::uint64_t value = 0;
    unsigned bits = 0;
    bool negative = false;
  };

  Leb leb() {
    Leb read;
    for (;;) {
      const auto byte = number<std::uint8_t>();
      if (read.bits < 64) read.value |= static_cast<std::uint64_t>(byte & 0x7fU) << read.bits;
      read.bits = std::min(read.bits + 7, 70U);
      read.negative = (byte & 0x40U) != 0;
      if ((byte & 0x80U) == 0) return read;
    }
  }

  std::string_view bytes_;
};

/// The text at `offset` of a table of texts that each end with a zero byte; empty if there is none.
inline std::string_view text_at(std::string_view texts, std::uint64_t offset) {
  if (offset >= texts.size()) return {};
  return ByteReader(texts.substr(offset)).text();
}

}  // namespace kvmx
