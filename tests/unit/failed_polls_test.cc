// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/failed_polls.h"

#include <gtest/gtest.h>

#include <vector>

namespace kvmx {
namespace {

ListedVcpu listed(std::uint32_t id, std::uint64_t failed) {
  ListedVcpu made;
  made.tgid = 100;
  made.start_ns = 5000;
  made.kvm = 9;
  made.id = id;
  made.poll_failed_ns = failed;
  return made;
}

class FailedPollsTest : public testing::Test {
 protected:
  /// What is exported of a VM with vCPUs 0 and 1 after a listing.
  VmCounts observe(std::vector<ListedVcpu> vcpus) {
    VcpuListing listing;
    listing.vcpus = std::move(vcpus);
    std::vector<VmCounts> vms(1);
    vms[0].key = {100, 5000, 9};
    vms[0].vcpus.resize(2);
    vms[0].vcpus[0].id = 0;
    vms[0].vcpus[1].id = 1;
    polls_.observe(listing, vms);
    polls_.fill(vms);
    return vms[0];
  }

  FailedPolls polls_;
};

TEST_F(FailedPollsTest, AreKvmsOwnFigures) {
  const VmCounts vm = observe({listed(0, 10), listed(1, 5)});
  EXPECT_EQ(vm.vcpus[0].poll_failed_ns, 10U);
  EXPECT_EQ(vm.vcpus[1].poll_failed_ns, 5U);
  EXPECT_EQ(vm.total.poll_failed_ns, 15U);
}

TEST_F(FailedPollsTest, DoNotStepBackWhenAVcpuIsMadeAnew) {
  observe({listed(0, 10), listed(1, 5)});
  observe({listed(0, 11)});
  EXPECT_EQ(observe({listed(0, 11), listed(1, 2)}).total.poll_failed_ns, 11U + 5U + 2U);
}

TEST_F(FailedPollsTest, OfAVcpuThatHasNoSlotCountForItsVm) {
  EXPECT_EQ(observe({listed(7, 4)}).total.poll_failed_ns, 4U);
}

TEST_F(FailedPollsTest, OfAForgottenVmAreForgotten) {
  observe({listed(0, 10)});
  polls_.observe({}, {});
  EXPECT_EQ(observe({}).total.poll_failed_ns, 0U);
}

}  // namespace
}  // namespace kvmx
