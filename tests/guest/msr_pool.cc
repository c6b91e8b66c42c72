// SPDX-License-Identifier: Apache-2.0
#include "msr_pool.h"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace kvmx::guest {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Where there are MSRs.
constexpr std::array kPopulated{
    Range{0x00000170, 0x000002ff},  // machine check, MTRRs, PAT
    Range{0x00000400, 0x0000047f},  // machine check banks
    Range{0x00000000, 0x00000fff},  // Intel's, many of them AMD's too
    Range{0x00001000, 0x00001fff}, Range{0xc0000000, 0xc0000fff},  // AMD's first range
    Range{0xc0010010, 0xc0010060},                                 // AMD's system configuration
    Range{0xc0010000, 0xc0011fff},                                 // AMD's second range
};

constexpr std::array kExcluded{
    Range{0x00000010, 0x00000012},  // TSC, KVM's old clock (writes guest memory)
    Range{0x0000001b, 0x0000001b},  // APIC_BASE
    Range{0x0000003b, 0x0000003b},  // TSC_ADJUST moves the TSC
    Range{0x00000048, 0x00000049},  // SPEC_CTRL, PRED_CMD: passed through
    Range{0x000000c1, 0x000000c8},  // performance counters: would count and interrupt
    Range{0x000000e7, 0x000000e8},  // MPERF, APERF: may be passed through
    Range{0x0000010b, 0x0000010b},  // FLUSH_CMD: passed through
    Range{0x00000174, 0x00000176},  // SYSENTER: passed through
    Range{0x00000186, 0x0000018d},  // performance event selectors
    Range{0x000001c4, 0x000001c5},  // XFD: may be passed through
    Range{0x000001c8, 0x000001ce},  // LBR
    Range{0x000001d9, 0x000001de},  // DEBUGCTL and LBR: passed through on SVM
    Range{0x00000200, 0x0000020f},  // variable MTRRs: 5.10 answers a bad value with two #GP, a #DF
    Range{0x00000309, 0x0000030c},  // fixed performance counters
    Range{0x0000038d, 0x00000390},  // performance control
    Range{0x000003f1, 0x000003f1},  // PEBS_ENABLE
    Range{0x000003f8, 0x000003ff},  // C-state residency: may be passed through
    Range{0x000004c1, 0x000004c8},  // full-width performance counters
    Range{0x00000560, 0x0000058f},  // processor trace: may be passed through
    Range{0x00000600, 0x00000600},  // DS_AREA
    Range{0x00000660, 0x00000663},  // C-state residency
    Range{0x000006a0, 0x000006a8},  // CET: may be passed through
    Range{0x000006e0, 0x000006e0},  // TSC_DEADLINE has its own count
    Range{0x00000800, 0x000008ff},  // x2APIC
    Range{0x00000d90, 0x00000d90},  // BNDCFGS
    Range{0x00000da0, 0x00000da0},  // XSS: may be passed through
    Range{0x40000000, 0x40000fff},  // Hyper-V's: write guest memory, reset the VM
    Range{0x4b564d00, 0x4b564dff},  // KVM's own: write guest memory
    Range{0xc0000080, 0xc0000084},  // EFER, STAR, ...
    Range{0xc0000100, 0xc0000104},  // FS_BASE, GS_BASE, ...: passed through; TSC_RATIO
    Range{0xc0000300, 0xc0000303},  // performance control
    Range{0xc0010000, 0xc0010007},  // performance counters
    Range{0xc0010130, 0xc0010131},  // SEV's GHCB
    Range{0xc0010200, 0xc001020f},  // performance counters
};

bool is_excluded(std::uint32_t index) {
  return std::ranges::any_of(kExcluded, [index](const Range& range) {
    return index >= range.first && index <= range.last;
  });
}

class Xorshift64 {
 public:
  explicit Xorshift64(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 | 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_;
};

std::uint32_t random_index(Xorshift64& random, bool anywhere) {
  const std::uint64_t number = random.next();
  const auto high = static_cast<std::uint32_t>(number >> 32);
  if (anywhere) return high;
  const Range& range = kPopulated[(number >> 8) % kPopulated.size()];
  return range.first + high % (range.last - range.first + 1);
}

}  // namespace

void fill_msr_pool(std::uint64_t seed, std::span<MsrRecord> pool) {
  Xorshift64 random{seed};
  std::unordered_set<std::uint32_t> used;
  // Past this many, the populated ranges have too few left to find by chance.
  constexpr std::size_t populated_max = 4096;
  for (auto& record : pool) {
    std::uint32_t index = 0;
    do {
      const bool anywhere = used.size() % 2 == 1 || used.size() > 2 * populated_max;
      index = random_index(random, anywhere);
    } while (is_excluded(index) || !used.insert(index).second);
    record = {};
    record.index = index;
  }
}

}  // namespace kvmx::guest
