// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <mutex>
#include <string_view>

namespace kvmx {

/// Writes the log to standard error, and never waits for whoever reads it: a pipe that is full, or
/// a terminal that was stopped, must not stop scrapes. What cannot be written is dropped; how much
/// that was is written once there is room again.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit StderrSink(int fd = 2) : fd_(fd) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  bool write_line(const spdlog::details::log_msg& message);
  bool write_piece(std::string_view piece) const;

  const int fd_;
  std::uint64_t dropped_ = 0;
};

}  // namespace kvmx
