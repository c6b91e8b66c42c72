// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/kubernetes.h"

#include <algorithm>
#include <cstddef>

namespace kvmx {
namespace {

bool is_name(std::string_view text, bool dots) {
  return !text.empty() && std::ranges::all_of(text, [dots](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (dots && c == '.');
  });
}

}  // namespace

std::optional<KubeName> parse_kube_name(std::string_view text) {
  const std::size_t mark = text.find('_');
  if (mark == text.npos) return std::nullopt;
  const KubeName parts{text.substr(0, mark), text.substr(mark + 1)};
  if (!is_name(parts.kube_namespace, false) || !is_name(parts.name, true)) return std::nullopt;
  return parts;
}

std::optional<KubeName> parse_pod_log_directory(std::string_view directory, std::string_view uid) {
  if (uid.empty() || !directory.ends_with(uid)) return std::nullopt;
  directory.remove_suffix(uid.size());
  if (!directory.ends_with('_')) return std::nullopt;
  directory.remove_suffix(1);
  return parse_kube_name(directory);
}

}  // namespace kvmx
