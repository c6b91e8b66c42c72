// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/log.h"

#include <spdlog/pattern_formatter.h>

#include <memory>
#include <string>

#include "exporter/base/stderr_sink.h"

namespace kvmx {
namespace {

/// The message with what would break a quoted string of logfmt or JSON escaped: names of VMs come
/// from outside. Both escape alike here: what is not printable is a question mark.
class QuotedMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& msg, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (const char c : msg.payload) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (c == '\n') {
        out.push_back('\\');
        out.push_back('n');
      } else if (byte < 0x20 || byte == 0x7f) {
        out.push_back('?');
      } else {
        out.push_back(c);
      }
    }
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<QuotedMessage>();
  }
};

}  // namespace

void start_log(std::string_view level, LogFormat format) {
  const std::string pattern = format == LogFormat::json
                                  ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","msg":"%*"})"
                                  : R"(time=%Y-%m-%dT%H:%M:%S.%eZ level=%l msg="%*")";
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<QuotedMessage>('*').set_pattern(pattern);
  auto logger =
      std::make_shared<spdlog::logger>("kvm_exit_exporter", std::make_shared<StderrSink>());
  logger->set_formatter(std::move(formatter));
  logger->set_level(spdlog::level::from_str(std::string(level)));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace kvmx
