// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace kvmx {

/// A namespaced object of Kubernetes.
struct KubeName {
  std::string_view kube_namespace;
  std::string_view name;

  bool operator==(const KubeName&) const = default;
};

/// Parts "NAMESPACE_NAME", as KubeVirt calls its domains and the kubelet its directories. Nothing
/// if either half is no such name by RFC 1123: letters, digits, '-' and, in all but namespaces,
/// '.'; so '_' can be no part of them.
std::optional<KubeName> parse_kube_name(std::string_view text);

/// Parts "NAMESPACE_NAME_UID", as the kubelet calls the directory of a pod's logs in /var/log/pods;
/// nothing if it is not the one of the pod with this UID.
std::optional<KubeName> parse_pod_log_directory(std::string_view directory, std::string_view uid);

}  // namespace kvmx
