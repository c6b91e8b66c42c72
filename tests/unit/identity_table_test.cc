// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_table.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "exporter/base/unique_fd.h"
#include "tests/unit/own_proc.h"

namespace kvmx {
namespace {

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

/// How often files of our own /proc have been opened.
class Opens {
 public:
  explicit Opens(const fs::path& file) : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    // Two of a kind that follow each other would be told as one.
    EXPECT_GE(::inotify_add_watch(fd_.get(), file.c_str(), IN_OPEN | IN_CLOSE), 0);
  }

  /// Since this was last asked.
  int count() {
    alignas(inotify_event) std::array<char, 4096> events;
    int opens = 0;
    ssize_t size = 0;
    while ((size = ::read(fd_.get(), events.data(), events.size())) > 0) {
      for (ssize_t at = 0; at < size;) {
        const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + at);
        if (event->mask & IN_OPEN) ++opens;
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    return opens;
  }

 private:
  UniqueFd fd_;
};

TEST_F(IdentityTableTest, AProcessIsReadOnceForAllItsVms) {
  process(10, 500, "web");
  std::vector<VmKey> vms;
  for (std::uint64_t kvm = 1; kvm <= 2000; ++kvm) vms.push_back(key(10, 500, kvm));
  Opens command_line(root_ / "10/cmdline");
  Opens stat(root_ / "10/stat");
  identify(vms);
  EXPECT_EQ(command_line.count(), 1);
  EXPECT_EQ(stat.count(), 2) << "whether it is there, before and after";
  EXPECT_EQ(label(vms.back()), "web@10/1999");
  identify(vms);  // 1 + 2000 / 32 VMs are due again
  EXPECT_EQ(command_line.count(), 1);
}

TEST_F(IdentityTableTest, NothingIsReadOfAProcessThatIsAnother) {
  process(10, 900, "another");
  Opens command_line(root_ / "10/cmdline");
  EXPECT_EQ(identify({key(10, 500)}).at(0).second, ProcessState::gone);
  EXPECT_EQ(command_line.count(), 0);
}

TEST_F(IdentityTableTest, WhatThereWasNoTimeToReadIsReadNextAndTheOldestFirst) {
  std::vector<VmKey> vms;
  std::vector<VmToIdentify> wanted;
  for (std::uint32_t pid = 10; pid < 30; ++pid) {
    process(pid, 500, "vm" + std::to_string(pid));
    vms.push_back(key(pid, 500));
    wanted.push_back({vms.back(), "qemu", false});
  }
  IdentityTable patient({.proc = root_}, std::chrono::hours(1));
  const auto now = IdentityTable::Clock::now();
  const auto read = [&patient](std::span<const VmKey> due, int most) {
    patient.prepare(patient.read(due, [&most] { return most-- > 0; }));
  };
  read(patient.unknown(vms), 10);
  EXPECT_EQ(patient.identify(wanted, now).size(), 14U) << "it reads a few itself";
  EXPECT_TRUE(patient.awaits_name(vms.back()));
  process(1, 500, "later");  // and the first by its number
  wanted.insert(wanted.begin(), {key(1, 500), "qemu", false});
  const auto due = patient.due(now);
  EXPECT_EQ(due, std::vector<VmKey>(vms.begin() + 14, vms.end()));
  read(due, 100);
  EXPECT_EQ(patient.identify(wanted, now + std::chrono::seconds(1)).size(), 7U);
  patient.assign_labels([](const VmKey&) { return false; });
  EXPECT_EQ(patient.label(vms.back()), "vm29");
}

TEST_F(IdentityTableTest, WhatWasReadBeforeIsNotReadAgain) {
  process(10, 500, "web");
  const VmKey vm = key(10, 500);
  read_for(table_, std::vector{vm});
  end(10);
  const std::vector<VmToIdentify> wanted = {{vm, "qemu", false}};
  EXPECT_EQ(table_.identify(wanted).at(0).second, ProcessState::lives);
  table_.assign_labels([](const VmKey&) { return false; });
  EXPECT_EQ(label(vm), "web");
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
