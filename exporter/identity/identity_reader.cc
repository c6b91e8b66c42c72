// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_reader.h"

#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "exporter/base/file.h"
#include "exporter/identity/cgroup.h"
#include "exporter/identity/command_line.h"
#include "exporter/identity/kubernetes.h"
#include "exporter/identity/label_value.h"
#include "exporter/identity/libvirt_status.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

/// The largest status file that is read. libvirt's are some 10 KB, and 100 KB with many devices.
constexpr std::size_t kMaxStatusBytes = std::size_t{1} << 20;

/// How many threads are looked at. VMMs start their vCPUs' threads among the first few.
constexpr std::size_t kMaxThreads = 64;

void add(const LibvirtStatus& status, VmIdentity& identity) {
  identity.has_status = true;
  identity.display_name = label_value(status.cloud_name.empty() ? status.title : status.cloud_name);
  identity.project = label_value(status.project);
  identity.user = label_value(status.user);
  if (identity.uuid.empty()) identity.uuid = status.uuid;
}

/// Adds name and namespace of the pod, if it has a directory in `pods`. Returns whether it has.
bool add_pod_name(const fs::path& pods, VmIdentity& identity) {
  std::error_code error;
  fs::directory_iterator entry(pods, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string directory = entry->path().filename().string();
    const auto pod = parse_pod_log_directory(directory, identity.pod);
    if (!pod) continue;
    identity.kube_namespace = label_value(pod->kube_namespace);
    identity.pod = label_value(pod->name);
    return true;
  }
  return false;
}

}  // namespace

VmIdentity IdentityReader::read(std::uint32_t pid) const {
  VmIdentity identity = read_command_line(pid);
  add_cgroup(pid, identity);
  if (!identity.domain.empty()) add_libvirt_status(pid, identity);
  if (!identity.pod.empty() && !add_pod_name(paths_.pod_logs, identity))
    add_pod_name(paths_.names / "pods", identity);
  return identity;
}

VmIdentity IdentityReader::read_command_line(std::uint32_t pid) const {
  const auto [command_line, refused] = proc_.read_cmdline(pid);
  if (!command_line) {
    VmIdentity unread;
    unread.refused = refused;
    return unread;
  }
  const std::string executable = proc_.read_executable(pid).value_or("");
  const std::string comm = read_comm(pid);
  return identify(*command_line, {executable, comm}).value_or(VmIdentity());
}

void IdentityReader::add_cgroup(std::uint32_t pid, VmIdentity& identity) const {
  const std::optional<std::string> text = proc_.read_cgroup(pid);
  if (!text) return;
  CgroupIdentity cgroup = parse_cgroup(*text);
  if (cgroup.pod_uid.empty() && cgroup.machine.empty() && threads_may_differ(*text))
    add_cgroups_of_threads(pid, cgroup);
  identity.pod = label_value(cgroup.pod_uid);
  if (identity.name.empty()) identity.name = label_value(cgroup.machine);
  if (identity.id.empty()) identity.id = label_value(cgroup.id);
}

void IdentityReader::add_cgroups_of_threads(std::uint32_t pid, CgroupIdentity& cgroup) const {
  for (const std::uint32_t tid : proc_.read_threads(pid, kMaxThreads)) {
    const std::optional<std::string> text = proc_.read_cgroup(pid, tid);
    if (!text) continue;
    CgroupIdentity thread = parse_cgroup(*text);
    if (thread.pod_uid.empty()) continue;
    cgroup.pod_uid = std::move(thread.pod_uid);
    if (cgroup.id.empty()) cgroup.id = std::move(thread.id);
    return;
  }
}

void IdentityReader::add_libvirt_status(std::uint32_t pid, VmIdentity& identity) const {
  // A command line may contain anything, even a path out of the directory.
  if (identity.domain.find('/') != std::string::npos) return;
  const fs::path file =
      fs::path(identity.vmm == "cloud-hypervisor" ? "ch" : "qemu") / (identity.domain + ".xml");
  for (const fs::path& directory : {paths_.libvirt, paths_.names / "libvirt"}) {
    const Result<std::string> xml = read_file(directory / file, kMaxStatusBytes);
    const auto status = xml ? parse_libvirt_status(*xml) : std::nullopt;
    // The file counts only if it names this process.
    if (!status || status->pid != pid) continue;
    add(*status, identity);
    return;
  }
}

}  // namespace kvmx
