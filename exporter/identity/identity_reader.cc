// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_reader.h"

#include <cstddef>
#include <optional>
#include <string>
#include <system_error>

#include "exporter/base/file.h"
#include "exporter/identity/cgroup.h"
#include "exporter/identity/command_line.h"
#include "exporter/identity/kubernetes.h"
#include "exporter/identity/label_value.h"
#include "exporter/identity/libvirt_status.h"

namespace kvmx {
namespace {

/// The largest status file that is read. libvirt's are some 10 KB, and 100 KB with many devices.
constexpr std::size_t kMaxStatusBytes = std::size_t{1} << 20;

}  // namespace

VmIdentity IdentityReader::read(std::uint32_t pid) const {
  const std::optional<std::string> command_line = proc_.read_cmdline(pid);
  VmIdentity identity =
      command_line ? identify(*command_line).value_or(VmIdentity()) : VmIdentity();
  add_cgroup(pid, identity);
  if (!identity.domain.empty()) add_libvirt_status(pid, identity);
  if (!identity.pod.empty()) add_pod_name(identity);
  return identity;
}

void IdentityReader::add_cgroup(std::uint32_t pid, VmIdentity& identity) const {
  const std::optional<std::string> text = proc_.read_cgroup(pid);
  if (!text) return;
  const CgroupIdentity cgroup = parse_cgroup(*text);
  identity.pod = label_value(cgroup.pod_uid);
  if (!identity.name.empty() || !identity.id.empty()) return;
  identity.name = label_value(cgroup.machine);
  identity.id = label_value(cgroup.id);
}

void IdentityReader::add_libvirt_status(std::uint32_t pid, VmIdentity& identity) const {
  // A command line may say what it likes, a path out of the directory too. The file of another
  // process is not believed.
  if (identity.domain.find('/') != std::string::npos) return;
  const char* driver = identity.vmm == "cloud-hypervisor" ? "ch" : "qemu";
  const Result<std::string> xml =
      read_file(paths_.libvirt / driver / (identity.domain + ".xml"), kMaxStatusBytes);
  if (!xml) return;
  const std::optional<LibvirtStatus> status = parse_libvirt_status(*xml);
  if (!status || status->pid != pid) return;
  identity.display_name =
      label_value(status->nova_name.empty() ? status->title : status->nova_name);
  if (identity.uuid.empty()) identity.uuid = status->uuid;
}

void IdentityReader::add_pod_name(VmIdentity& identity) const {
  std::error_code error;
  std::filesystem::directory_iterator entry(paths_.pod_logs, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string directory = entry->path().filename().string();
    const auto pod = parse_pod_log_directory(directory, identity.pod);
    if (!pod) continue;
    identity.kube_namespace = label_value(pod->kube_namespace);
    identity.pod = label_value(pod->name);
    return;
  }
}

}  // namespace kvmx
