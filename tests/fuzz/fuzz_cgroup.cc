// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the reader of /proc/PID/cgroup, and to that of names of Kubernetes.
// Seeds: tests/fuzz/corpus/cgroup and the cases of tests/fixtures/identity.
#include <algorithm>

#include "exporter/identity/cgroup.h"
#include "exporter/identity/kubernetes.h"
#include "tests/fuzz/require.h"

namespace {

void require_uid(std::string_view uid) {
  const bool hash = uid.size() == 32;
  kvmx::require(uid.empty() || hash || uid.size() == 36, "a pod's UID has one of two forms");
  kvmx::require(
      std::ranges::all_of(
          uid, [](char c) { return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }),
      "a pod's UID is hexadecimal");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const kvmx::CgroupIdentity cgroup = kvmx::parse_cgroup(text);
  require_uid(cgroup.pod_uid);
  kvmx::require(cgroup.machine.size() + cgroup.id.size() <= 2 * size,
                "names are no longer than paths");
  // No control group is made in which a line ends.
  kvmx::require(cgroup.id.find('\n') == std::string::npos, "an id is a part of one line");
  if (kvmx::threads_may_differ(text))
    kvmx::require(std::ranges::count(text, ':') >= 2, "threads differ by the path of a line");
  for (const auto& name :
       {kvmx::parse_kube_name(text), kvmx::parse_pod_log_directory(text, text.substr(size / 2))}) {
    if (!name) continue;
    kvmx::require(!name->kube_namespace.empty() && !name->name.empty(), "names say something");
    kvmx::require_label_value(name->name.substr(0, kvmx::kMaxLabelBytes));
  }
  return 0;
}
