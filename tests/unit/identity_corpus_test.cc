// SPDX-License-Identifier: Apache-2.0
// The cases of tests/fixtures/identity, whose README.md describes the format. Each is a process as
// /proc, libvirt and the kubelet show it, with the identity that its VM must get.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/identity/identity_reader.h"
#include "exporter/identity/vm_label.h"
#include "exporter/identity/vmm/vmms.h"
#include "tests/unit/command_line_words.h"

#ifndef KVMX_FIXTURES
#error "define KVMX_FIXTURES as the path of tests/fixtures"
#endif

namespace kvmx {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kPid = 4242;
constexpr std::uint32_t kThread = 4250;

struct Case {
  std::string title;  ///< "FILE:LINE name"
  std::vector<std::string> argv;
  std::string comm;
  std::string executable;
  std::vector<std::string> cgroups;
  std::vector<std::string> thread_cgroups;
  std::string status;  ///< "DRIVER/DOMAIN.xml FILE", the second in status/
  std::string pod_directory;
  std::map<std::string, std::string, std::less<>> expected;
};

/// Splits at spaces. A word that begins with '"' goes on to the '"' before the next space or the
/// end; these two are not part of it.
std::vector<std::string> split_quoted(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    const bool quoted = text.front() == '"';
    if (quoted) text.remove_prefix(1);
    const std::size_t end = std::min(text.find(quoted ? "\" " : " "), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + (quoted ? 2 : 1), text.size()));
    if (quoted && text.empty() && word.ends_with('"')) word.remove_suffix(1);
    words.emplace_back(word);
  }
  return words;
}

void take_key(Case& read, const std::string& key, const std::string& value) {
  if (key == "argv") {
    for (std::string& word : split_quoted(value)) read.argv.push_back(std::move(word));
  } else if (key == "comm") {
    read.comm = value;
  } else if (key == "exe") {
    read.executable = value;
  } else if (key == "cgroup") {
    read.cgroups.push_back(value);
  } else if (key == "thread-cgroup") {
    read.thread_cgroups.push_back(value);
  } else if (key == "status") {
    read.status = value;
  } else if (key == "pod-directory") {
    read.pod_directory = value;
  } else if (key.starts_with("= ")) {
    read.expected[key.substr(2)] = value;
  } else {
    ADD_FAILURE() << read.title << ": no key \"" << key << '"';
  }
}

void read_cases(const fs::path& path, std::vector<Case>& cases) {
  std::ifstream file(path);
  std::string line;
  std::string key;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t colon = line.find(": ");
    if (line.starts_with("    ")) {
      take_key(cases.back(), key, line.substr(4));
    } else if (colon == line.npos) {
      ADD_FAILURE() << path << ":" << number << ": no \"key: value\"";
    } else if (key = line.substr(0, colon); key == "case") {
      cases.emplace_back().title =
          path.filename().string() + ":" + std::to_string(number) + " " + line.substr(colon + 2);
    } else {
      take_key(cases.back(), key, line.substr(colon + 2));
    }
  }
}

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = [] {
    std::vector<Case> read;
    for (const fs::directory_entry& entry :
         fs::directory_iterator(fs::path(KVMX_FIXTURES) / "identity"))
      if (entry.path().extension() == ".txt") read_cases(entry.path(), read);
    return read;
  }();
  return cases;
}

/// A host with the one process of a case.
class Host {
 public:
  explicit Host(const Case& c) {
    std::string command_line;
    for (const std::string& word : c.argv) command_line += word + '\0';
    write("proc/4242/cmdline", command_line);
    if (!c.comm.empty()) write("proc/4242/comm", c.comm + "\n");
    if (!c.executable.empty()) fs::create_symlink(c.executable, root_ / "proc/4242/exe");
    write("proc/4242/cgroup", lines(c.cgroups));
    write("proc/4242/task/4242/cgroup", lines(c.cgroups));
    if (!c.thread_cgroups.empty())
      write("proc/4242/task/" + std::to_string(kThread) + "/cgroup", lines(c.thread_cgroups));
    if (!c.status.empty()) copy_status(c);
    if (!c.pod_directory.empty()) fs::create_directories(root_ / "logs" / c.pod_directory);
  }
  ~Host() { fs::remove_all(root_); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] VmIdentity read() const {
    return IdentityReader({root_ / "proc", root_ / "libvirt", root_ / "logs", root_ / "names"})
        .read(kPid);
  }

 private:
  static std::string lines(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += text + "\n";
    return all;
  }

  void write(const fs::path& path, std::string_view text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }

  void copy_status(const Case& c) const {
    const std::vector<std::string> words = split_quoted(c.status);
    ASSERT_EQ(words.size(), 2U) << c.title;
    const fs::path source = fs::path(KVMX_FIXTURES) / "identity/status" / words[1];
    ASSERT_TRUE(fs::exists(source)) << c.title;
    fs::create_directories((root_ / "libvirt" / words[0]).parent_path());
    fs::copy_file(source, root_ / "libvirt" / words[0]);
  }

  const fs::path root_ =
      fs::temp_directory_path() / ("kvmx-identity-corpus-" + std::to_string(::getpid()));
};

/// What the labels of kvm_vm_info and `vm` come from, without those that are empty.
std::map<std::string, std::string, std::less<>> fields_of(const VmIdentity& vm,
                                                          const std::string& comm) {
  const std::string title = vm.title();
  const std::vector<VmToLabel> alone = {{.tgid = kPid, .name = title, .comm = comm}};
  std::map<std::string, std::string, std::less<>> fields = {{"vm", vm_labels(alone)[0].text},
                                                            {"name", vm.name},
                                                            {"display-name", vm.display_name},
                                                            {"uuid", vm.uuid},
                                                            {"vmm", vm.vmm},
                                                            {"id", vm.id},
                                                            {"domain", vm.domain},
                                                            {"kube-name", vm.kube_name},
                                                            {"namespace", vm.kube_namespace},
                                                            {"pod", vm.pod},
                                                            {"project", vm.project},
                                                            {"user", vm.user}};
  std::erase_if(fields, [](const auto& field) { return field.second.empty(); });
  return fields;
}

TEST(IdentityCorpus, EachProcessHasItsIdentity) {
  for (const Case& c : all_cases()) {
    const Host host(c);
    EXPECT_EQ(fields_of(host.read(), c.comm), c.expected) << c.title;
  }
}

TEST(IdentityCorpus, HasHundredsOfCasesOfEveryVmm) {
  std::map<std::string, int, std::less<>> of_vmm;
  for (const Case& c : all_cases())
    if (const auto vmm = c.expected.find("vmm"); vmm != c.expected.end()) ++of_vmm[vmm->second];
  EXPECT_GE(all_cases().size(), 400U);
  for (const Vmm* vmm : vmms()) EXPECT_GE(of_vmm[std::string(vmm->name)], 5) << vmm->name;
}

TEST(IdentityCorpus, TitlesAreDistinct) {
  std::set<std::string> names;
  for (const Case& c : all_cases())
    EXPECT_TRUE(names.insert(c.title.substr(c.title.find(' '))).second) << c.title;
}

}  // namespace
}  // namespace kvmx
