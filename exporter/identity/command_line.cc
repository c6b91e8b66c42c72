// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/command_line.h"

#include <vector>

#include "exporter/identity/label_value.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

std::vector<std::string_view> split_words(std::string_view cmdline) {
  std::vector<std::string_view> words;
  while (!cmdline.empty()) {
    const std::size_t end = cmdline.find('\0');
    words.push_back(cmdline.substr(0, end));
    cmdline.remove_prefix(end == std::string_view::npos ? cmdline.size() : end + 1);
  }
  return words;
}

VmIdentity fit_for_labels(VmIdentity identity) {
  for (std::string VmIdentity::*field :
       {&VmIdentity::name, &VmIdentity::uuid, &VmIdentity::vmm, &VmIdentity::id,
        &VmIdentity::domain, &VmIdentity::kube_namespace, &VmIdentity::kube_name}) {
    identity.*field = label_value(identity.*field);
  }
  return identity;
}

}  // namespace

std::optional<VmIdentity> identify(std::string_view cmdline) {
  const std::vector<std::string_view> words = split_words(cmdline);
  if (words.empty()) return std::nullopt;
  const std::string_view program = words[0].substr(words[0].rfind('/') + 1);
  if (program.empty()) return std::nullopt;
  auto identity = identify_vmm(program, Words(words).subspan(1));
  if (!identity) return std::nullopt;
  return fit_for_labels(*std::move(identity));
}

}  // namespace kvmx
