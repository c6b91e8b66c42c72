// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "exporter/base/clock.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

/// A /proc of our own, and VMs that run or have ended in it.
class IdentityTableTest : public testing::Test {
 protected:
  IdentityTableTest() { fs::create_directories(root_); }
  ~IdentityTableTest() override { fs::remove_all(root_); }

  void process(std::uint32_t pid, std::uint64_t start_ticks, const std::string& name) {
    const fs::path directory = root_ / std::to_string(pid);
    fs::create_directories(directory);
    std::string command_line = "/usr/bin/qemu-system-x86_64 -name guest=" + name + " ";
    for (char& c : command_line)
      if (c == ' ') c = '\0';
    std::ofstream(directory / "cmdline") << command_line;
    std::ofstream(directory / "stat")
        << pid << " (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " << start_ticks << " 0 0\n";
  }

  static VmKey key(std::uint32_t pid, std::uint64_t start_ticks, std::uint64_t kvm = 1) {
    return {pid, start_ticks * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)) + 5, kvm};
  }

  void end(std::uint32_t pid) { fs::remove_all(root_ / std::to_string(pid)); }

  /// Identifies `vms`, those that have ended from what it sees of their processes.
  std::vector<IdentityTable::ProcessSighting> identify(const std::vector<VmKey>& vms) {
    return identify(table_, vms);
  }

  std::vector<IdentityTable::ProcessSighting> identify(IdentityTable& table,
                                                       const std::vector<VmKey>& vms) {
    std::vector<VmToIdentify> wanted;
    for (const VmKey& vm : vms) wanted.push_back({vm, "qemu", ended(vm)});
    auto sightings = table.identify(wanted);
    for (const auto& [vm, state] : sightings)
      if (state == ProcessState::gone) ended_.push_back(vm);
    table.assign_labels([this](const VmKey& vm) { return ended(vm); });
    return sightings;
  }

  bool ended(const VmKey& vm) const { return std::ranges::find(ended_, vm) != ended_.end(); }

  const std::string& label(const VmKey& vm) const { return table_.label(vm); }
  const std::string& name(const VmKey& vm) const { return table_.identity(vm).name; }

  const fs::path root_ =
      fs::temp_directory_path() / ("kvmx-identity-table-" + std::to_string(::getpid()));
  std::vector<VmKey> ended_;
  IdentityTable table_{{.proc = root_}, std::chrono::seconds(0)};  // read again every time
};

TEST_F(IdentityTableTest, ALiveVmHasItsName) {
  process(10, 500, "web");
  const VmKey vm = key(10, 500);
  EXPECT_EQ(identify({vm}).at(0), std::pair(vm, ProcessState::lives));
  EXPECT_EQ(label(vm), "web");
  EXPECT_EQ(table_.identity(vm).vmm, "qemu");
}

TEST_F(IdentityTableTest, AReusedProcessIdIsNotBelieved) {
  process(10, 900, "another");
  const VmKey vm = key(10, 500);
  EXPECT_EQ(identify({vm}).at(0), std::pair(vm, ProcessState::gone));
  EXPECT_EQ(label(vm), "qemu-10");
}

TEST_F(IdentityTableTest, VmsOfOneNameHaveDistinctLabels) {
  process(10, 500, "web");
  process(11, 600, "web");
  identify({key(10, 500), key(11, 600)});
  EXPECT_EQ(label(key(10, 500)), "web@10");
  EXPECT_EQ(label(key(11, 600)), "web@11");
}

TEST_F(IdentityTableTest, KeepsDisambiguatedLabel) {
  process(10, 500, "web");
  process(11, 600, "web");
  identify({key(10, 500), key(11, 600)});
  end(10);
  ended_.push_back(key(10, 500));
  identify({key(10, 500), key(11, 600)});
  EXPECT_EQ(label(key(11, 600)), "web@11");
  identify({key(11, 600)});
  EXPECT_EQ(label(key(11, 600)), "web@11");
}

TEST_F(IdentityTableTest, ARestartedVmKeepsItsNameHoweverQuickItIs) {
  process(10, 500, "web");
  identify({key(10, 500)});
  end(10);  // and nobody has noticed
  process(11, 600, "web");
  identify({key(10, 500), key(11, 600)});
  EXPECT_TRUE(ended(key(10, 500)));
  EXPECT_EQ(label(key(10, 500)), "web@10");
  EXPECT_EQ(label(key(11, 600)), "web");
}

TEST_F(IdentityTableTest, LooksOnlyAtProcessesOfTheNewName) {
  IdentityTable patient({.proc = root_}, std::chrono::hours(1));
  for (std::uint32_t pid = 10; pid < 20; ++pid) process(pid, 500, pid < 12 ? "web" : "other");
  std::vector<VmKey> vms;
  for (std::uint32_t pid = 10; pid < 20; ++pid) vms.push_back(key(pid, 500));
  identify(patient, vms);
  process(20, 500, "web");
  vms.push_back(key(20, 500));
  for (const auto& [vm, state] : identify(patient, vms))
    EXPECT_TRUE(vm.tgid < 12 || vm.tgid == 20) << vm.tgid;
}

TEST_F(IdentityTableTest, ARewrittenCommandLineIsReadButTheLabelStays) {
  process(10, 500, "web");
  const VmKey vm = key(10, 500);
  identify({vm});
  for (const std::string rewritten : {"db", "other", ""}) {
    process(10, 500, rewritten);
    identify({vm});
    EXPECT_EQ(name(vm), rewritten);
    EXPECT_EQ(label(vm), "web");
  }
}

TEST_F(IdentityTableTest, ANameThatComesAfterTheLabelDoesNotChangeIt) {
  process(10, 500, "");
  const VmKey vm = key(10, 500);
  identify({vm});
  EXPECT_EQ(label(vm), "qemu-10");
  process(10, 500, "web");
  identify({vm});
  EXPECT_EQ(name(vm), "web");
  EXPECT_EQ(label(vm), "qemu-10");
}

TEST_F(IdentityTableTest, ARenamedProcessDoesNotChangeTheLabel) {
  process(10, 500, "");
  const VmKey vm = key(10, 500);
  for (const std::string comm : {"x1", "x2", "x3"}) {
    const std::vector<VmToIdentify> vms = {{vm, comm}};
    table_.identify(vms);
    table_.assign_labels([](const VmKey&) { return false; });
    EXPECT_EQ(label(vm), "x1-10");
  }
}

TEST_F(IdentityTableTest, ALaterVmOfTheSameNameDoesNotChangeTheFirstsLabel) {
  process(10, 500, "web");
  identify({key(10, 500)});
  process(11, 600, "web");
  identify({key(10, 500), key(11, 600)});
  EXPECT_EQ(label(key(10, 500)), "web");
  EXPECT_EQ(label(key(11, 600)), "web@11");
  process(12, 700, "web@11");
  identify({key(10, 500), key(11, 600), key(12, 700)});
  EXPECT_EQ(label(key(11, 600)), "web@11");
  EXPECT_EQ(label(key(12, 700)), "web@11@12");
}

TEST_F(IdentityTableTest, OrdinalsOfAProcessAreUsedAgain) {
  process(10, 500, "web");
  const auto vm = [](std::uint64_t kvm) { return key(10, 500, kvm); };
  identify({vm(1), vm(2), vm(3)});
  EXPECT_EQ(label(vm(1)), "web@10/0");
  EXPECT_EQ(label(vm(3)), "web@10/2");
  identify({vm(1), vm(3)});
  identify({vm(1), vm(3), vm(4), vm(5)});
  EXPECT_EQ(label(vm(3)), "web@10/2");
  std::set<std::string> labels;
  for (const std::uint64_t kvm : {1, 3, 4, 5}) labels.insert(label(vm(kvm)));
  EXPECT_EQ(labels.size(), 4U);
}

TEST_F(IdentityTableTest, ThousandsOfOneNameAreQuick) {
  process(10, 500, "web");
  std::vector<VmKey> vms;
  std::map<VmKey, IdentityReading> readings;
  for (std::uint64_t kvm = 1; kvm <= 2000; ++kvm) vms.push_back(key(10, 500, kvm));
  for (const VmKey& vm : vms) readings.emplace(vm, table_.read(vm));
  const auto began = std::chrono::steady_clock::now();
  table_.prepare(std::move(readings));
  identify(vms);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  EXPECT_EQ(label(vms.back()), "web@10/1999");
}

TEST_F(IdentityTableTest, WhatWasReadBeforeIsNotReadAgain) {
  process(10, 500, "web");
  const VmKey vm = key(10, 500);
  std::map<VmKey, IdentityReading> readings;
  readings.emplace(vm, table_.read(vm));
  end(10);
  table_.prepare(std::move(readings));
  EXPECT_EQ(identify({vm}).at(0).second, ProcessState::lives);
  EXPECT_EQ(label(vm), "web");
}

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
  table_.identify(vms, begin_);
  for (std::uint32_t pid = 10; pid < 50; ++pid) process(pid, start_, "vm" + std::to_string(pid));
  table_.identify(vms, begin_ + seconds(1));
  for (const VmToIdentify& vm : vms) EXPECT_FALSE(table_.awaits_name(vm.key));
}

TEST_F(LateNameTest, AVmThatRanBeforeTheExporterIsExportedAtOnce) {
  process(11, 500, "");
  const std::vector<VmToIdentify> old = {{key(11, 500), "qemu", false}};
  table_.identify(old, begin_);
  EXPECT_FALSE(table_.awaits_name(old[0].key));
}

TEST_F(IdentityTableTest, ANameOfAReusedProcessIdIsNotTakenLater) {
  process(10, 500, "web");
  const VmKey vm = key(10, 500);
  identify({vm});
  process(10, 900, "another");
  EXPECT_EQ(identify({vm}).at(0).second, ProcessState::gone);
  EXPECT_EQ(name(vm), "web");
}

TEST_F(IdentityTableTest, ReadsAgainOnlyAfterAWhileAndAFewAtATime) {
  IdentityTable patient({.proc = root_}, std::chrono::hours(1));
  std::vector<VmKey> vms;
  for (std::uint32_t pid = 10; pid < 50; ++pid) {
    process(pid, 500, "old" + std::to_string(pid));
    vms.push_back(key(pid, 500));
  }
  identify(patient, vms);
  identify(vms);
  for (std::uint32_t pid = 10; pid < 50; ++pid) process(pid, 500, "new" + std::to_string(pid));
  const auto renewed = [&](const IdentityTable& table) {
    return std::ranges::count_if(
        vms, [&](const VmKey& vm) { return table.identity(vm).name.starts_with("new"); });
  };
  identify(patient, vms);
  EXPECT_EQ(renewed(patient), 0);
  identify(vms);
  EXPECT_EQ(renewed(table_), 2);
}

TEST_F(IdentityTableTest, VmsOfOneProcessHaveDistinctLabels) {
  process(10, 500, "web");
  identify({key(10, 500, 1), key(10, 500, 2)});
  EXPECT_NE(label(key(10, 500, 1)), label(key(10, 500, 2)));
}

TEST_F(IdentityTableTest, TheNameOutlivesTheProcess) {
  process(10, 500, "web");
  const VmKey vm = key(10, 500);
  identify({vm});
  end(10);
  identify({vm});
  identify({vm});
  EXPECT_TRUE(ended(vm));
  EXPECT_EQ(label(vm), "web");
}

TEST_F(IdentityTableTest, WhatCouldNotBeReadIsReadAgain) {
  fs::create_directories(root_ / "10" / "stat");  // which cannot be read
  IdentityTable patient({.proc = root_}, std::chrono::hours(1));
  const VmKey vm = key(10, 500);
  EXPECT_EQ(identify(patient, {vm}).at(0).second, ProcessState::unknown);
  fs::remove(root_ / "10" / "stat");
  process(10, 500, "web");
  identify(patient, {vm});
  EXPECT_EQ(patient.label(vm), "web");
}

TEST_F(IdentityTableTest, WhatIsNoLongerCountedIsForgotten) {
  process(10, 500, "web");
  process(11, 600, "web");
  identify({key(10, 500), key(11, 600)});
  identify({});
  identify({key(11, 600)});
  EXPECT_EQ(label(key(11, 600)), "web");
}

}  // namespace
}  // namespace kvmx
