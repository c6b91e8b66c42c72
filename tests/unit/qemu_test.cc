// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "exporter/identity/uuid.h"
#include "exporter/identity/vmm/qemu_options.h"
#include "tests/unit/command_line_words.h"

namespace kvmx {
namespace {

/// The name that a qemu-system-x86_64 with these words has for us.
std::string qemu_name(WordList words) { return identify_qemu_words(std::move(words)).name; }

struct NameCase {
  WordList words;
  std::string_view name;
};

std::ostream& operator<<(std::ostream& out, const NameCase& c) { return print_words(out, c.words); }

class QemuName : public testing::TestWithParam<NameCase> {};

TEST_P(QemuName, IsReadAsQemuReadsIt) { EXPECT_EQ(qemu_name(GetParam().words), GetParam().name); }

INSTANTIATE_TEST_SUITE_P(
    Spellings, QemuName,
    testing::Values(NameCase{{"-name", "foo"}, "foo"}, NameCase{{"--name", "foo"}, "foo"},
                    NameCase{{"-name", "guest=foo"}, "foo"},
                    NameCase{{"-name", "guest=foo,debug-threads=on"}, "foo"},
                    NameCase{{"-name", "debug-threads=on,guest=foo"}, "foo"},
                    NameCase{{"-name", "foo,process=bar"}, "foo"},
                    NameCase{{"-name", "foo,debug-threads=on"}, "foo"},
                    NameCase{{"-name", "process=bar"}, ""}, NameCase{{"-name", ""}, ""},
                    NameCase{{"-name", "guest="}, ""}, NameCase{{"-name", ","}, ""},
                    NameCase{{"-name", ",guest=x"}, "x"}, NameCase{{}, ""},
                    NameCase{{"-name"}, ""}));

INSTANTIATE_TEST_SUITE_P(
    Commas, QemuName,
    testing::Values(NameCase{{"-name", "a,,b"}, "a,b"}, NameCase{{"-name", "guest=a,,b"}, "a,b"},
                    NameCase{{"-name", "guest=a,,,,b"}, "a,,b"},
                    NameCase{{"-name", "guest=a,,,debug-threads=on"}, "a,"},
                    NameCase{{"-name", "guest=,,a"}, ",a"},
                    NameCase{{"-name", "guest=a,,guest=b"}, "a,guest=b"},
                    NameCase{{"-name", ",,a"}, ",a"}, NameCase{{"-name", "a,,"}, "a,"},
                    NameCase{{"-name", "a,"}, "a"}, NameCase{{"-name", "guest=a=b"}, "a=b"},
                    // The first item is implied only if no '=' comes before its comma.
                    NameCase{{"-name", "a,,b=c"}, "a,b=c"}, NameCase{{"-name", "a=b"}, ""}));

INSTANTIATE_TEST_SUITE_P(Repeated, QemuName,
                         testing::Values(NameCase{{"-name", "a", "-name", "b"}, "b"},
                                         NameCase{{"-name", "a", "-name", "debug-threads=on"}, "a"},
                                         NameCase{{"-name", "guest=a,guest=b"}, "b"},
                                         NameCase{{"-name", "a,guest=b"}, "b"},
                                         NameCase{{"-name", "a", "-name", ""}, "a"},
                                         NameCase{{"-name", "a", "-name", "guest="}, ""},
                                         // A switch sets an item to on or off, even this one.
                                         NameCase{{"-name", "a,guest"}, "on"},
                                         NameCase{{"-name", "a,noguest"}, "off"},
                                         NameCase{{"-name", "guest"}, "guest"}));

INSTANTIATE_TEST_SUITE_P(
    ArgumentsOfOtherOptions, QemuName,
    testing::Values(
        NameCase{{"-append", "-name x"}, ""}, NameCase{{"-append", "-name", "x.img"}, ""},
        NameCase{{"-append", "-name", "-name", "real"}, "real"},
        NameCase{{"-fw_cfg", "-name", "guest=evil"}, ""},
        NameCase{{"-append", "root=/dev/vda -name guest=evil", "-name", "real"}, "real"},
        // After options that take no argument the next word is an option.
        NameCase{{"-S", "-name", "a"}, "a"}, NameCase{{"-nographic", "-name", "a"}, "a"},
        NameCase{{"-enable-kvm", "-name", "a"}, "a"}, NameCase{{"--daemonize", "-name", "a"}, "a"},
        NameCase{{"-no-kvm-pit-reinjection", "-name", "a"}, "a"},
        NameCase{{"-snapshot", "-usb", "-s", "-name", "a"}, "a"},
        // Words without '-' are disk images.
        NameCase{{"disk.img", "-name", "a"}, "a"}, NameCase{{"name", "a"}, ""},
        // No such options.
        NameCase{{"-names", "a"}, ""}, NameCase{{"---name", "a"}, ""}, NameCase{{"-name=a"}, ""},
        NameCase{{"-", "-name", "a"}, ""}));

std::string qemu_uuid(WordList words) { return identify_qemu_words(std::move(words)).uuid; }

TEST(QemuUuid, IsCanonical) {
  EXPECT_EQ(qemu_uuid({"-uuid", kUuid}), kUuid);
  EXPECT_EQ(qemu_uuid({"--uuid", "1B4E28BA-2FA1-11D2-883F-0016D3CCA427"}), kUuid);
  EXPECT_EQ(qemu_uuid({"-uuid", "1b4e28ba2fa111d2883f0016d3cca427"}), "");
  EXPECT_EQ(qemu_uuid({"-uuid", ""}), "");
  EXPECT_EQ(qemu_uuid({"-append", "-uuid", kUuid}), "");
}

TEST(QemuUuid, TheLastOneCountsAndSmbiosIsOne) {
  const std::string smbios = "type=1,uuid=" + std::string(kUuid);
  const std::string_view other = "00000000-0000-0000-0000-000000000001";
  EXPECT_EQ(qemu_uuid({"-uuid", other, "-smbios", smbios}), kUuid);
  EXPECT_EQ(qemu_uuid({"-smbios", smbios, "-uuid", other}), other);
  EXPECT_EQ(qemu_uuid({"-smbios", "type=3,uuid=" + std::string(kUuid)}), "");
  EXPECT_EQ(qemu_uuid({"-smbios", "type=1,uuid=none"}), "");
}

TEST(CanonicalUuid, RefusesEverythingElse) {
  EXPECT_EQ(canonical_uuid(kUuid), kUuid);
  for (const std::string_view bad :
       {"", "x", "1b4e28ba-2fa1-11d2-883f-0016d3cca42", "1b4e28ba-2fa1-11d2-883f-0016d3cca4277",
        "1b4e28ba-2fa1-11d2-883f+0016d3cca427", "1b4e28ba-2fa1-11d2-883f-0016d3cca42g",
        "{b4e28ba-2fa1-11d2-883f-0016d3cca42}"}) {
    EXPECT_EQ(canonical_uuid(bad), "") << bad;
  }
}

TEST(QemuOpts, FlagsAreKnown) {
  EXPECT_TRUE(is_qemu_flag("S"));
  EXPECT_TRUE(is_qemu_flag("xen-domid-restrict"));
  EXPECT_FALSE(is_qemu_flag(""));
  EXPECT_FALSE(is_qemu_flag("name"));
  EXPECT_FALSE(is_qemu_flag("append"));
}

}  // namespace
}  // namespace kvmx
