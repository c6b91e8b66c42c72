// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/gzip.h"

#include <new>
#include <utility>

namespace kvmx {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr int kLargestWindow = 15;
constexpr int kGzipHeader = 16;  ///< added to the window's bits: gzip, not zlib
constexpr int kDefaultMemory = 8;

}  // namespace

GzipStream::GzipStream(std::function<void(std::string_view)> sink)
    : sink_(std::move(sink)), out_(kPiece) {
  if (deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kLargestWindow + kGzipHeader, kDefaultMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  make_room();
}

GzipStream::~GzipStream() { deflateEnd(&stream_); }

void GzipStream::make_room() {
  stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
  stream_.avail_out = static_cast<uInt>(out_.size());
}

void GzipStream::deflate(std::string_view text, int flush) {
  // zlib takes its input as non-const but does not write it.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream_.avail_in = static_cast<uInt>(text.size());
  for (;;) {
    const int status = ::deflate(&stream_, flush);
    const bool full = stream_.avail_out == 0;
    if (full || status == Z_STREAM_END) {
      sink_({out_.data(), out_.size() - stream_.avail_out});
      make_room();
    }
    // Room left over means that there is no more to come for now.
    if (!full || status == Z_STREAM_END) return;
  }
}

}  // namespace kvmx
