// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/slide.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
#include <map>
#include <vector>

#include "exporter/names/msr.h"

namespace kvmx {
namespace {

constexpr std::int64_t kStep = std::int64_t{2} << 20U;  // CONFIG_PHYSICAL_ALIGN at its least

/// How much of the evidence may be wrong: a kernel changes some of its instructions while it boots.
constexpr double kNeededWeight = 0.9;
constexpr std::size_t kNeededAddresses = 2;
constexpr double kMostLog10Chance = -4;

constexpr std::uint32_t kX2apicFirst = 0x800;
constexpr std::uint32_t kX2apicLast = 0x8ff;

bool has_any(std::string_view name, std::span<const std::string_view> parts) {
  return std::ranges::any_of(
      parts, [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

constexpr std::string_view kHalts[] = {"halt",      "idle",          "hlt",
                                       "play_dead", "stop_this_cpu", "kvm_wait"};
constexpr std::string_view kReadsMsrs[] = {"read_msr", "rdmsr", "msr_read", "pmu", "mce", "apic"};
constexpr std::string_view kIdentifies[] = {"cpuid", "sync_core"};
constexpr std::string_view kWritesMsrs[] = {
    "write_msr",  "wrmsr", "msr_write", "lapic", "apic", "spec_ctrl", "switch_mm", "switch_to",
    "arch_prctl", "pmu",   "hv_",       "kvm_",  "mce",  "thermal",   "pstate",    "cppc"};
constexpr std::string_view kWritesApic[] = {"write_msr", "wrmsr", "msr_write", "apic"};
constexpr std::string_view kProgramsTimer[] = {"write_msr", "wrmsr",     "msr_write",
                                               "lapic",     "APIC_LVTT", "APIC_timer"};

std::span<const std::string_view> names_for(const KnownInstruction& evidence) {
  const std::uint32_t msr = evidence.msr.value_or(0);
  switch (evidence.instruction) {
    case Instruction::hlt:
      return kHalts;
    case Instruction::rdmsr:
      return kReadsMsrs;
    case Instruction::cpuid:
      return kIdentifies;
    case Instruction::wrmsr:
      if (msr == msrs::kTscDeadline) return kProgramsTimer;
      return msr >= kX2apicFirst && msr <= kX2apicLast
                 ? std::span<const std::string_view>(kWritesApic)
                 : kWritesMsrs;
    case Instruction::in:
    case Instruction::out:
      break;
  }
  return {};
}

/// What a kernel's file says of an address.
class Judge {
 public:
  explicit Judge(const KernelImage& image) : image_(image) {
    begin_ = image.symbols.begin();
    end_ = image.symbols.end();
    if (image.code.empty()) return;
    begin_ = std::numeric_limits<std::uint64_t>::max();
    end_ = 0;
    for (const CodeSection& part : image.code) {
      begin_ = std::min(begin_, part.address);
      end_ = std::max(end_, part.address + part.bytes.size());
    }
  }

  [[nodiscard]] std::uint64_t begin() const { return begin_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }

  [[nodiscard]] bool judges(const KnownInstruction& evidence) const {
    return !image_.code.empty() || !names_for(evidence).empty();
  }

  [[nodiscard]] bool fits(const KnownInstruction& evidence, std::uint64_t address) const {
    if (image_.code.empty()) {
      const auto found = image_.symbols.find(address);
      return found && found->module.empty() && may_contain(found->name, evidence);
    }
    return std::ranges::any_of(image_.code, [&](const CodeSection& part) {
      return part.contains(address) &&
             has_instruction(part.bytes, address - part.address, evidence.instruction);
    });
  }

  /// How much of the code would fit: how likely any address does.
  [[nodiscard]] double share(const KnownInstruction& evidence) const {
    std::uint64_t fitting = 1;  // never 0
    std::uint64_t all = 1;
    if (image_.code.empty()) {
      all = end_ - begin_;
      image_.symbols.visit([&](const Symbol& symbol, std::uint64_t end) {
        if (may_contain(symbol.name, evidence)) fitting += end - symbol.address;
      });
    }
    for (const CodeSection& part : image_.code) {
      all += part.bytes.size();
      for (std::size_t at = 0; at < part.bytes.size(); ++at)
        fitting += has_instruction(part.bytes, at, evidence.instruction) ? 1 : 0;
    }
    return std::min(1.0,
                    static_cast<double>(fitting) / static_cast<double>(std::max(all, fitting)));
  }

 private:
  const KernelImage& image_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

struct Candidate {
  std::int64_t bytes = 0;
  std::vector<bool> fits;
  std::size_t addresses = 0;
  std::uint64_t exits = 0;
};

Candidate try_slide(const Judge& judge, std::span<const KnownInstruction> evidence,
                    std::int64_t bytes) {
  Candidate candidate{bytes, {}};
  for (const KnownInstruction& one : evidence) {
    const bool fits = judge.fits(one, one.rip - static_cast<std::uint64_t>(bytes));
    candidate.fits.push_back(fits);
    candidate.addresses += fits ? 1 : 0;
    candidate.exits += fits ? one.exits : 0;
  }
  return candidate;
}

/// Every place that the kernel may have, those that fit best first.
std::vector<Candidate> candidates(const Judge& judge, std::span<const KnownInstruction> evidence) {
  std::vector<Candidate> found;
  const auto room_below = static_cast<std::int64_t>(judge.begin() - kImageBegin);
  const auto room_above = static_cast<std::int64_t>(kImageEnd - judge.end());
  for (std::int64_t bytes = -(room_below / kStep) * kStep; bytes <= room_above; bytes += kStep)
    found.push_back(try_slide(judge, evidence, bytes));
  std::ranges::stable_sort(found, std::ranges::greater(), &Candidate::exits);
  return found;
}

/// That a wrong kernel fits as well as this candidate, at any of `places`: log10.
double log10_chance(const Judge& judge, std::span<const KnownInstruction> evidence,
                    const Candidate& candidate, std::size_t places) {
  std::map<std::pair<Instruction, std::uint32_t>, double> shares;
  double chance = std::log10(static_cast<double>(places));
  for (std::size_t i = 0; i < evidence.size(); ++i) {
    // Each that does not fit could have been another.
    if (!candidate.fits[i]) chance += std::log10(static_cast<double>(evidence.size()));
    if (!candidate.fits[i]) continue;
    const auto [at, is_new] =
        shares.try_emplace({evidence[i].instruction, evidence[i].msr.value_or(0)});
    if (is_new) at->second = judge.share(evidence[i]);
    chance += std::log10(at->second);
  }
  return chance;
}

std::string of(std::size_t some, std::size_t all) {
  return std::to_string(some) + " of " + std::to_string(all);
}

Error too_little(std::size_t addresses) {
  return Error{
      "where the kernel is cannot be told from " +
      (addresses == 0 ? std::string("these exits: none is")
                      : std::to_string(addresses) + (addresses == 1 ? " address" : " addresses") +
                            " alone: more are needed") +
      " of HLT, WRMSR, RDMSR or CPUID in the kernel's own code. Count for longer, or without "
      "--reason"};
}

}  // namespace

std::string Slide::text() const {
  std::array<char, 32> amount{};
  const auto distance = static_cast<std::uint64_t>(bytes < 0 ? -bytes : bytes);
  std::snprintf(amount.data(), amount.size(), "0x%llx", static_cast<unsigned long long>(distance));
  const std::string place = bytes == 0 ? "at these addresses"
                                       : std::string(amount.data()) +
                                             (bytes > 0 ? " above" : " below") + " these addresses";
  return "The kernel is " + place + ": " + of(fitting, judged) +
         " addresses fit the instruction that made the guest exit there. By chance so many would "
         "fit "
         "once in 10^" +
         std::to_string(static_cast<int>(-log10_chance)) + " cases.";
}

bool may_contain(std::string_view function, const KnownInstruction& evidence) {
  return has_any(function, names_for(evidence));
}

Result<Slide> find_slide(const KernelImage& image, std::span<const KnownInstruction> evidence) {
  const Judge judge(image);
  std::vector<KnownInstruction> judged;
  std::ranges::copy_if(evidence, std::back_inserter(judged),
                       [&](const KnownInstruction& one) { return judge.judges(one); });
  if (judged.empty()) return too_little(0);
  if (judge.end() <= judge.begin() || judge.begin() < kImageBegin || judge.end() > kImageEnd)
    return Error{"its code is not where Linux has its own"};
  std::uint64_t exits = 0;
  for (const KnownInstruction& one : judged) exits += one.exits;
  const std::vector<Candidate> all = candidates(judge, judged);
  const Candidate& best = all.front();
  if (static_cast<double>(best.exits) < kNeededWeight * static_cast<double>(exits))
    return Error{"these are another kernel's symbols: wherever it were, at most " +
                 of(best.addresses, judged.size()) +
                 " addresses would fit the instruction that made the guest exit there"};
  const bool unique = all.size() == 1 || all[1].exits < best.exits;
  const double chance = log10_chance(judge, judged, best, all.size());
  if (!unique || best.addresses < kNeededAddresses || chance > kMostLog10Chance)
    return too_little(judged.size());
  return Slide{best.bytes, best.addresses, judged.size(), chance};
}

}  // namespace kvmx
