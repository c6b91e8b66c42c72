// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/unit/command_line_words.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kPid = 4242;
#define POD_UID "3c1f8a52-7b1e-4c7d-9a55-0f1d2e3c4b5a"
#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
constexpr std::string_view kPodCgroup = "0::/kubepods/burstable/pod" POD_UID "/" CONTAINER "\n";

/// A host of our own.
class IdentityReaderTest : public testing::Test {
 protected:
  ~IdentityReaderTest() override { fs::remove_all(root_); }

  void write(const fs::path& path, std::string_view text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  void process(const WordList& words, std::string_view cgroup = "0::/\n") const {
    write("proc/4242/cmdline", cmdline(words));
    write("proc/4242/cgroup", cgroup);
  }

  void libvirt_status(const fs::path& file, std::string_view domain, int pid = kPid) const {
    write("libvirt" / file, "<domstatus state='running' pid='" + std::to_string(pid) +
                                "'><domain type='kvm'>" + std::string(domain) +
                                "</domain></domstatus>\n");
  }

  void pod_directory(const std::string& name) const {
    fs::create_directories(root_ / "logs" / name);
  }

  [[nodiscard]] VmIdentity read() const {
    return IdentityReader({root_ / "proc", root_ / "libvirt", root_ / "logs", root_ / "names"})
        .read(kPid);
  }

  const fs::path root_ =
      fs::temp_directory_path() / ("kvmx-identity-reader-" + std::to_string(::getpid()));
};

const WordList kLibvirt = {"/usr/bin/qemu-system-x86_64", "-name", "guest=instance-000001a3",
                           "-chardev", "socket,id=charmonitor,fd=33"};

TEST_F(IdentityReaderTest, OfNoProcessNothingIsKnown) { EXPECT_EQ(read(), VmIdentity()); }

TEST_F(IdentityReaderTest, ACommandLineIsEnough) {
  write("proc/4242/cmdline", cmdline({"qemu-kvm", "-name", "web", "-uuid", kUuid}));
  EXPECT_EQ(read(), qemu("web", kUuid));
}

TEST_F(IdentityReaderTest, LibvirtTellsTheDisplayName) {
  process(kLibvirt);
  VmIdentity expected = qemu("instance-000001a3");
  expected.domain = "instance-000001a3";
  EXPECT_EQ(read(), expected);

  const std::string head =
      "<name>instance-000001a3</name><uuid>" + std::string(kUuid) + "</uuid><title>T\n1</title>";
  libvirt_status("qemu/instance-000001a3.xml", head);
  expected.uuid = kUuid;
  expected.has_status = true;
  expected.display_name =
      "T\xEF\xBF\xBD"
      "1";
  EXPECT_EQ(read(), expected);

  libvirt_status("qemu/instance-000001a3.xml",
                 head +
                     "<metadata><nova:instance "
                     "xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>"
                     "<nova:name>shop</nova:name></nova:instance></metadata>");
  expected.display_name = "shop";
  EXPECT_EQ(read(), expected);
}

TEST_F(IdentityReaderTest, CloudHypervisorsDomainsAreElsewhere) {
  process({"cloud-hypervisor", "--event-monitor", "path=/run/libvirt/ch/a-event-monitor-fifo"});
  libvirt_status("qemu/a.xml", "<name>a</name><title>wrong</title>");
  libvirt_status("ch/a.xml", "<name>a</name><title>right</title>");
  EXPECT_EQ(read().display_name, "right");
}

TEST_F(IdentityReaderTest, ReadsCopiesWhereItMayNotReadTheOriginals) {
  process({"qemu-kvm", "-name", "guest=a_b", "-chardev", "socket,id=charmonitor,fd=33", "-smbios",
           "type=1,family=KubeVirt"},
          kPodCgroup);
  write("names/libvirt/qemu/a_b.xml",
        "<domstatus pid='4242'><domain><name>a_b</name><title>copy</title><devices>\n");
  fs::create_directories(root_ / "names/pods/a_launcher_" POD_UID);
  EXPECT_EQ(read().display_name, "copy");
  EXPECT_EQ(read().pod, "launcher");
  libvirt_status("qemu/a_b.xml", "<name>a_b</name><title>original</title>");
  EXPECT_EQ(read().display_name, "original");
}

TEST_F(IdentityReaderTest, TheStatusOfAnotherProcessIsNotBelieved) {
  process(kLibvirt);
  libvirt_status("qemu/instance-000001a3.xml", "<name>instance-000001a3</name><title>x</title>", 1);
  EXPECT_EQ(read().display_name, "");
}

TEST_F(IdentityReaderTest, ANameIsNoPath) {
  libvirt_status("elsewhere/x.xml", "<name>x</name><title>x</title>");
  fs::create_directories(root_ / "libvirt/qemu");
  process({"qemu-kvm", "-name", "../elsewhere/x", "-chardev", "socket,id=charmonitor,fd=33"});
  EXPECT_EQ(read().domain, "../elsewhere/x");
  EXPECT_EQ(read().display_name, "");
}

TEST_F(IdentityReaderTest, APodHasItsUidAndWhereTheKubeletTellsItsName) {
  process({"qemu-kvm", "-name", "guest=team-a_web", "-smbios", "type=1,family=KubeVirt"},
          kPodCgroup);
  VmIdentity expected = qemu("team-a_web");
  expected.kube_namespace = "team-a";
  expected.kube_name = "web";
  expected.pod = POD_UID;
  expected.id = CONTAINER;
  EXPECT_EQ(read(), expected);

  pod_directory("team-b_other_00000000-7b1e-4c7d-9a55-0f1d2e3c4b5a");
  pod_directory("team-a_virt-launcher-web-x7k2p_" POD_UID);
  expected.pod = "virt-launcher-web-x7k2p";
  EXPECT_EQ(read(), expected);
  EXPECT_EQ(read().title(), "team-a_web");
}

TEST_F(IdentityReaderTest, AKataPodIsCalledByItsName) {
  process(
      {"/opt/kata/bin/cloud-hypervisor", "--api-socket", "/run/vc/vm/" CONTAINER "/clh-api.sock"},
      kPodCgroup);
  EXPECT_EQ(read().title(), CONTAINER);
  pod_directory("team-a_web-0_" POD_UID);
  EXPECT_EQ(read().id, CONTAINER);
  EXPECT_EQ(read().kube_namespace, "team-a");
  EXPECT_EQ(read().pod, "web-0");
  EXPECT_EQ(read().title(), "team-a_web-0");
}

TEST_F(IdentityReaderTest, CgroupsNameWhatTheCommandLineDoesNot) {
  process({"/usr/bin/vmm"}, R"(0::/machine.slice/machine-qemu\x2d5\x2dweb\x2d1.scope)");
  EXPECT_EQ(read().title(), "web-1");
  EXPECT_EQ(read().vmm, "");
  process({"/usr/bin/kvm", "-no-shutdown"}, "0::/qemu.slice/100.scope\n");
  EXPECT_EQ(read().title(), "100");
  process({"/usr/bin/vmm"}, "0::/system.slice/docker-" CONTAINER ".scope\n");
  EXPECT_EQ(read().title(), CONTAINER);
}

TEST_F(IdentityReaderTest, KeepsTheContainerBesideAName) {
  process({"qemu-kvm", "-name", "windows"}, "0::/system.slice/docker-" CONTAINER ".scope\n");
  EXPECT_EQ(read().name, "windows");
  EXPECT_EQ(read().id, CONTAINER);
}

TEST_F(IdentityReaderTest, ReadsThePodOfAThreadWhereGroupsAreOfVersionOne) {
  constexpr std::string_view pod = "4:cpu:/kubepods/burstable/pod" POD_UID "/kata_" CONTAINER "\n";
  process({"firecracker", "--id", "a"}, "4:cpu:/kata_overhead/a\n0::/\n");
  write("proc/4242/task/4250/cgroup", pod);
  EXPECT_EQ(read().pod, POD_UID);
  EXPECT_EQ(read().id, "a");
  // In version 2 there is nothing to look for.
  process({"firecracker", "--id", "a"}, "0::/system.slice/x.service\n");
  EXPECT_EQ(read().pod, "");
}

TEST_F(IdentityReaderTest, KnowsTheVmmByItsExecutableOrComm) {
  process({"microvm@web2", "--api-socket", "web2.sock"});
  EXPECT_EQ(read().vmm, "");
  write("proc/4242/comm", "cloud-hyperviso\n");
  EXPECT_EQ(read().vmm, "cloud-hypervisor");
  fs::create_symlink("/nix/store/x/bin/cloud-hypervisor", root_ / "proc/4242/exe");
  write("proc/4242/comm", "renamed\n");
  EXPECT_EQ(read().vmm, "cloud-hypervisor");
  EXPECT_EQ(read().title(), "web2");
}

TEST_F(IdentityReaderTest, ReadsTheOwner) {
  process(kLibvirt);
  libvirt_status("qemu/instance-000001a3.xml",
                 "<name>instance-000001a3</name><metadata><nova:instance "
                 "xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'><nova:owner>"
                 "<nova:user uuid='1'>al\nice</nova:user><nova:project uuid='2'>shop</nova:project>"
                 "</nova:owner></nova:instance></metadata>");
  EXPECT_EQ(read().user, "al\xEF\xBF\xBDice");
  EXPECT_EQ(read().project, "shop");
}

TEST_F(IdentityReaderTest, ButDoNotContradictIt) {
  process({"qemu-kvm", "-name", "web"}, R"(0::/machine.slice/machine-qemu\x2d5\x2dother.scope)");
  EXPECT_EQ(read(), qemu("web"));
  process({"firecracker", "--id", "vm-7"}, "0::/docker/" CONTAINER "\n");
  EXPECT_EQ(read().title(), "vm-7");
}

TEST_F(IdentityReaderTest, WhatCgroupsAreCalledIsMadeFitToo) {
  process({"/usr/bin/vmm"}, R"(0::/machine.slice/machine-a\x0ab\xff.scope)");
  EXPECT_EQ(read().name,
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

}  // namespace
}  // namespace kvmx
