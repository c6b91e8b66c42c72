// SPDX-License-Identifier: Apache-2.0
#include "exporter/commands/version_report.h"

#include <bpf/libbpf.h>
#include <civetweb.h>
#include <openssl/crypto.h>

#include <filesystem>
#include <string_view>

#include "exporter/base/version.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/host.h"
#include "exporter/sandbox/sandbox.h"

namespace kvmx {
namespace {

std::string_view how_counted(Source source) {
  switch (source) {
    case Source::tp_btf:
      return "by BTF";
    case Source::tracepoint:
      return "by tracefs";
    case Source::absent:
      break;
  }
  return "not to be counted";
}

std::string events_report() {
  const Features features = probe_features();
  if (!features.kvm) return "  KVM:       not loaded\n";
  std::string text = "  KVM:       loaded, " + std::string(isa_name(read_host().isa)) + "\n";
  for (std::size_t i = 0; i < kEvents.size(); ++i)
    text += "             " + std::string(kEvents[i].name) + ": " +
            std::string(how_counted(features.sources[i])) + "\n";
  if (!features.unavailable_reason.empty())
    text += "             " + features.unavailable_reason + "\n";
  return text;
}

}  // namespace

std::string version_report() {
  std::error_code ignored;
  const bool btf = std::filesystem::exists("/sys/kernel/btf/vmlinux", ignored);
  std::string text = std::string("kvm_exit_exporter, version ") + kVersion + " (revision " +
                     kRevision + ")\n  compiler:  " + kCompiler + "\n  libraries: libbpf " +
                     std::to_string(libbpf_major_version()) + "." +
                     std::to_string(libbpf_minor_version()) + ", CivetWeb " + mg_version() + ", " +
                     OpenSSL_version(OPENSSL_VERSION) + "\n  kernel:    " + read_host().kernel +
                     (btf ? ", with BTF\n" : ", without BTF\n") +
                     "  sandbox:   " + Sandbox::offered() + "\n" + events_report();
  text.pop_back();
  return text;
}

}  // namespace kvmx
