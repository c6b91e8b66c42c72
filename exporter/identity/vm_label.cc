// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_label.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "exporter/identity/label_value.h"

namespace kvmx {
namespace {

constexpr int kLastForm = 3;
// Enough for honest names, which settle in as many rounds as there are forms. Names made to collide
// could ask for one round a VM; they get a number instead.
constexpr int kRounds = 8;

struct Candidate {
  VmToLabel vm;
  std::string base;
  int form = 0;
  std::string label;

  [[nodiscard]] bool keeps_label() const { return !vm.gone && !vm.label.empty(); }
};

std::string base_name(const VmToLabel& vm) {
  if (std::string name = label_value(vm.name); !name.empty()) return name;
  const std::string comm = label_value(vm.comm);
  return (comm.empty() ? "vm" : comm) + "-" + std::to_string(vm.tgid);
}

std::string with_suffix(std::string_view base, std::string_view suffix) {
  return std::string(utf8_prefix(base, kMaxLabelBytes - suffix.size())) += suffix;
}

std::string suffix_of(const VmToLabel& vm, int form) {
  std::string suffix;
  if (form >= 1) suffix += "@" + std::to_string(vm.tgid);
  if (form >= 2) suffix += "/" + std::to_string(vm.ordinal);
  if (form >= 3) suffix += "/" + std::to_string(vm.start_ns);
  return suffix;
}

void take_form(Candidate& candidate, int form) {
  candidate.form = form;
  candidate.label = with_suffix(candidate.base, suffix_of(candidate.vm, form));
}

using Groups = std::unordered_map<std::string_view, std::vector<Candidate*>>;

/// Those that share a label, by label.
Groups shared_labels(std::vector<Candidate>& candidates) {
  Groups groups;
  for (Candidate& candidate : candidates) groups[candidate.label].push_back(&candidate);
  std::erase_if(groups, [](const auto& group) { return group.second.size() < 2; });
  return groups;
}

/// Gives those that share a label their next form. False when there is nothing (more) to change.
bool part(std::vector<Candidate>& candidates) {
  std::vector<Candidate*> to_change;
  for (const auto& [label, members] : shared_labels(candidates)) {
    const auto alive = std::count_if(members.begin(), members.end(),
                                     [](const Candidate* member) { return !member->vm.gone; });
    const bool kept = std::any_of(members.begin(), members.end(),
                                  [](const Candidate* member) { return member->keeps_label(); });
    for (Candidate* member : members) {
      const bool keeps = kept ? member->keeps_label() : alive == 1 && !member->vm.gone;
      if (!keeps && member->form < kLastForm) to_change.push_back(member);
    }
  }
  for (Candidate* candidate : to_change) take_form(*candidate, candidate->form + 1);
  return !to_change.empty();
}

/// The last resort: numbers each label that is still shared, past all labels in use.
void number(std::vector<Candidate>& candidates) {
  std::vector<Candidate*> shared;
  for (const auto& [label, members] : shared_labels(candidates))
    for (Candidate* member : members)
      if (!member->keeps_label()) shared.push_back(member);
  if (shared.empty()) return;

  std::sort(shared.begin(), shared.end(), [](const Candidate* a, const Candidate* b) {
    const auto key = [](const Candidate* c) {
      return std::tie(c->vm.tgid, c->vm.start_ns, c->vm.ordinal, c->base, c->vm.gone);
    };
    return key(a) < key(b);
  });
  std::unordered_set<std::string> used;
  for (const Candidate& candidate : candidates) used.insert(candidate.label);
  for (Candidate* candidate : shared) {
    const std::string suffix = suffix_of(candidate->vm, kLastForm) + "#";
    std::size_t n = 1;
    do {
      candidate->label = with_suffix(candidate->base, suffix + std::to_string(n++));
    } while (!used.insert(candidate->label).second);
  }
}

}  // namespace

std::string first_label(const VmToLabel& vm) { return with_suffix(base_name(vm), ""); }

std::vector<VmLabel> vm_labels(std::span<const VmToLabel> vms) {
  std::vector<Candidate> candidates;
  candidates.reserve(vms.size());
  for (const VmToLabel& vm : vms) {
    candidates.push_back({vm, base_name(vm), vm.form, {}});
    Candidate& candidate = candidates.back();
    take_form(candidate, vm.form);
    if (candidate.keeps_label()) candidate.label = vm.label;
  }
  for (int round = 0; round < kRounds && part(candidates); ++round) {
  }
  number(candidates);

  std::vector<VmLabel> labels;
  labels.reserve(candidates.size());
  for (Candidate& candidate : candidates)
    labels.push_back({std::move(candidate.label), candidate.form});
  return labels;
}

}  // namespace kvmx
