// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace kvmx {
namespace {

namespace fs = std::filesystem;

/// A /proc of our own.
class VmTableTest : public testing::Test {
 protected:
  VmTableTest() { fs::create_directories(root_); }
  ~VmTableTest() override { fs::remove_all(root_); }

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

  void end(std::uint32_t pid) { fs::remove_all(root_ / std::to_string(pid)); }

  static VmCounts vm(std::uint32_t pid, std::uint64_t start_ticks, std::uint64_t kvm = 1) {
    VmCounts made;
    made.key = {pid, start_ticks * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)) + 5, kvm};
    made.comm = "qemu";
    return made;
  }

  const fs::path root_ =
      fs::temp_directory_path() / ("kvmx-vm-table-" + std::to_string(::getpid()));
  VmTable table_{{.proc = root_}, std::chrono::seconds(0)};  // read again every time
};

TEST_F(VmTableTest, ALivingVmHasItsName) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "web");
  EXPECT_EQ(vms[0].identity.vmm, "qemu");
  EXPECT_FALSE(vms[0].gone);
}

TEST_F(VmTableTest, AReusedProcessIdIsNotBelieved) {
  process(10, 900, "another");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "qemu-10");
  EXPECT_TRUE(vms[0].gone);
}

TEST_F(VmTableTest, NamesThatClashAreToldApart) {
  process(10, 500, "web");
  process(11, 600, "web");
  std::vector<VmCounts> vms = {vm(10, 500), vm(11, 600)};
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "web@10");
  EXPECT_EQ(vms[1].label, "web@11");
}

TEST_F(VmTableTest, WhoWasToldApartStaysSo) {
  process(10, 500, "web");
  process(11, 600, "web");
  std::vector<VmCounts> vms = {vm(10, 500), vm(11, 600)};
  table_.identify(vms);
  end(10);
  table_.notice_ended();
  table_.identify(vms);
  EXPECT_EQ(vms[1].label, "web@11");
  vms.erase(vms.begin());
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "web@11");
}

TEST_F(VmTableTest, ARestartedVmKeepsItsNameHoweverQuickItIs) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  end(10);  // and nobody has noticed
  process(11, 600, "web");
  vms.push_back(vm(11, 600));
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "web@10");
  EXPECT_TRUE(vms[0].gone);
  EXPECT_EQ(vms[1].label, "web");
}

TEST_F(VmTableTest, ARewrittenCommandLineIsReadButLabelsStay) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  for (const std::string name : {"db", "other", ""}) {
    process(10, 500, name);
    table_.identify(vms);
    EXPECT_EQ(vms[0].identity.name, name);
    EXPECT_EQ(vms[0].label, "web");
  }
}

TEST_F(VmTableTest, ANameThatComesLateIsTaken) {
  process(10, 500, "");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "qemu-10");
  process(10, 500, "web");
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "web");
}

TEST_F(VmTableTest, ANameOfAReusedProcessIdIsNotTakenLater) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  process(10, 900, "another");
  table_.identify(vms);
  EXPECT_EQ(vms[0].identity.name, "web");
  EXPECT_TRUE(vms[0].gone);
}

TEST_F(VmTableTest, ReadsAgainOnlyAfterAWhileAndAFewAtATime) {
  VmTable patient({.proc = root_}, std::chrono::hours(1));
  std::vector<VmCounts> vms;
  for (std::uint32_t pid = 10; pid < 50; ++pid) {
    process(pid, 500, "old" + std::to_string(pid));
    vms.push_back(vm(pid, 500));
  }
  patient.identify(vms);
  table_.identify(vms);
  for (std::uint32_t pid = 10; pid < 50; ++pid) process(pid, 500, "new" + std::to_string(pid));
  const auto renewed = [&] {
    return std::ranges::count_if(
        vms, [](const VmCounts& vm) { return vm.identity.name.starts_with("new"); });
  };
  patient.identify(vms);
  EXPECT_EQ(renewed(), 0);
  table_.identify(vms);
  EXPECT_EQ(renewed(), 2);
}

TEST_F(VmTableTest, VmsOfOneProcessAreToldApart) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500, 1), vm(10, 500, 2)};
  table_.identify(vms);
  EXPECT_NE(vms[0].label, vms[1].label);
}

TEST_F(VmTableTest, TheNameOutlivesTheProcess) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  end(10);
  table_.notice_ended();
  table_.identify(vms);
  EXPECT_EQ(vms[0].label, "web");
  EXPECT_TRUE(vms[0].gone);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_TRUE(table_.ended_before(vms[0].key, now + std::chrono::seconds(1)));
  EXPECT_FALSE(table_.ended_before(vms[0].key, now - std::chrono::seconds(60)));
}

TEST_F(VmTableTest, AVmMayEndBeforeItsProcess) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500, 1), vm(10, 500, 2)};
  table_.identify(vms);
  const auto asked = std::chrono::steady_clock::now() + std::chrono::hours(1);
  const ListedVcpu second = {10, vms[1].key.start_ns, 2, 0, "qemu"};
  table_.notice_listed({second}, asked);
  EXPECT_TRUE(table_.ended(vms[0].key));
  EXPECT_FALSE(table_.ended(vms[1].key));
  table_.identify(vms);
  EXPECT_TRUE(vms[0].gone);
  EXPECT_FALSE(vms[1].gone);

  // Another one in its place.
  const ListedVcpu first = {10, vms[0].key.start_ns, 1, 0, "qemu"};
  table_.notice_listed({first, second}, asked);
  EXPECT_FALSE(table_.ended(vms[0].key));
}

TEST_F(VmTableTest, AListFromBeforeAVmWasSeenTellsNothingOfIt) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  const auto asked = std::chrono::steady_clock::now() - std::chrono::milliseconds(1);
  table_.identify(vms);
  table_.notice_listed({}, asked);
  EXPECT_FALSE(table_.ended(vms[0].key));
}

TEST_F(VmTableTest, AThreadWithoutAVmEndsWithTheProcesssFirst) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500, 5)};
  table_.identify(vms);
  const VmKey thread = {10, vms[0].key.start_ns, 0};
  EXPECT_FALSE(table_.ended(thread));
  end(10);
  table_.notice_ended();
  EXPECT_TRUE(table_.ended(thread));
}

TEST_F(VmTableTest, WhatIsNoLongerCountedIsForgotten) {
  process(10, 500, "web");
  std::vector<VmCounts> vms = {vm(10, 500)};
  table_.identify(vms);
  std::vector<VmCounts> none;
  table_.identify(none);
  EXPECT_FALSE(table_.ended_before(vms[0].key, std::chrono::steady_clock::time_point::max()));
}

}  // namespace
}  // namespace kvmx
