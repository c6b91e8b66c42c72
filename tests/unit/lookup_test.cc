// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/lookup.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvmx {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds kRegular{60};

VmIdentity with(std::string VmIdentity::*field, std::string value) {
  VmIdentity vm;
  vm.*field = std::move(value);
  return vm;
}

const std::string kContainer(64, 'a');

TEST(HasFinalLabel, OfANameOrAnIdThatIsNoContainers) {
  EXPECT_TRUE(has_final_label(with(&VmIdentity::name, "web")));
  EXPECT_TRUE(has_final_label(with(&VmIdentity::id, "101")));
  EXPECT_TRUE(has_final_label(with(&VmIdentity::id, std::string(64, 'z'))));
  EXPECT_FALSE(has_final_label(VmIdentity()));
  EXPECT_FALSE(has_final_label(with(&VmIdentity::id, kContainer)));
  EXPECT_FALSE(has_final_label(with(&VmIdentity::uuid, "1b4e28ba-2fa1-11d2-883f-0016d3cca427")));
}

TEST(HasFinalLabel, OfAPodOnlyWithItsName) {
  VmIdentity vm = with(&VmIdentity::id, "sandbox");
  vm.pod = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
  EXPECT_FALSE(has_final_label(vm));
  vm.pod = "web-0";
  vm.kube_namespace = "team-a";
  EXPECT_TRUE(has_final_label(vm));
}

TEST(IsComplete, WaitsForThePodsNameAndLibvirtsStatus) {
  VmIdentity vm = with(&VmIdentity::name, "web");
  EXPECT_TRUE(is_complete(vm));
  vm.domain = "web";
  EXPECT_FALSE(is_complete(vm));
  vm.has_status = true;
  EXPECT_TRUE(is_complete(vm));
  vm.pod = "uid";
  EXPECT_FALSE(is_complete(vm));
  vm.kube_namespace = "team-a";
  EXPECT_TRUE(is_complete(vm));
  EXPECT_FALSE(is_complete(VmIdentity()));
}

TEST(NextLookup, ComesAfterOneTwoFourSecondsWhileSomethingIsMissing) {
  std::vector<nanoseconds> ages;
  nanoseconds age{0};
  while (age < seconds(200)) {
    age += next_lookup(VmIdentity(), age, kRegular);
    ages.push_back(age);
  }
  EXPECT_EQ(ages,
            (std::vector<nanoseconds>{seconds(1), seconds(2), seconds(4), seconds(8), seconds(16),
                                      seconds(32), seconds(92), seconds(152), seconds(212)}));
}

TEST(NextLookup, IsNotPutOffByALateOne) {
  EXPECT_EQ(next_lookup(VmIdentity(), milliseconds(1300), kRegular), milliseconds(700));
  EXPECT_EQ(next_lookup(VmIdentity(), seconds(9), kRegular), seconds(7));
}

TEST(NextLookup, IsRegularOnceNothingIsMissing) {
  EXPECT_EQ(next_lookup(with(&VmIdentity::name, "web"), nanoseconds(0), kRegular), kRegular);
  EXPECT_EQ(next_lookup(VmIdentity(), seconds(1), milliseconds(10)), milliseconds(10));
}

TEST(LabelWait, EndsWithALookup) { EXPECT_EQ(kLabelWait, seconds(4)); }

}  // namespace
}  // namespace kvmx
