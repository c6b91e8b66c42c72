// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/libvirt_status.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace kvmx {

// gtest shows a value with this; without it, bytes of memory.
std::ostream& operator<<(std::ostream& out, const LibvirtStatus& status) {
  return out << "{pid=" << status.pid << " name=" << status.name << " uuid=" << status.uuid
             << " title=" << status.title << " cloud=" << status.cloud_name
             << " project=" << status.project << " user=" << status.user << "}";
}

namespace {

#define UUID "1b4e28ba-2fa1-11d2-883f-0016d3cca427"

constexpr std::string_view kOpenStack = R"(<!--
WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE
OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:
  virsh edit instance-000001a3
or other application using the libvirt API.
-->

<domstatus state='running' reason='booted' pid='4242'>
  <taint flag='host-cpu'/>
  <monitor path='/var/lib/libvirt/qemu/domain-7-instance-000001a3/monitor.sock' type='unix'/>
  <vcpus><vcpu id='0' pid='4250'/></vcpus>
  <name>not the domain's</name>
  <domain type='kvm' id='7'>
    <name>instance-000001a3</name>
    <uuid>1B4E28BA-2fa1-11d2-883f-0016d3cca427</uuid>
    <title>a title</title>
    <description><title>no title</title></description>
    <metadata>
      <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
        <nova:package version="27.0.0"/>
        <nova:name>web &amp; db &lt;prod&gt; &#x2603;</nova:name>
        <nova:flavor name="m1.small"><nova:name>no name</nova:name></nova:flavor>
      </nova:instance>
      <x:instance xmlns:x="http://example.org/nova/"><x:name>no name</x:name></x:instance>
    </metadata>
    <memory unit='KiB'>2097152</memory>
    <devices><disk type='file'><name>no name</name></disk></devices>
    <name>comes too late</name>
  </domain>
</domstatus>
)";

TEST(LibvirtStatus, OfAnOpenStackInstance) {
  EXPECT_EQ(
      parse_libvirt_status(kOpenStack),
      (LibvirtStatus{4242, "instance-000001a3", UUID, "a title", "web & db <prod> ☃", "", ""}));
}

/// A status file with this in its domain.
std::string status(std::string_view domain) {
  return "<domstatus state='running' pid='12'><domain type='kvm'>" + std::string(domain) +
         "</domain></domstatus>";
}

TEST(LibvirtStatus, WhatIsNotThereIsEmpty) {
  EXPECT_EQ(parse_libvirt_status(status("<name>web</name>")),
            (LibvirtStatus{12, "web", "", "", "", "", ""}));
  EXPECT_EQ(parse_libvirt_status(status("<name>w</name><title/><uuid>none</uuid><devices/>")),
            (LibvirtStatus{12, "w", "", "", "", "", ""}));
}

TEST(LibvirtStatus, PrefixesAreOfNoConsequenceNamespacesAre) {
  const std::string domain =
      "<name>w</name><metadata><n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.0'>"
      "<n:name>display</n:name></n:instance>"
      "<nova:instance xmlns:nova='http://example.org/'><nova:name>x</nova:name></nova:instance>"
      "</metadata>";
  EXPECT_EQ(parse_libvirt_status(status(domain)),
            (LibvirtStatus{12, "w", "", "", "display", "", ""}));
}

TEST(LibvirtStatus, WhatFollowsTheDevicesIsNotRead) {
  const std::string text = "<domstatus pid='12'><domain><name>w</name><devices><disk></broken";
  EXPECT_EQ(parse_libvirt_status(text), (LibvirtStatus{12, "w", "", "", "", "", ""}));
}

TEST(LibvirtStatus, RefusesWhatIsNoStatusFile) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("<domstatus/>"), std::string(200, '\0'),
        std::string("<domain><name>w</name></domain>"), status(""), status("<name/>"),
        status("<name>w</name>").substr(0, 60),
        std::string("<domstatus><domain><name>w</name></domain></domstatus>"),
        std::string("<domstatus pid='x'><domain><name>w</name></domain></domstatus>"),
        std::string("<domstatus pid='-1'><domain><name>w</name></domain></domstatus>"),
        std::string("<domstatus pid='12x'><domain><name>w</name></domain></domstatus>"),
        std::string("<domstatus pid='4294967296'><domain><name>w</name></domain></domstatus>"),
        std::string(
            "<a:domstatus xmlns:a='u' pid='1'><domain><name>w</name></domain></a:domstatus>"),
        status("<name>\xff</name>")}) {
    EXPECT_FALSE(parse_libvirt_status(text)) << text;
  }
}

TEST(LibvirtStatus, RefusesEntities) {
  const std::string bomb =
      "<!DOCTYPE domstatus [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
      "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>" +
      status("<name>&c;</name>");
  EXPECT_FALSE(parse_libvirt_status(bomb));
  EXPECT_FALSE(parse_libvirt_status(
      "<!DOCTYPE d SYSTEM 'file:///etc/passwd' [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" +
      status("<name>&e;</name>")));
  EXPECT_FALSE(parse_libvirt_status("<!DOCTYPE d>" + status("<name>w</name>")));
  EXPECT_FALSE(parse_libvirt_status(status("<name>&undefined;</name>")));
}

TEST(LibvirtStatus, DepthAndLengthAreNoMatter) {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_libvirt_status(status(deep)));
  for (int i = 0; i < 200'000; ++i) deep += "</a>";
  EXPECT_EQ(parse_libvirt_status(status(deep + "<name>w</name>")),
            (LibvirtStatus{12, "w", "", "", "", "", ""}));
  const std::string name(std::size_t{1} << 20, 'x');
  const auto read = parse_libvirt_status(status("<name>" + name + "</name>"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, name);
}

}  // namespace
}  // namespace kvmx
