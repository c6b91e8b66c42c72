// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/libbpf_log.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "exporter/base/log.h"

namespace kvmx {
namespace {

int log_libbpf(libbpf_print_level, const char* format, va_list arguments) {
  if (!spdlog::should_log(spdlog::level::debug)) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, arguments);
  std::string text(static_cast<std::size_t>(std::max(length, 0)) + 1, '\0');
  std::vsnprintf(text.data(), text.size(), format, again);
  va_end(again);
  while (text.ends_with('\n') || text.ends_with('\0')) text.pop_back();
  spdlog::debug("{}", text);
  return 0;
}

}  // namespace

void route_libbpf_log() { libbpf_set_print(log_libbpf); }

}  // namespace kvmx
