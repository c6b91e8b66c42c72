// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the parsers of what the kernel writes: formats of tracepoints,
// /proc/PID/stat and schedstat; and of the list of --collector.events. Seeds:
// tests/fuzz/corpus/kernel_text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "exporter/base/process.h"
#include "exporter/kernel/other_events.h"
#include "exporter/kernel/proc_threads.h"
#include "exporter/kernel/tracepoint_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& [name, place] : kvmx::parse_tracepoint_format(text))
    if (name.empty()) std::abort();
  if (const auto stat = kvmx::parse_stat(text))
    if (stat->comm.size() + 4 > size) std::abort();
  static_cast<void>(kvmx::parse_schedstat(text));
  for (const auto& name : kvmx::choose_events(text.substr(0, 256), {"kvm_cpuid", "kvm_exit"}))
    if (name != "kvm_cpuid") std::abort();
  return 0;
}
