// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/identity/vmm/name_in_path.h"
#include "exporter/identity/vmm/vmms.h"
#include "tests/unit/command_line_words.h"

namespace kvmx {
namespace {

struct VmmCase {
  WordList words;
  std::string_view name;
  std::string_view id;
};

std::ostream& operator<<(std::ostream& out, const VmmCase& c) { return print_words(out, c.words); }

class OtherVmm : public testing::TestWithParam<VmmCase> {};

TEST_P(OtherVmm, IsRead) {
  const auto identity = identify_words(GetParam().words);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name, GetParam().name);
  EXPECT_EQ(identity->id, GetParam().id);
  EXPECT_EQ(identity->title(), GetParam().name.empty() ? GetParam().id : GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(
    Firecracker, OtherVmm,
    testing::Values(
        VmmCase{{"firecracker", "--api-sock", "/tmp/a.sock", "--id", "vm-7"}, "", "vm-7"},
        VmmCase{{"firecracker", "--api-sock", "/run/x/vm1.sock"}, "", "vm1"},
        VmmCase{{"firecracker", "--no-api", "--config-file", "/etc/fc/web.json"}, "", "web"},
        VmmCase{{"/firecracker", "--id=vm-7", "--start-time-us=1"}, "", "vm-7"},
        VmmCase{{"firecracker", "--no-api", "--config-file", "config.json"}, "", ""},
        VmmCase{{"firecracker", "--id"}, "", ""},
        VmmCase{
            {"/fc-1.12", "--id", "a", "--start-time-us", "7", "--start-time-cpu-us", "3"}, "", "a"},
        VmmCase{{"/fc", "--id=a", "--start-time-us", "7"}, "", "a"},
        VmmCase{{"firecracker", "--id", "a", "--", "--id", "b"}, "", "a"}));

INSTANTIATE_TEST_SUITE_P(
    CloudHypervisor, OtherVmm,
    testing::Values(
        VmmCase{{"cloud-hypervisor", "--api-socket", "/run/ch/web.sock"}, "", "web"},
        VmmCase{{"cloud-hypervisor", "--api-socket=path=/run/ch/web.socket"}, "", "web"},
        VmmCase{{"cloud-hypervisor", "--api-socket", "web"}, "", "web"},
        VmmCase{{"cloud-hypervisor", "--api-socket", "/var/run/libvirt/ch/web-socket"}, "", "web"},
        VmmCase{{"cloud-hypervisor", "--api-socket", "fd=21", "--event-monitor",
                 "path=/var/run/libvirt/ch/web-1-event-monitor-fifo"},
                "web-1",
                ""},
        VmmCase{{"cloud-hypervisor", "--api-socket", "/run/vc/vm/0c52d31e/clh-api.sock"},
                "",
                "0c52d31e"},
        VmmCase{
            {"cloud-hypervisor", "--api-socket", "/run/kata/0c52d31e/ch-api.sock"}, "", "0c52d31e"},
        VmmCase{{"cloud-hypervisor", "--api-socket", "/root/ch.sock"}, "", ""},
        VmmCase{{"cloud-hypervisor", "--api-socket", "/tmp/cloud-hypervisor.sock"}, "", ""},
        VmmCase{{"cloud-hypervisor", "--api-socket", "/.sock"}, "", ""},
        VmmCase{{"cloud-hypervisor", "--api-socket", "--kernel", "k"}, "", ""},
        VmmCase{{"cloud-hypervisor", "--api-socket"}, "", ""},
        VmmCase{{"cloud-hypervisor", "--kernel", "vmlinux", "--event-monitor", "fd=3"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    Crosvm, OtherVmm,
    testing::Values(VmmCase{{"crosvm", "run", "--name", "arcvm", "bzImage"}, "arcvm", ""},
                    VmmCase{{"crosvm", "--log-level", "debug", "run", "--name=x", "k"}, "x", ""},
                    VmmCase{{"crosvm", "run", "-p", "--name", "k"}, "", ""},
                    VmmCase{{"crosvm", "run", "--params", "--name=x", "k"}, "", ""},
                    VmmCase{{"crosvm", "stop", "--name", "x"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    Kvmtool, OtherVmm,
    testing::Values(VmmCase{{"lkvm", "run", "--name", "t", "-k", "bzImage"}, "t", ""},
                    VmmCase{{"lkvm", "run", "-c", "4", "--name=t"}, "t", ""},
                    VmmCase{{"lkvm", "run", "-n", "mode=user", "-k", "k"}, "", ""},
                    VmmCase{{"lkvm", "run", "-p", "--name", "x"}, "", ""},
                    VmmCase{{"lkvm", "sandbox", "-d", "r", "--", "--name", "x"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    Dragonball, OtherVmm,
    testing::Values(VmmCase{{"/opt/kata/runtime-rs/bin/containerd-shim-kata-v2", "-id", "0c52d31e",
                             "-namespace", "k8s.io", "-address", "/run/c.sock"},
                            "",
                            "0c52d31e"},
                    VmmCase{{"containerd-shim-kata-v2", "-namespace", "k8s.io", "-id"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    Stratovirt, OtherVmm,
    testing::Values(
        VmmCase{{"stratovirt", "-disable-seccomp", "-name", "web", "-machine", "q35"}, "web", ""},
        VmmCase{{"stratovirt", "-name", "-daemonize"}, "", ""},
        VmmCase{{"stratovirt", "-name", "a,b", "-machine", "q35"}, "a,b", ""},
        VmmCase{{"stratovirt", "-name", "guest=a,,b,debug-threads=on"}, "a,b", ""},
        VmmCase{{"stratovirt", "--", "-name", "a"}, "", ""}, VmmCase{{"stratovirt"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    VirtualBox, OtherVmm,
    testing::Values(
        VmmCase{{"VBoxHeadless", "--comment", "web", "--startvm", kUuid}, "web", ""},
        VmmCase{{"VBoxHeadless", "--startvm", "web"}, "web", ""},
        VmmCase{{"VBoxHeadless", "--comment", "--startvm", "--startvm", kUuid}, "--startvm", ""},
        VmmCase{{"VBoxHeadless", "--startvm"}, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    AndroidEmulator, OtherVmm,
    testing::Values(
        VmmCase{{"/sdk/qemu-system-x86_64-headless", "-no-window", "-avd", "ci"}, "ci", ""},
        VmmCase{{"emulator", "@ci", "-id", "ci-2"}, "ci", "ci-2"},
        VmmCase{{"emulator", "-avd", "ci", "-qemu", "-avd", "x"}, "ci", ""}));

using Names = std::set<std::string, std::less<>>;

/// The values of the label `vmm` that the documentation lists.
Names documented_vmms() {
  std::ifstream file(KVMX_SOURCE_DIR "/exporter/identity/README.md");
  std::string row;
  while (std::getline(file, row) && !row.starts_with("| `vmm` |")) {
  }
  Names documented;
  row.erase(0, std::string_view("| `vmm` |").size());
  for (std::size_t at = row.find('`'); at != row.npos; at = row.find('`', at)) {
    const std::size_t end = row.find('`', at + 1);
    documented.insert(row.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return documented;
}

TEST(Vmms, AreTheDocumentedValuesOfTheLabel) {
  Names known;
  for (const Vmm* vmm : vmms()) known.emplace(vmm->name);
  EXPECT_EQ(documented_vmms(), known);
}

/// Words of the processes in tests/fixtures/identity: of all lines, whatever they mean there.
std::vector<std::string> words_of_the_corpus() {
  std::vector<std::string> words;
  for (const auto& entry : std::filesystem::directory_iterator(KVMX_FIXTURES "/identity")) {
    if (entry.path().extension() != ".txt") continue;
    std::ifstream file(entry.path());
    for (std::string word; file >> word;) words.push_back(word);
  }
  return words;
}

/// Processes made at random.
class RandomProcesses {
 public:
  explicit RandomProcesses(std::vector<std::string> words) : words_(std::move(words)) {}

  std::optional<VmIdentity> next() {
    std::string command_line = program();
    for (std::size_t i = below(12); i > 0; --i) command_line += '\0' + word();
    const std::string executable = below(2) == 0 ? "" : "/usr/bin/" + program();
    return identify(command_line, {executable, below(2) == 0 ? "" : program().substr(0, 15)});
  }

 private:
  std::size_t below(std::size_t most) { return dice_() % most; }

  /// A word, of which now and then some byte is another, or the end is missing.
  std::string word() {
    std::string word = words_[below(words_.size())];
    if (below(4) == 0) word[below(word.size())] = static_cast<char>(below(256));
    if (below(8) == 0) word.resize(below(word.size() + 1));
    return word;
  }

  /// Any word, or one that is or begins like the name of a VMM's program.
  std::string program() {
    const Vmm& vmm = *vmms()[below(vmms().size())];
    switch (below(4)) {
      case 0:
        return word();
      case 1:
        return "microvm@" + word();
      default:
        return std::string(vmm.programs[below(vmm.programs.size())].text) +
               (below(3) == 0 ? word() : "");
    }
  }

  std::vector<std::string> words_;
  std::mt19937 dice_{20'261};
};

TEST(Vmms, NoProcessGetsAnotherValueOfTheLabel) {
  const Names documented = documented_vmms();
  RandomProcesses processes(words_of_the_corpus());
  Names seen;
  for (int i = 0; i < 100'000; ++i) {
    const std::optional<VmIdentity> identity = processes.next();
    if (!identity) continue;
    ASSERT_TRUE(documented.contains(identity->vmm)) << *identity;
    seen.insert(identity->vmm);
  }
  EXPECT_EQ(seen, documented) << "each must have been tried";
}

TEST(NameInPath, SkipsNamesThatSayWhatAFileIsFor) {
  EXPECT_EQ(name_in_path("/run/x/vm1.sock"), "vm1");
  EXPECT_EQ(name_in_path("vm1"), "vm1");
  EXPECT_EQ(name_in_path("/srv/jail/vm1/root/run/firecracker.socket"), "vm1");
  EXPECT_EQ(name_in_path("/a/root/root/root/root/api.sock"), "");
  for (const std::string_view path : {"", "/", "///", ".sock", "/tmp/api.sock", "/run/vm/vm.sock",
                                      "/home/alice/ch.sock", "/run/user/1000/ch.sock"})
    EXPECT_EQ(name_in_path(path), "") << path;
}

TEST(Identify, AJailedFirecrackerIsOneWhateverItIsCalled) {
  const auto identity = identify_words({"/fc-1.12", "--id", "a", "--start-time-us", "7"});
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->vmm, "firecracker");
  EXPECT_FALSE(identify_words({"/bin/x", "--id", "a"}));
  EXPECT_FALSE(identify_words({"/bin/x", "--start-time-us", "7"}));
}

TEST(Identify, CloudHypervisorUnderLibvirtHasADomainAndMayHaveAUuid) {
  const std::string platform = "num_pci_segments=1,uuid=" + std::string(kUuid);
  const auto identity =
      identify_words({"cloud-hypervisor", "--event-monitor",
                      "path=/run/libvirt/ch/a-event-monitor-fifo", "--platform", platform});
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->domain, "a");
  EXPECT_EQ(identity->uuid, kUuid);
}

}  // namespace
}  // namespace kvmx
