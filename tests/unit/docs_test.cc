// SPDX-License-Identifier: Apache-2.0
// The tables of the documentation against the program: flags against the ones that it parses,
// metrics against the golden page.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/flags.h"
#include "exporter/metrics/write_exposition.h"
#include "tests/bench/host.h"

namespace kvmx {
namespace {

std::string read_source(const std::string& path) {
  std::ifstream file(std::string(KVMX_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The cells of a table's row, "| a | b |", without backquotes.
std::vector<std::string> cells_of(std::string_view row) {
  std::vector<std::string> cells;
  row.remove_prefix(1);
  while (!row.empty()) {
    const std::size_t end = std::min(row.find('|'), row.size());
    std::string cell(row.substr(0, end));
    row.remove_prefix(std::min(row.size(), end + 1));
    std::erase(cell, '`');
    const std::size_t first = cell.find_first_not_of(' ');
    cells.push_back(
        first == cell.npos ? "" : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
  }
  return cells;
}

using Table = std::map<std::string, std::vector<std::string>>;

/// The table of a page whose first column is called `key`, by that column.
Table table_of(const std::string& path, std::string_view key) {
  Table table;
  bool inside = false;
  std::istringstream lines(read_source(path));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('|')) {
      inside = false;
      continue;
    }
    std::vector<std::string> cells = cells_of(line);
    if (cells[0] == key) {
      inside = true;
    } else if (inside && !cells[0].starts_with("---")) {
      const std::string name = cells[0];
      EXPECT_TRUE(table.emplace(name, std::move(cells)).second) << name << " is there twice";
    }
  }
  return table;
}

/// What the table must say of a flag's default.
std::string default_of(const FlagDescription& flag, const std::string& in_table) {
  for (const std::string word : {"on", "none"})
    if (flag.help.find("(default: " + word + ")") != std::string::npos) return word;
  if (!flag.fallback.empty()) return flag.fallback;
  // For the others the program has no text: a flag is off, an option is empty.
  const std::set<std::string> words =
      flag.value.empty() ? std::set<std::string>{"", "off"} : std::set<std::string>{"none", "all"};
  return words.contains(in_table) ? in_table : *words.rbegin();
}

void compare(const FlagReference& reference, const std::string& key) {
  Table table = table_of("deploy/configuration.md", key);
  for (const FlagDescription& flag : reference.flags) {
    const auto row = table.extract(flag.written);
    ASSERT_FALSE(row.empty()) << flag.written << " is not in the table";
    EXPECT_EQ(row.mapped()[1], default_of(flag, row.mapped()[1])) << row.key();
  }
  for (const auto& [name, cells] : table) ADD_FAILURE() << name << " is no flag";
}

TEST(FlagTable, HasEveryFlagAndItsDefault) {
  const FlagReference reference = describe_flags();
  compare(reference, "flag");
  ASSERT_EQ(reference.commands.size(), 2U);
  for (const FlagReference& command : reference.commands)
    compare(command, "flag of " + command.name);
}

/// Type and labels of a family, as the table of metrics has them.
struct FamilyRow {
  std::string type;
  std::string labels;

  bool operator==(const FamilyRow&) const = default;
};

std::ostream& operator<<(std::ostream& out, const FamilyRow& row) {
  return out << row.type << " {" << row.labels << "}";
}

/// The names of a sample's labels, in order, without le: R"(a{b="c",d="e"} 1)" gives "b d". A value
/// may contain anything, quotes with a backslash before them.
std::string label_names(std::string_view sample) {
  std::string names;
  std::size_t at = sample.find_first_of("{ ");
  if (sample[at] == ' ') return names;
  for (++at; sample[at] != '}';) {
    const std::size_t equals = sample.find('=', at);
    const std::string_view name = sample.substr(at, equals - at);
    if (name != "le") names += (names.empty() ? "" : " ") + std::string(name);
    for (at = equals + 2; sample[at] != '"'; ++at)
      if (sample[at] == '\\') ++at;
    ++at;
    if (sample[at] == ',') ++at;
  }
  return names;
}

std::map<std::string, FamilyRow> families_of(const std::string& page) {
  std::map<std::string, FamilyRow> families;
  std::string family;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string type;
      words >> family >> type;
      families[family].type = type;
    } else if (!line.starts_with('#') && !line.empty()) {
      families.at(family).labels = label_names(line);
    }
  }
  return families;
}

std::string without_text(std::string text, std::string_view part) {
  for (std::size_t at; (at = text.find(part)) != text.npos;) text.erase(at, part.size());
  return text;
}

TEST(MetricTable, HasEveryFamilyWithItsTypeAndLabels) {
  std::map<std::string, FamilyRow> documented;
  for (const auto& [name, cells] : table_of("exporter/metrics/README.md", "metric"))
    documented[name] = {cells[1], without_text(cells[2], "(vcpu) ")};
  for (auto& [name, row] : documented) row.labels = without_text(row.labels, " (vcpu)");
  const auto exported = families_of(read_source("tests/golden/metrics.txt"));
  for (const auto& [name, row] : exported) {
    EXPECT_TRUE(documented.contains(name)) << name << " is not in the table";
    EXPECT_EQ(documented[name], row) << name;
  }
  for (const auto& [name, row] : documented)
    EXPECT_TRUE(exported.contains(name)) << name << " is no family";
}

TEST(MetricTable, HasVcpuInParenthesesWhereOnlyPerVcpuAllGivesIt) {
  const bench::Host host({.vms = 1, .vcpus = 1, .reasons = 2, .msrs = 1, .others = true});
  SlotReader reader([] { return 0; });
  const Snapshot snapshot = host.snapshot(reader);
  const auto page = [&](PerVcpu per_vcpu) {
    return families_of(render_exposition(snapshot, {}, {.per_vcpu = per_vcpu}).text);
  };
  std::set<std::string> only_with_all;
  const auto by_default = page(PerVcpu::counts);
  for (const auto& [name, row] : page(PerVcpu::all))
    if (row != by_default.at(name)) only_with_all.insert(name);
  std::set<std::string> in_parentheses;
  for (const auto& [name, cells] : table_of("exporter/metrics/README.md", "metric"))
    if (cells[2].find("(vcpu)") != cells[2].npos) in_parentheses.insert(name);
  EXPECT_EQ(in_parentheses, only_with_all);
  EXPECT_FALSE(only_with_all.empty());
}

TEST(MetricReference, KnowsHowManyMsrsHaveACounterOfTheirOwn) {
  const std::string page = read_source("exporter/metrics/README.md");
  EXPECT_NE(page.find(std::to_string(KVMX_FIXED_MSRS) + " well-known MSRs"), page.npos);
}

}  // namespace
}  // namespace kvmx
