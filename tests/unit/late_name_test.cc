// SPDX-License-Identifier: Apache-2.0
// Names that come late, and VMs that are read late.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "exporter/base/clock.h"
#include "exporter/identity/identity_table.h"
#include "tests/unit/own_proc.h"

namespace kvmx {
namespace {

/// Names that come after a VM, which began just now, has been seen.
class LateNameTest : public IdentityTableTest {
 protected:
  LateNameTest() { process(10, start_, ""); }

  void name(const std::string& text) { process(10, start_, text); }

  /// As at this age of the VM.
  void identify_at(std::chrono::milliseconds age, bool has_ended = false) {
    const std::vector<VmToIdentify> vms = {{vm_, "qemu", has_ended}};
    table_.identify(vms, begin_ + age);
    table_.assign_labels([](const VmKey&) { return false; });
  }

  const std::uint64_t start_ =
      since_boot_ns() / (1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
  const VmKey vm_ = key(10, start_);
  const IdentityTable::Clock::time_point begin_ = IdentityTable::Clock::now();
  IdentityTable table_{{.proc = root_}, std::chrono::minutes(1)};
};

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(LateNameTest, AVmIsNotExportedBeforeItsName) {
  identify_at(seconds(0));
  EXPECT_TRUE(table_.awaits_name(vm_));
  name("web");
  identify_at(milliseconds(900));  // no look-up is due
  EXPECT_TRUE(table_.awaits_name(vm_));
  identify_at(seconds(1));
  EXPECT_FALSE(table_.awaits_name(vm_));
  EXPECT_EQ(table_.label(vm_), "web");
}

TEST_F(LateNameTest, ANamedVmIsExportedAtOnce) {
  name("web");
  identify_at(seconds(0));
  EXPECT_FALSE(table_.awaits_name(vm_));
}

TEST_F(LateNameTest, AVmWithoutANameIsExportedAfterFourSeconds) {
  identify_at(seconds(0));
  identify_at(milliseconds(3999));
  EXPECT_TRUE(table_.awaits_name(vm_));
  identify_at(seconds(4));
  EXPECT_FALSE(table_.awaits_name(vm_));
  EXPECT_EQ(table_.label(vm_), "qemu-10");
}

TEST_F(LateNameTest, AVmThatEndsIsExportedAtOnce) {
  identify_at(seconds(0));
  identify_at(milliseconds(100), true);
  EXPECT_FALSE(table_.awaits_name(vm_));
}

TEST_F(LateNameTest, AVmWhoseProcessIsGoneIsExportedAtOnce) {
  identify_at(seconds(0));
  end(10);
  identify_at(seconds(1));
  EXPECT_FALSE(table_.awaits_name(vm_));
}

TEST_F(LateNameTest, IsLookedUpAfterOneTwoFourAndEightSeconds) {
  for (const auto age : {seconds(0), seconds(1), seconds(2), seconds(4)}) identify_at(age);
  name("web");
  identify_at(milliseconds(7900));
  EXPECT_EQ(table_.identity(vm_).name, "");
  identify_at(seconds(8));
  EXPECT_EQ(table_.identity(vm_).name, "web");
  EXPECT_EQ(table_.label(vm_), "qemu-10");
}

TEST_F(LateNameTest, TheLabelThatIsExportedIsTheLastBeforeIt) {
  const std::string container(64, 'a');
  std::ofstream(root_ / "10/cgroup") << "0::/system.slice/docker-" + container + ".scope\n";
  identify_at(seconds(0));
  EXPECT_TRUE(table_.awaits_name(vm_));
  EXPECT_EQ(table_.label(vm_), "");
  std::ofstream(root_ / "10/cgroup") << "0::/machine.slice/machine-web.scope\n";
  identify_at(seconds(1));
  EXPECT_EQ(table_.label(vm_), "web");
}

TEST_F(LateNameTest, NoneOfManyAwaitsItsTurn) {
  std::vector<VmToIdentify> vms;
  for (std::uint32_t pid = 10; pid < 50; ++pid) {
    process(pid, start_, "");
    vms.push_back({key(pid, start_), "qemu", false});
  }
  std::vector<VmKey> keys;
  for (const VmToIdentify& vm : vms) keys.push_back(vm.key);
  read_for(table_, keys, begin_);
  table_.identify(vms, begin_);
  for (std::uint32_t pid = 10; pid < 50; ++pid) process(pid, start_, "vm" + std::to_string(pid));
  read_for(table_, {}, begin_ + seconds(1));
  table_.identify(vms, begin_ + seconds(1));
  for (const VmToIdentify& vm : vms) EXPECT_FALSE(table_.awaits_name(vm.key));
}

TEST_F(LateNameTest, AVmThatRanBeforeTheExporterIsExportedAtOnce) {
  process(11, 500, "");
  const std::vector<VmToIdentify> old = {{key(11, 500), "qemu", false}};
  table_.identify(old, begin_);
  EXPECT_FALSE(table_.awaits_name(old[0].key));
}

/// A VM that nobody comes to read, for others keep the exporter from it: not even identify()
/// itself.
class UnreadVmTest : public LateNameTest {
 protected:
  UnreadVmTest() { name("web"); }

  /// A reading that was refused, with what was found elsewhere.
  void refuse(const VmKey& vm, const std::string& name = "") {
    IdentityReading reading{.process = ProcessState::lives};
    reading.identity.name = name;
    reading.identity.refused = true;
    table_.prepare({{vm, reading}});
  }
};

TEST_F(UnreadVmTest, AwaitsItsNameForLonger) {
  for (const auto age : {seconds(0), seconds(1), seconds(2), seconds(4), seconds(8), seconds(16)}) {
    EXPECT_EQ(table_.due(begin_ + age).size(), age == seconds(0) ? 0 : 1);
    refuse(vm_);
    identify_at(age);
    EXPECT_TRUE(table_.awaits_name(vm_));
  }
  identify_at(milliseconds(31'900));  // no look-up is due
  EXPECT_TRUE(table_.awaits_name(vm_));
  identify_at(seconds(32));
  EXPECT_EQ(table_.label(vm_), "web");
}

TEST_F(UnreadVmTest, ButNotForEver) {
  refuse(vm_);
  identify_at(seconds(0));
  refuse(vm_);
  identify_at(seconds(32));
  EXPECT_EQ(table_.label(vm_), "qemu-10");
}

TEST_F(UnreadVmTest, AwaitsItsNameAlsoIfItRanBeforeTheExporter) {
  process(11, 500, "old");
  const VmKey vm = key(11, 500);
  const std::vector<VmToIdentify> old = {{vm, "qemu", false}};
  refuse(vm);
  table_.identify(old, begin_);
  EXPECT_TRUE(table_.awaits_name(vm));
  table_.identify(old, begin_ + seconds(1));
  table_.assign_labels([](const VmKey&) { return false; });
  EXPECT_EQ(table_.label(vm), "old");
}

TEST_F(UnreadVmTest, AControlGroupsNameDoesNotReplaceIt) {
  refuse(vm_, "from-a-scope");
  identify_at(seconds(0));
  EXPECT_TRUE(table_.awaits_name(vm_));
}

TEST_F(UnreadVmTest, WhatIsKnownOfItStays) {
  identify_at(seconds(0));
  refuse(vm_);
  identify_at(seconds(90));
  EXPECT_EQ(table_.identity(vm_).name, "web");
}

}  // namespace
}  // namespace kvmx
