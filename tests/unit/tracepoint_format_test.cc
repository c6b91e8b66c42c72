// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/tracepoint_format.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

// From Linux 5.10, shortened in its print format.
constexpr std::string_view kTimerState =
    "name: kvm_hv_timer_state\n"
    "ID: 1551\n"
    "format:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
    "\n"
    "\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;\n"
    "\tfield:unsigned int hv_timer_in_use;\toffset:12;\tsize:4;\tsigned:0;\n"
    "\n"
    "print fmt: \"vcpu_id %x hv_timer %x\", REC->vcpu_id, REC->hv_timer_in_use\n";

TEST(TracepointFormat, FindsEveryField) {
  const auto fields = parse_tracepoint_format(kTimerState);
  ASSERT_EQ(fields.size(), 4U);
  EXPECT_EQ(fields.at("common_type"), (FieldPlace{0, 2}));
  EXPECT_EQ(fields.at("vcpu_id"), (FieldPlace{8, 4}));
  EXPECT_EQ(fields.at("hv_timer_in_use"), (FieldPlace{12, 4}));
}

TEST(TracepointFormat, FindsNamesOfArraysAndPointers) {
  const auto fields = parse_tracepoint_format(
      "field:char comm[16];\toffset:8;\tsize:16;\tsigned:1;\n"
      "field:const char *name;\toffset:24;\tsize:8;\tsigned:0;\n"
      "field:__data_loc char[] text;\toffset:32;\tsize:4;\tsigned:1;");
  EXPECT_EQ(fields.at("comm"), (FieldPlace{8, 16}));
  EXPECT_EQ(fields.at("name"), (FieldPlace{24, 8}));
  EXPECT_EQ(fields.at("text"), (FieldPlace{32, 4}));
}

TEST(TracepointFormat, IgnoresMalformedLines) {
  EXPECT_TRUE(parse_tracepoint_format("").empty());
  EXPECT_TRUE(parse_tracepoint_format("field:int a; offset:x; size:4;").empty());
  EXPECT_TRUE(parse_tracepoint_format("field:int a; offset:4; size:-4;").empty());
  EXPECT_TRUE(parse_tracepoint_format("field:int a; offset:99999999999; size:4;").empty());
  EXPECT_TRUE(parse_tracepoint_format("field:; offset:4; size:4;").empty());
  EXPECT_TRUE(parse_tracepoint_format("field:int a offset:4 size:4").empty());
}

TEST(TracepointFormat, KeepsTheFirstOfTwoFieldsOfOneName) {
  const auto fields =
      parse_tracepoint_format("field:int a;offset:4;size:4;\nfield:int a;offset:8;size:8;\n");
  EXPECT_EQ(fields.at("a"), (FieldPlace{4, 4}));
}

}  // namespace
}  // namespace kvmx
