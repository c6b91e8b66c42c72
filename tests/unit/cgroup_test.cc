// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/cgroup.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>

#include "exporter/identity/kubernetes.h"

namespace kvmx {

// gtest shows a value with this; without it, bytes of memory.
std::ostream& operator<<(std::ostream& out, const CgroupIdentity& cgroup) {
  return out << "{pod=" << cgroup.pod_uid << " machine=" << cgroup.machine << " id=" << cgroup.id
             << "}";
}

namespace {

#define UID "3c1f8a52-7b1e-4c7d-9a55-0f1d2e3c4b5a"
#define UID_ESCAPED "3c1f8a52_7b1e_4c7d_9a55_0f1d2e3c4b5a"
#define HASH "d2f0c6c1a8b94e0f9a3b7c5d1e2f4a6b"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct PathCase {
  std::string_view path;
  CgroupIdentity expected;
};

std::ostream& operator<<(std::ostream& out, const PathCase& c) { return out << c.path; }

class CgroupPath : public testing::TestWithParam<PathCase> {};

// The same path as cgroup v2 shows it, and v1, which has several lines.
TEST_P(CgroupPath, IsRead) {
  const std::string path(GetParam().path);
  EXPECT_EQ(parse_cgroup("0::" + path + "\n"), GetParam().expected);
  EXPECT_EQ(parse_cgroup("12:pids:/\n11:cpu,cpuacct:" + path + "\n1:name=systemd:" + path),
            GetParam().expected);
  EXPECT_EQ(parse_cgroup("0::" + path + " (deleted)\n"), GetParam().expected);
}

CgroupIdentity machine(std::string name) { return {"", std::move(name), ""}; }
CgroupIdentity pod(std::string uid, std::string id = "") {
  return {std::move(uid), "", std::move(id)};
}
CgroupIdentity id(std::string text) { return {"", "", std::move(text)}; }

INSTANTIATE_TEST_SUITE_P(
    Libvirt, CgroupPath,
    testing::Values(
        PathCase{R"(/machine.slice/machine-qemu\x2d5\x2dweb\x2d1.scope)", machine("web-1")},
        PathCase{R"(/machine.slice/machine-qemu\x2d5\x2dweb\x2d1.scope/libvirt/emulator)",
                 machine("web-1")},
        PathCase{R"(/machine.slice/machine-qemu\x2d6\x2dvm1.scope/libvirt/vcpu0)", machine("vm1")},
        PathCase{R"(/machine.slice/machine-qemu\x2d12\x2dinstance\x2d000001a3.scope/emulator)",
                 machine("instance-000001a3")},
        PathCase{R"(/machine.slice/machine-test.slice/machine-qemu\x2d16\x2dt.scope)",
                 machine("t")},
        PathCase{R"(/machine.slice/machine-qemu\x2d1\x2da.b.scope)", machine("a.b")},
        PathCase{R"(/machine.slice/machine-ch\x2d2\x2dclh.scope)", machine("clh")},
        PathCase{"/machine/qemu-5-web.libvirt-qemu/emulator", machine("web")},
        PathCase{"/machine/web.libvirt-qemu", machine("web")},
        // What only looks like libvirt's prefix, or like an escape.
        PathCase{R"(/machine.slice/machine-qemu\x2dweb.scope)", machine("qemu-web")},
        PathCase{R"(/machine.slice/machine-qemu\x2d5.scope)", machine("qemu-5")},
        PathCase{R"(/machine.slice/machine-qemu\x2d5\x2d.scope)", machine("")},
        PathCase{R"(/machine.slice/machine-a\x2.scope)", machine(R"(a\x2)")},
        PathCase{R"(/machine.slice/machine-a\xzzb\x.scope)", machine(R"(a\xzzb\x)")},
        PathCase{R"(/machine.slice/machine-caf\xc3\xa9.scope)", machine("café")},
        PathCase{"/machine.slice/machine-vmspawn.scope/payload", machine("vmspawn")},
        PathCase{"/machine.slice/machine-.scope", {}}, PathCase{"/machine.slice", {}}));

INSTANTIATE_TEST_SUITE_P(
    SystemdsUnits, CgroupPath,
    testing::Values(
        PathCase{"/machine.slice/systemd-vmspawn@web.service", machine("web")},
        PathCase{R"(/machine.slice/systemd-vmspawn@db\x2d1.service/payload)", machine("db-1")},
        PathCase{"/machine.slice/systemd-nspawn@web.service/payload/init.scope", machine("web")},
        PathCase{"/machine.slice/systemd-vmspawn@.service", {}},
        PathCase{"/system.slice/other@web.service", {}},
        PathCase{"/user.slice/user@1000.service/systemd-vmspawn@web.service", {}}));

INSTANTIATE_TEST_SUITE_P(
    Kubernetes, CgroupPath,
    testing::Values(
        PathCase{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ESCAPED
                 ".slice/cri-containerd-" ID ".scope",
                 pod(UID, ID)},
        PathCase{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ESCAPED
                 ".slice/crio-" ID ".scope",
                 pod(UID, ID)},
        PathCase{"/kubepods.slice/kubepods-pod" UID_ESCAPED ".slice/docker-" ID ".scope",
                 pod(UID, ID)},
        PathCase{"/kubepods/burstable/pod" UID "/" ID, pod(UID, ID)},
        PathCase{"/kubepods/besteffort/pod" UID "/" ID, pod(UID, ID)},
        PathCase{"/kubepods/pod" UID "/" ID, pod(UID, ID)},
        PathCase{"/kubepods/pod" UID "/kata_" ID, pod(UID, ID)},
        PathCase{"/kubepods/pod" HASH "/" ID, pod(HASH, ID)},  // static
        PathCase{"/kubepods.slice/kubepods-pod" HASH ".slice/crio-" ID ".scope/container",
                 pod(HASH, ID)},
        PathCase{"/system.slice/containerd.service/kubepods-burstable-pod" UID_ESCAPED
                 ".slice:cri-containerd:" ID,
                 pod(UID, ID)},
        PathCase{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_ESCAPED ".slice",
                 pod(UID)},
        PathCase{"/docker/" ID "/kubelet/kubepods/besteffort/pod" UID "/aa", pod(UID, ID)},
        // From inside a cgroup namespace, which a pod has: the root of the hierarchy is not shown.
        PathCase{"/../../../kubepods-burstable.slice/kubepods-burstable-pod" UID_ESCAPED
                 ".slice/cri-containerd-" ID ".scope",
                 pod(UID, ID)},
        PathCase{"/../../pod" UID "/" ID, pod(UID, ID)},
        // The outermost one is the host's own.
        PathCase{"/kubepods/pod" UID "/" ID "/kubepods/pod" HASH "/" HASH HASH, pod(UID, ID)},
        // No pods.
        PathCase{"/kubepods/pod" UID "x", {}}, PathCase{"/kubepods/pod", {}},
        PathCase{"/kubepods/podman", {}}, PathCase{"/system.slice/my-pod.slice", {}},
        PathCase{"/kubepods.slice/kubepods-podABC.slice", {}}));

INSTANTIATE_TEST_SUITE_P(
    Others, CgroupPath,
    testing::Values(
        PathCase{"/qemu.slice/100.scope", id("100")},
        PathCase{"/qemu.slice/100.scope/x", id("100")}, PathCase{"/qemu.slice/a.scope", {}},
        PathCase{"/qemu.slice/.scope", {}}, PathCase{"/other.slice/100.scope", {}},
        PathCase{"/docker/" ID, id(ID)}, PathCase{"/system.slice/docker-" ID ".scope", id(ID)},
        PathCase{"/machine.slice/libpod-" ID ".scope/container", id(ID)},
        PathCase{"/libpod_parent/libpod-" ID, id(ID)}, PathCase{"/kata_overhead/" ID, id(ID)},
        PathCase{"/lxc/web/ns/init.scope", id("web")},
        PathCase{"/lxc.payload.web-1/init.scope", id("web-1")},
        PathCase{"/lxc.payload/web", id("web")}, PathCase{"/lxc", {}},
        PathCase{"/lxc.monitor.web", {}}, PathCase{"/", {}}, PathCase{"", {}},
        PathCase{"/init.scope", {}}, PathCase{"/system.slice/ssh.service", {}}, PathCase{"//", {}},
        PathCase{"/docker/0123456789abcdef", {}},
        PathCase{"/user.slice/user-1000.slice/session-3.scope", {}},
        // Its user may call it what he likes.
        PathCase{"/user.slice/user-1000.slice/user@1000.service/kubepods/pod" UID "/" ID, {}},
        PathCase{R"(/user.slice/u.slice/machine-qemu\x2d1\x2dx.scope)", {}}));

TEST(Cgroup, OneLineMayTellWhatAnotherDoesNot) {
  EXPECT_EQ(parse_cgroup("9:memory:/kubepods/pod" UID "\n5:cpu:/docker/" ID "\n0::/\n"),
            pod(UID, ID));
  EXPECT_EQ(parse_cgroup("2:cpu:/machine.slice/machine-a.scope\n0::/machine.slice/machine-b.scope"),
            machine("a"));
}

TEST(Cgroup, ThreadsDifferOnlyInVersionOne) {
  EXPECT_TRUE(threads_may_differ("4:cpu:/kata_overhead/a\n0::/\n"));
  EXPECT_TRUE(threads_may_differ("0::/x\n1:name=systemd:/x"));
  EXPECT_FALSE(threads_may_differ("0::/x\n"));
  EXPECT_FALSE(threads_may_differ("12:pids:/\n4:cpu:/\n0::/x\n"));
  EXPECT_FALSE(threads_may_differ(""));
  EXPECT_FALSE(threads_may_differ("x"));
}

TEST(Cgroup, NothingComesOfMalformedLines) {
  for (const std::string_view text :
       {"", "\n", ":", "::", "0:", "0::", "/machine.slice/machine-a.scope",
        "0:/machine.slice/machine-a.scope", "\n\n\n"}) {
    EXPECT_EQ(parse_cgroup(text), CgroupIdentity{}) << text;
  }
  // A colon in a path is a part of it.
  EXPECT_EQ(parse_cgroup("0::/machine.slice/machine-a:b.scope"), machine("a:b"));
}

// ---- names of Kubernetes -----------------------------------------------------------------------

TEST(KubeNames, ArePartedAtTheirOnlyUnderscore) {
  EXPECT_EQ(parse_kube_name("default_web-1"), (KubeName{"default", "web-1"}));
  EXPECT_EQ(parse_kube_name("a_b.c"), (KubeName{"a", "b.c"}));
  for (const std::string_view text :
       {"", "_", "a", "a_", "_a", "a_b_c", "A_b", "a_B", "a.b_c", "a b_c", "a_b\n", "a_b/.."}) {
    EXPECT_FALSE(parse_kube_name(text)) << text;
  }
}

TEST(PodLogDirectory, NamesThePodWithThatUid) {
  EXPECT_EQ(parse_pod_log_directory("team-a_web-0_" UID, UID), (KubeName{"team-a", "web-0"}));
  EXPECT_EQ(parse_pod_log_directory("kube-system_etcd-n1_" HASH, HASH),
            (KubeName{"kube-system", "etcd-n1"}));
  EXPECT_FALSE(parse_pod_log_directory("team-a_web-0_" UID, HASH));
  EXPECT_FALSE(parse_pod_log_directory("team-a_web-0_" UID, ""));
  EXPECT_FALSE(parse_pod_log_directory(UID, UID));
  EXPECT_FALSE(parse_pod_log_directory("_" UID, UID));
  EXPECT_FALSE(parse_pod_log_directory("web-0_" UID, UID));
  EXPECT_FALSE(parse_pod_log_directory("a_b_c_" UID, UID));
  EXPECT_FALSE(parse_pod_log_directory("team-a_web-0" UID, UID));
  EXPECT_FALSE(parse_pod_log_directory("", UID));
}

}  // namespace
}  // namespace kvmx
