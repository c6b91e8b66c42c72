// SPDX-License-Identifier: Apache-2.0
#include "exporter/commands/local_source.h"

#include "exporter/base/log.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/sandbox/landlock.h"
#include "exporter/sandbox/seccomp.h"

namespace kvmx {

Result<std::unique_ptr<LocalSource>> LocalSource::start(const ExporterConfig& config) {
  std::unique_ptr<LocalSource> made(new LocalSource(config));
  if (Result<void> attached = made->exporter_.attach(); !attached) return attached.error();
  if (!made->exporter_.attached())
    return Error{
        "KVM is not loaded: there is nothing to count. Load it with \"modprobe kvm_intel\" "
        "or \"modprobe kvm_amd\""};
  if (const auto files = restrict_files(readable_paths({})); !files)
    spdlog::debug("{}", files.error().message);
  if (const auto dropped = drop_capabilities(); !dropped)
    spdlog::debug("{}", dropped.error().message);
  if (const auto filtered = restrict_system_calls(Audience::terminal); !filtered)
    spdlog::debug("{}", filtered.error().message);
  return made;
}

Result<HostSummary> LocalSource::read() {
  exporter_.housekeep();
  return summarize(*exporter_.snapshot());
}

}  // namespace kvmx
