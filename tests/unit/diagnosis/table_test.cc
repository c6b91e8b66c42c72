// SPDX-License-Identifier: Apache-2.0
// What the exporter finds in the guests of tests/rules/table.yml, of which tests/rules/expand.py
// sees what alerts fire.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

/// Long enough for a guest to be known as one that never halts.
constexpr double kSeconds = 80;

constexpr std::pair<const char*, double Doing::*> kRates[] = {
    {"programs", &Doing::programs},
    {"arms", &Doing::arms},
    {"halts", &Doing::halts},
    {"halted", &Doing::halted},
    {"polled", &Doing::polled},
    {"exits", &Doing::exits},
    {"exit_us", &Doing::exit_us},
    {"msr", &Doing::msr},
    {"userspace_exits", &Doing::userspace_exits},
    {"vmm_us", &Doing::vmm_us},
    {"cpu", &Doing::cpu},
    {"waits", &Doing::waits},
};

Doing read_doing(const YAML::Node& each) {
  Doing doing;
  std::size_t known = 0;
  for (const auto& [name, rate] : kRates)
    if (const YAML::Node value = each[name]) {
      doing.*rate = value.as<double>();
      ++known;
    }
  EXPECT_EQ(known, each.size()) << each;
  return doing;
}

Guest read_guest(const YAML::Node& row) {
  Guest guest = guest_of(row["vcpus"].as<std::size_t>(), read_doing(row["each"]));
  const auto more = [&guest](std::size_t vcpus, const Doing& doing) {
    guest.vcpus.insert(guest.vcpus.end(), vcpus, doing);
  };
  if (const YAML::Node others = row["others"])
    more(others["vcpus"].as<std::size_t>(), read_doing(others["each"]));
  more(row["parked"].as<std::size_t>(0), {});
  for (const auto& line : row["lines"])
    guest.lines[line.first.as<std::uint32_t>()] = line.second.as<double>();
  return guest;
}

TEST(TableOfGuests, FindsWhatItSays) {
  const YAML::Node rows = YAML::LoadFile(KVMX_SOURCE_DIR "/tests/rules/table.yml");
  EXPECT_GT(rows.size(), 25U);
  for (const YAML::Node& row : rows) {
    SCOPED_TRACE(row["guest"].as<std::string>());
    SimulatedHost host;
    host.run(1, read_guest(row));
    host.pass(kSeconds);
    const auto finds = row["finds"].as<std::vector<std::string>>();
    EXPECT_EQ(host.findings(1), std::set<std::string>(finds.begin(), finds.end()));
  }
}

}  // namespace
}  // namespace kvmx
