// SPDX-License-Identifier: Apache-2.0
#include "exporter/commands/local_source.h"

#include "exporter/sandbox/sandbox.h"

namespace kvmx {

Result<std::unique_ptr<LocalSource>> LocalSource::start(const ExporterConfig& config) {
  std::unique_ptr<LocalSource> made(new LocalSource(config));
  if (Result<void> attached = made->exporter_.attach(); !attached) return attached.error();
  if (!made->exporter_.attached())
    return Error{
        "KVM is not loaded: there is nothing to count. Load it with \"modprobe kvm_intel\" "
        "or \"modprobe kvm_amd\""};
  enter_terminal_sandbox();
  return made;
}

Result<HostSummary> LocalSource::read() {
  exporter_.housekeep();
  return summarize(*exporter_.snapshot());
}

}  // namespace kvmx
