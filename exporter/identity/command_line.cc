// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/command_line.h"

#include <vector>

#include "exporter/identity/label_value.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

/// What the kernel keeps of a comm: TASK_COMM_LEN without its NUL.
constexpr std::size_t kCommBytes = 15;

std::vector<std::string_view> split_words(std::string_view cmdline) {
  std::vector<std::string_view> words;
  while (!cmdline.empty()) {
    const std::size_t end = cmdline.find('\0');
    words.push_back(cmdline.substr(0, end));
    cmdline.remove_prefix(end == std::string_view::npos ? cmdline.size() : end + 1);
  }
  return words;
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void strip_suffix(std::string_view& text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
}

/// nixpkgs moves the program X to .X-wrapped and puts a script in its place.
std::string_view without_wrapper(std::string_view program) {
  if (program.starts_with('.')) program.remove_prefix(1);
  strip_suffix(program, "-wrapped");
  return program;
}

const Vmm* find_by_name(std::string_view program, bool truncated, Words args) {
  program = without_wrapper(program);
  return program.empty() ? nullptr : find_vmm(program, truncated, args);
}

const Vmm* find(std::string_view argv0, const Program& program, Words args) {
  if (const Vmm* vmm = find_by_name(file_name(argv0), false, args)) return vmm;
  std::string_view executable = program.executable;
  // An upgrade has replaced the file.
  strip_suffix(executable, " (deleted)");
  if (const Vmm* vmm = find_by_name(file_name(executable), false, args)) return vmm;
  const bool truncated = program.comm.size() >= kCommBytes;
  if (const Vmm* vmm = find_by_name(program.comm, truncated, args)) return vmm;
  return recognise_vmm(args);
}

/// NixOS' microvm starts every VMM under this name.
std::string_view nixos_name(std::string_view argv0) {
  constexpr std::string_view kPrefix = "microvm@";
  return argv0.starts_with(kPrefix) ? argv0.substr(kPrefix.size()) : std::string_view{};
}

VmIdentity fit_for_labels(VmIdentity identity) {
  for (std::string VmIdentity::*field :
       {&VmIdentity::name, &VmIdentity::uuid, &VmIdentity::id, &VmIdentity::domain,
        &VmIdentity::kube_namespace, &VmIdentity::kube_name}) {
    identity.*field = label_value(identity.*field);
  }
  return identity;
}

}  // namespace

std::optional<VmIdentity> identify(std::string_view cmdline, const Program& program) {
  const std::vector<std::string_view> words = split_words(cmdline);
  if (words.empty()) return std::nullopt;
  const Words args = Words(words).subspan(1);
  const Vmm* vmm = find(words[0], program, args);
  if (!vmm) return std::nullopt;
  VmIdentity identity = vmm->identify(args);
  if (identity.name.empty() && identity.id.empty()) identity.name = nixos_name(words[0]);
  identity.vmm = vmm->name;
  return fit_for_labels(std::move(identity));
}

}  // namespace kvmx
