// SPDX-License-Identifier: Apache-2.0
// What a scrape allocates does not grow with the series: an exposition of a hundred times as many
// takes the same.
#include <gtest/gtest.h>

#include "exporter/metrics/write_exposition.h"
#include "tests/bench/allocations.h"
#include "tests/bench/host.h"

namespace kvmx::bench {
namespace {

/// Of a host where everything is counted.
HostSize host_size(std::uint32_t vms) {
  return {.vms = vms, .vcpus = 20, .reasons = 20, .msrs = 4, .others = true};
}

std::uint64_t allocations_of(std::uint32_t vms, const ExpositionOptions& options) {
  const Host host(host_size(vms));
  SlotReader reader([] { return 0; });
  const Snapshot snapshot = host.snapshot(reader);
  const Sink nowhere = [](std::string_view) {};
  write_exposition(snapshot, {}, options, nowhere);  // what is made once, is made here
  const std::uint64_t before = allocations();
  write_exposition(snapshot, {}, options, nowhere);
  return allocations() - before;
}

TEST(Allocations, AreCounted) {
  const std::uint64_t before = allocations();
  ::operator delete(::operator new(1));
  EXPECT_EQ(allocations() - before, 1U);
}

TEST(Allocations, DoNotGrowWithTheSeries) {
  for (const Format format : {Format::text, Format::openmetrics, Format::protobuf}) {
    for (const PerVcpu per_vcpu : {PerVcpu::none, PerVcpu::counts, PerVcpu::all}) {
      const ExpositionOptions options{.format = format, .per_vcpu = per_vcpu};
      EXPECT_EQ(allocations_of(200, options), allocations_of(2, options));
    }
  }
}

// A snapshot has three lists a vCPU (reasons, MSRs, returns to the VMM), each of the right size at
// once; and what a VM has of its own, some of which grows with its vCPUs by doubling.
TEST(Allocations, OfASnapshotAreThreeAVcpu) {
  const auto taken = [](std::uint32_t vms) {
    const Host host(host_size(vms));
    SlotReader reader([] { return 0; });
    static_cast<void>(host.snapshot(reader));
    const std::uint64_t before = allocations();
    static_cast<void>(host.snapshot(reader));
    return allocations() - before;
  };
  constexpr std::uint64_t kOfVm = 50;
  EXPECT_LE(taken(200) - taken(100), 100 * (20 * 3 + kOfVm));
}

}  // namespace
}  // namespace kvmx::bench
