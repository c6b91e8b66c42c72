// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace kvmx {

/// Takes the next piece of a text, which it must not keep a view of.
using Sink = std::function<void(std::string_view)>;

/// Text on its way to a sink, collected in one buffer of fixed size: an exposition of any length
/// takes the same memory, and none for each thing written.
class TextStream {
 public:
  static constexpr std::size_t kPiece = 64 * 1024;

  explicit TextStream(Sink sink) : sink_(std::move(sink)) { make_room(kPiece); }

  /// Where to write at most `size` characters; to be followed by wrote().
  char* room(std::size_t size) {
    if (size_ - used_ < size) make_room(size);
    return buffer_.get() + used_;
  }

  /// `end`: behind the last character written to what room() returned.
  void wrote(const char* end) { used_ = static_cast<std::size_t>(end - buffer_.get()); }

  void write(std::string_view text);

  /// Passes on what is still held. To be called at the end.
  void flush();

 private:
  void make_room(std::size_t size);

  Sink sink_;
  std::unique_ptr<char[]> buffer_;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

}  // namespace kvmx
