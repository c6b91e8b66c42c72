// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <zlib.h>

#include <functional>
#include <string_view>
#include <vector>

namespace kvmx {

/// Compresses what is written into one gzip member (RFC 1952), which goes to a sink in pieces. Fast
/// rather than small: metrics shrink to less than a tenth all the same. Holds some 330 KiB
/// while it lives. Throws std::bad_alloc.
class GzipStream {
 public:
  explicit GzipStream(std::function<void(std::string_view)> sink);
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream();

  void write(std::string_view text) { deflate(text, Z_NO_FLUSH); }
  /// To be called once, at the end.
  void finish() { deflate({}, Z_FINISH); }

 private:
  void make_room();
  void deflate(std::string_view text, int flush);

  std::function<void(std::string_view)> sink_;
  z_stream stream_{};
  std::vector<char> out_;
};

}  // namespace kvmx
