// SPDX-License-Identifier: Apache-2.0
// A /proc of our own, and VMs that run or have ended in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "exporter/identity/identity_table.h"

namespace kvmx {

namespace fs = std::filesystem;

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
    read_for(table, vms);
    std::vector<VmToIdentify> wanted;
    for (const VmKey& vm : vms) wanted.push_back({vm, "qemu", ended(vm)});
    auto sightings = table.identify(wanted);
    for (const auto& [vm, state] : sightings)
      if (state == ProcessState::gone) ended_.push_back(vm);
    table.assign_labels([this](const VmKey& vm) { return ended(vm); });
    return sightings;
  }

  /// Reads who these VMs are, and the others that are due, before the table is asked for them.
  static void read_for(IdentityTable& table, std::span<const VmKey> vms,
                       IdentityTable::Clock::time_point now = IdentityTable::Clock::now()) {
    for (const auto& wanted : {table.unknown(vms), table.due(now)})
      table.prepare(table.read(wanted, [] { return true; }));
  }

  bool ended(const VmKey& vm) const { return std::ranges::find(ended_, vm) != ended_.end(); }

  const std::string& label(const VmKey& vm) const { return table_.label(vm); }
  const std::string& name(const VmKey& vm) const { return table_.identity(vm).name; }

  const fs::path root_ =
      fs::temp_directory_path() / ("kvmx-identity-table-" + std::to_string(::getpid()));
  std::vector<VmKey> ended_;
  IdentityTable table_{{.proc = root_}, std::chrono::seconds(0)};  // read again every time
};

}  // namespace kvmx
