// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "exporter/identity/label_value.h"
#include "exporter/identity/vmm/vmms.h"
#include "tests/unit/command_line_words.h"

namespace kvmx {
namespace {

/// The name that a qemu-system-x86_64 with these words has for us.
std::string qemu_name(WordList words) { return identify_qemu_words(std::move(words)).name; }

// Whole command lines, as found in the field; white space parts their words.

constexpr std::string_view kLibvirtOnDebian = R"(
/usr/bin/qemu-system-x86_64 -name guest=web-1,debug-threads=on -S
-object {"qom-type":"secret","id":"masterKey0","file":"/var/lib/libvirt/qemu/domain-1-web-1/k.aes"}
-machine pc-q35-7.2,usb=off,vmport=off,dump-guest-core=off,memory-backend=pc.ram -accel kvm
-cpu host,migratable=on -m 4096
-object {"qom-type":"memory-backend-ram","id":"pc.ram","size":4294967296} -overcommit mem-lock=off
-smp 2,sockets=2,cores=1,threads=1 -uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427
-no-user-config -nodefaults -chardev socket,id=charmonitor,fd=33,server=on,wait=off
-mon chardev=charmonitor,id=monitor,mode=control -rtc base=utc,driftfix=slew -no-shutdown
-boot strict=on -msg timestamp=on)";

TEST(Identify, LibvirtOnDebian) {
  VmIdentity expected = qemu("web-1", kUuid);
  expected.domain = "web-1";
  EXPECT_EQ(identify_line(kLibvirtOnDebian), expected);
}

constexpr std::string_view kLibvirtOnRhelSeven = R"(
/usr/libexec/qemu-kvm -name db -S -machine pc-i440fx-rhel7.0.0,accel=kvm,usb=off
-no-kvm-pit-reinjection -uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427 -nographic
-no-user-config -nodefaults
-chardev socket,id=charmonitor,path=/var/lib/libvirt/qemu/domain-db/monitor.sock,server,nowait)";

TEST(Identify, LibvirtOnRhelSevenHasNoMasterKey) {
  VmIdentity expected = qemu("db", kUuid);
  expected.domain = "db";
  EXPECT_EQ(identify_line(kLibvirtOnRhelSeven), expected);
}

constexpr std::string_view kOpenStack = R"(
/usr/bin/qemu-system-x86_64 -name guest=instance-000001a3,debug-threads=on -S
-object secret,id=masterKey0,format=raw,file=/var/lib/libvirt/qemu/domain-7-instance-000001a3/k.aes
-uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427
-smbios type=1,manufacturer=OpenStack,uuid=1b4e28ba-2fa1-11d2-883f-0016d3cca427,family=VM)";

TEST(Identify, OpenStackNova) {
  VmIdentity expected = qemu("instance-000001a3", kUuid);
  expected.domain = "instance-000001a3";
  EXPECT_EQ(identify_line(kOpenStack), expected);
}

constexpr std::string_view kProxmox = R"(
/usr/bin/kvm -id 101 -name mail,debug-threads=on -no-shutdown
-chardev socket,id=qmp,path=/var/run/qemu-server/101.qmp,server=on,wait=off
-mon chardev=qmp,mode=control -pidfile /var/run/qemu-server/101.pid -daemonize
-smbios type=1,uuid=1b4e28ba-2fa1-11d2-883f-0016d3cca427
-smp 3,sockets=1,cores=3,maxcpus=3 -nodefaults -machine type=pc+pve0)";

TEST(Identify, ProxmoxHasItsNumberAndAUuidInSmbiosOnly) {
  VmIdentity expected = qemu("mail", kUuid);
  expected.id = "101";
  EXPECT_EQ(identify_line(kProxmox), expected);
}

TEST(Identify, ProxmoxWithoutAName) {
  const auto identity = identify_line("/usr/bin/kvm -id 8006 -no-shutdown");
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name, "");
  EXPECT_EQ(identity->title(), "8006");
}

constexpr std::string_view kKubeVirt = R"(
/usr/libexec/qemu-kvm -name guest=default_testvm-2,debug-threads=on -S
-object secret,id=masterKey0,format=raw,file=/var/lib/libvirt/qemu/domain-1-default_testvm-2/k.aes
-uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427
-smbios type=1,manufacturer=KubeVirt,uuid=1b4e28ba-2fa1-11d2-883f-0016d3cca427,family=KubeVirt)";

TEST(Identify, KubeVirtBySmbios) {
  VmIdentity expected = qemu("default_testvm-2", kUuid);
  expected.domain = "default_testvm-2";
  expected.kube_namespace = "default";
  expected.kube_name = "testvm-2";
  EXPECT_EQ(identify_line(kKubeVirt), expected);
}

TEST(Identify, KubeVirtByItsDirectories) {
  const auto identity = identify_line(
      "/usr/libexec/qemu-kvm -name guest=team-a_vm.x,debug-threads=on "
      "-object secret,id=masterKey0,file=/var/run/kubevirt-private/libvirt/qemu/lib/x/k.aes");
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->kube_namespace, "team-a");
  EXPECT_EQ(identity->kube_name, "vm.x");
}

TEST(Identify, AnUnderscoreAloneIsNotKubeVirt) {
  const auto identity =
      identify_words({"qemu-kvm", "-name", "guest=web_1", "-append", "x=/var/run/kubevirt/y"});
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name, "web_1");
  EXPECT_EQ(identity->kube_namespace, "");
  EXPECT_EQ(identity->kube_name, "");
}

TEST(Identify, NamesThatKubernetesForbidsAreNotSplit) {
  for (const std::string_view name : {"a_b_c", "A_b", "_b", "a_", "a.b_c", "a b_c"}) {
    const std::string option = "guest=" + std::string(name);
    const auto identity =
        identify_words({"qemu-kvm", "-name", option, "-smbios", "type=1,family=KubeVirt"});
    ASSERT_TRUE(identity) << name;
    EXPECT_EQ(identity->name, name);
    EXPECT_EQ(identity->kube_namespace, "") << name;
  }
}

TEST(Identify, KataQemu) {
  VmIdentity expected = qemu("", kUuid);
  expected.id = "0c52d31e";
  for (const std::string_view path :
       {"-pidfile /run/vc/vm/0c52d31e/pid", "-chardev socket,id=c,path=/run/vc/vm/0c52d31e/c.sock",
        "-qmp unix:/run/kata/0c52d31e/root/qmp.sock,server=on",
        "-pidfile /run/user/7/run/vc/vm/0c52d31e/pid"}) {
    EXPECT_EQ(
        identify_line("/opt/kata/bin/qemu-system-x86_64 -name sandbox-0c52d31e,debug-threads=on "
                      "-uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427 " +
                      std::string(path)),
        expected)
        << path;
  }
}

TEST(Identify, ANameLikeKatasIsANameWithoutKatasDirectory) {
  EXPECT_EQ(identify_line("qemu-kvm -name sandbox-1"), qemu("sandbox-1"));
  EXPECT_EQ(identify_line("qemu-kvm -name sandbox-1 -pidfile /run/vc/vm/2/pid"), qemu("sandbox-1"));
  EXPECT_EQ(identify_line("qemu-kvm -name sandbox-1 -append /run/vc/vm/1/pid"), qemu("sandbox-1"));
  EXPECT_EQ(identify_line("qemu-kvm -name web -pidfile /run/vc/vm/1/pid"), qemu("web"));
}

TEST(Identify, LibvirtProbingQemuHasNoName) {
  EXPECT_EQ(identify_line("/usr/bin/qemu-system-x86_64 -S -no-user-config -nodefaults -nographic "
                          "-machine none,accel=kvm:tcg -daemonize"),
            qemu(""));
}

// Programs.

struct ProgramCase {
  std::string_view program;
  std::string_view vmm;  ///< "": not a VMM
};

std::ostream& operator<<(std::ostream& out, const ProgramCase& c) { return out << c.program; }

class RecognisedProgram : public testing::TestWithParam<ProgramCase> {};

TEST_P(RecognisedProgram, HasItsVmm) {
  const auto identity = identify_words({GetParam().program, "-x"});
  EXPECT_EQ(identity ? identity->vmm : "", GetParam().vmm);
}

INSTANTIATE_TEST_SUITE_P(
    Identify, RecognisedProgram,
    testing::Values(ProgramCase{"qemu-system-x86_64", "qemu"},
                    ProgramCase{"/usr/bin/qemu-system-i386", "qemu"},
                    ProgramCase{"./qemu-system-x86_64-spice", "qemu"},
                    ProgramCase{"/usr/libexec/qemu-kvm", "qemu"}, ProgramCase{"kvm", "qemu"},
                    ProgramCase{"/usr/bin/kvm", "qemu"}, ProgramCase{"qemu", "qemu"},
                    ProgramCase{"firecracker", "firecracker"},
                    ProgramCase{"/firecracker-v1.7.0-x86_64", "firecracker"},
                    ProgramCase{"/usr/bin/cloud-hypervisor", "cloud-hypervisor"},
                    ProgramCase{"crosvm", "crosvm"}, ProgramCase{"/usr/bin/lkvm", "kvmtool"},
                    ProgramCase{"qemu-nbd", ""}, ProgramCase{"qemu-ga", ""},
                    ProgramCase{"kvm_exit_exporter", ""}, ProgramCase{"kvmtest", ""},
                    ProgramCase{"firecracker-containerd", ""}, ProgramCase{"bash", ""},
                    ProgramCase{"/", ""}, ProgramCase{"", ""},
                    ProgramCase{"/qemu-system-x86_64/", ""}));

TEST(Identify, RecognisesARenamedQemuByItsOptions) {
  const auto identity =
      identify_words({"/opt/our-vmm", "-machine", "q35", "-name", "a,,b", "-uuid", kUuid});
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->vmm, "qemu");
  EXPECT_EQ(identity->name, "a,b");
  EXPECT_EQ(identity->uuid, kUuid);
}

TEST(Identify, DoesNotTakeAProgramForQemuByOneOption) {
  EXPECT_FALSE(identify_words({"/bin/x", "-name", "a"}));
  EXPECT_FALSE(identify_words({"/bin/x", "-machine", "q35"}));
  EXPECT_FALSE(identify_words({"/bin/x", "-y", "-machine", "-name", "a"}));
  EXPECT_TRUE(identify_words({"/bin/x", "-M", "q35", "-uuid", "bad"}));
}

// The executable and the comm, where argv[0] does not tell the VMM.

std::string vmm_of(const WordList& words, const Program& program) {
  const auto identity = identify(cmdline(words), program);
  return identity ? identity->vmm : "";
}

TEST(Identify, KnowsTheVmmByItsExecutable) {
  EXPECT_EQ(vmm_of({"x"}, {.executable = "/usr/bin/qemu-system-x86_64"}), "qemu");
  EXPECT_EQ(vmm_of({"x"}, {.executable = "/usr/bin/qemu-system-x86_64 (deleted)"}), "qemu");
  EXPECT_EQ(vmm_of({"x"}, {.executable = "/opt/kata/bin/cloud-hypervisor-glibc"}),
            "cloud-hypervisor");
  EXPECT_EQ(vmm_of({"x"}, {.executable = "/nix/store/x/bin/.qemu-system-x86_64-wrapped"}), "qemu");
  EXPECT_EQ(vmm_of({""}, {.executable = "/usr/bin/crosvm"}), "crosvm");
  EXPECT_EQ(vmm_of({"x"}, {.executable = "/usr/bin/x"}), "");
  EXPECT_EQ(vmm_of({"x"}, {.executable = " (deleted)"}), "");
}

TEST(Identify, KnowsTheVmmByAComm) {
  EXPECT_EQ(vmm_of({"x"}, {.comm = "qemu-system-x86"}), "qemu");
  EXPECT_EQ(vmm_of({"x"}, {.comm = "cloud-hyperviso"}), "cloud-hypervisor");
  EXPECT_EQ(vmm_of({"x"}, {.comm = ".cloud-hypervis"}), "cloud-hypervisor");
  EXPECT_EQ(vmm_of({"x"}, {.comm = "containerd-shim"}), "dragonball");
  // These are whole names, and not those of VMMs.
  EXPECT_EQ(vmm_of({"x"}, {.comm = "cloud-hyper"}), "");
  EXPECT_EQ(vmm_of({"x"}, {.comm = "q"}), "");
  EXPECT_EQ(vmm_of({"x"}, {.comm = ""}), "");
}

TEST(Identify, PrefersArgvToTheExecutableAndThatToTheComm) {
  EXPECT_EQ(vmm_of({"crosvm"}, {.executable = "/bin/firecracker", .comm = "lkvm"}), "crosvm");
  EXPECT_EQ(vmm_of({"x"}, {.executable = "/bin/firecracker", .comm = "lkvm"}), "firecracker");
}

TEST(Identify, TakesNixosNameOnlyWhereThereIsNoOther) {
  const Program qemu_program = {.comm = "qemu-system-x86"};
  EXPECT_EQ(identify(cmdline({"microvm@a", "-name", "b"}), qemu_program)->name, "b");
  EXPECT_EQ(identify(cmdline({"microvm@a", "-S"}), qemu_program)->name, "a");
  EXPECT_EQ(identify(cmdline({"microvm@", "-S"}), qemu_program)->name, "");
}

// Whatever an argv, an executable and a comm say, `vmm` is a name in the table of VMMs.
TEST(Identify, HasOnlyKnownVmms) {
  std::set<std::string, std::less<>> known;
  for (const Vmm* vmm : vmms()) known.emplace(vmm->name);
  std::mt19937 random(16);  // NOLINT(cert-msc51-cpp): the same words at each run
  const WordList parts = {"qemu-system-",
                          "x86_64",
                          "kvm",
                          "firecracker",
                          "-v",
                          "cloud-hypervisor",
                          "crosvm",
                          "lkvm",
                          "stratovirt",
                          "VBoxHeadless",
                          "emulator",
                          "containerd-shim-kata-v2",
                          "/",
                          ".",
                          "-wrapped",
                          " (deleted)",
                          "microvm@",
                          "super-vmm",
                          "\n",
                          "\"",
                          "\xff",
                          "-machine",
                          "-M",
                          "-name",
                          "-uuid",
                          "-avd",
                          "@a",
                          "--id",
                          "--start-time-us",
                          "--api-socket",
                          "--kernel",
                          "=",
                          "run",
                          "--name"};
  const auto word = [&] {
    std::string text;
    for (auto n = random() % 3 + 1; n > 0; --n) text += parts[random() % parts.size()];
    return text;
  };
  int found = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string command_line;
    for (auto n = random() % 6 + 1; n > 0; --n) command_line += word() + '\0';
    const std::string executable = word();
    const std::string comm = word().substr(0, 15);
    const auto identity = identify(command_line, {executable, comm});
    if (!identity) continue;
    ++found;
    ASSERT_TRUE(known.contains(identity->vmm)) << identity->vmm;
  }
  EXPECT_GT(found, 1'000);
}

// Hostile and broken.

TEST(IdentifyHostile, NothingComesOfNothing) {
  EXPECT_FALSE(identify(""));
  EXPECT_FALSE(identify(std::string_view("\0", 1)));
  EXPECT_FALSE(identify(std::string_view("\0\0\0", 3)));
  EXPECT_FALSE(identify(std::string_view("\0qemu-kvm", 9)));
}

TEST(IdentifyHostile, TheLastWordMayLackItsNul) {
  const std::string text = cmdline({"qemu-kvm", "-name", "abc"});
  EXPECT_EQ(identify(std::string_view(text).substr(0, text.size() - 1)), qemu("abc"));
  EXPECT_EQ(identify("qemu-kvm"), qemu(""));
}

TEST(IdentifyHostile, EmptyWordsAreWords) {
  EXPECT_EQ(qemu_name({"-append", "", "-name", "a"}), "a");
  EXPECT_EQ(qemu_name({"", "-name", "a", ""}), "a");
}

TEST(IdentifyHostile, LongNamesAreCut) {
  const std::string name(std::size_t{64} << 10, 'x');
  EXPECT_EQ(qemu_name({"-name", name}), std::string(kMaxLabelBytes, 'x'));
  const std::string doubled(std::size_t{64} << 10, ',');
  EXPECT_EQ(qemu_name({"-name", doubled}), std::string(kMaxLabelBytes, ','));
}

TEST(IdentifyHostile, AMebibyteOfWordsIsRead) {
  std::string text = cmdline({"qemu-kvm"});
  while (text.size() < (std::size_t{1} << 20)) text += std::string_view("-S\0", 3);
  text += cmdline({"-name", "a"});
  EXPECT_EQ(identify(text), qemu("a"));
}

TEST(IdentifyHostile, ValuesAreUtf8WithoutControlCharacters) {
  EXPECT_EQ(qemu_name({"-name", "guest=a\nkvm_exits_total{vm=\"b\"} 1"}),
            "a\xEF\xBF\xBDkvm_exits_total{vm=\"b\"} 1");
  EXPECT_EQ(qemu_name({"-name", "\xff\xfe"}), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(qemu_name({"-name", "Büro-☃"}), "Büro-☃");
  EXPECT_EQ(qemu_name({"-name", "a\"b\\c'd e"}), "a\"b\\c'd e");
  const auto odd = identify_words({"/x/\x80\n", "-machine", "q", "-name", "a"});
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->vmm, "qemu");
}

}  // namespace
}  // namespace kvmx
