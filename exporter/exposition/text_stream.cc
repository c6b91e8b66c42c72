// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/text_stream.h"

#include <cstring>

namespace kvmx {

void TextStream::make_room(std::size_t size) {
  flush();
  if (size_ >= size) return;
  buffer_ = std::make_unique_for_overwrite<char[]>(size);
  size_ = size;
}

void TextStream::write(std::string_view text) {
  char* const at = room(text.size());
  std::memcpy(at, text.data(), text.size());
  wrote(at + text.size());
}

void TextStream::flush() {
  if (used_ != 0) sink_({buffer_.get(), used_});
  used_ = 0;
}

}  // namespace kvmx
