// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the reader of libvirt's status files: as they are, and as the content of
// a domain, where they get further. Seeds: tests/fuzz/corpus/libvirt_status.
#include "exporter/identity/libvirt_status.h"
#include "tests/fuzz/require.h"

namespace {

void try_status(std::string_view xml) {
  const auto status = kvmx::parse_libvirt_status(xml);
  if (!status) return;
  kvmx::require(status->pid != 0 && !status->name.empty(), "a status has a process and a name");
  kvmx::require(status->uuid.empty() || status->uuid.size() == 36, "a UUID is canonical");
  const std::size_t texts = status->name.size() + status->title.size() + status->cloud_name.size() +
                            status->project.size() + status->user.size();
  kvmx::require(texts <= 2 * xml.size(), "nothing is expanded, but Latin-1 to UTF-8");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_status(text);
  try_status(
      "<domstatus pid='7'><domain xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'"
      " xmlns:one='http://opennebula.org/xmlns/libvirt/1.0'>" +
      std::string(text) + "</domain></domstatus>");
  return 0;
}
