// SPDX-License-Identifier: Apache-2.0
// What people read of a finding, word by word where it matters most.
#include <gtest/gtest.h>

#include "exporter/diagnosis/finding.h"
#include "exporter/diagnosis/words.h"

namespace kvmx {
namespace {

Finding finding(FindingKind kind) {
  Finding made{.kind = kind, .evidence = {}, .held_seconds = 60};
  Evidence& seen = made.evidence;
  seen.running = 32;
  seen.affected = 31;
  seen.each = 1036.25;
  seen.total = 33'160;
  seen.wakeups = 33'030;
  seen.halted = 0.944;
  seen.cpus = 0.0796;
  seen.isa = Isa::vmx;
  seen.pid = 4242;
  seen.host_cpus = 64;
  return made;
}

TEST(Sentences, TellTheStory) {
  EXPECT_EQ(
      sentences(finding(FindingKind::timer_storm)),
      "It is idle, yet its tick never stops: 31 of its 32 running vCPUs tick at 1,036 Hz or "
      "more (33,160 timer programmings and 33,030 wake-ups a second) while halted 94 % of the "
      "time. That wakes each of the host's 64 CPUs 516 times a second on average, so that they "
      "neither sleep deeply nor clock down. Its exits take 0.08 CPUs. Most likely its kernel "
      "was booted with nohz=off, or cannot stop its tick. First, on the host: taskset -acp 0,1 "
      "4242 keeps its threads on two CPUs so that the others can sleep; then ask its owner for "
      "/proc/cmdline.");
}

TEST(Sentences, AreFourOfEachKindAndBeginOnTheHost) {
  for (std::size_t i = 0; i < kFindingKinds; ++i) {
    const Finding made = finding(static_cast<FindingKind>(i));
    const FindingText text = describe(made);
    for (const std::string& sentence : {text.seen, text.cost, text.likely, text.first}) {
      EXPECT_FALSE(sentence.empty()) << finding_name(made.kind);
      EXPECT_TRUE(sentence.ends_with('.')) << sentence;
      EXPECT_FALSE(sentence[0] >= 'a' && sentence[0] <= 'z') << sentence;
    }
    EXPECT_TRUE(text.first.starts_with("First, on the host: ")) << text.first;
    EXPECT_EQ(sentences(made), text.seen + ' ' + text.cost + ' ' + text.likely + ' ' + text.first);
  }
}

TEST(Sentences, NameWhatIsNotKnownAsSuch) {
  Finding storm = finding(FindingKind::timer_storm);
  storm.evidence.cpus = std::nullopt;
  storm.evidence.host_cpus = 0;
  const std::string text = describe(storm).cost;
  EXPECT_EQ(
      text,
      "That wakes the host's CPUs 33,030 times a second, so that they neither sleep deeply nor "
      "clock down.");
  const Finding msrs = finding(FindingKind::msr_storm);
  EXPECT_NE(describe(msrs).seen.find("mostly MSRs of all kinds"), std::string::npos);
}

TEST(Sentences, KnowAHostOfOneCpu) {
  Finding storm = finding(FindingKind::timer_storm);
  storm.evidence.host_cpus = 1;
  EXPECT_EQ(describe(storm).cost,
            "That wakes the host's one CPU 33,030 times a second, so that it neither sleeps deeply "
            "nor clocks down. Its exits take 0.08 CPUs.");
}

TEST(Sentences, SayHowATickIsSeen) {
  Finding tick = finding(FindingKind::idle_tick);
  tick.evidence.source = TickSource::halts;
  EXPECT_NE(describe(tick).seen.find("33,030 wake-ups a second, and no timer programmed for them"),
            std::string::npos);
  EXPECT_NE(describe(tick).likely.find("periodic mode"), std::string::npos);
  tick.evidence.source = TickSource::arms;
  EXPECT_NE(describe(tick).seen.find("33,160 timer armings"), std::string::npos);
  tick.evidence.never_halts = true;
  EXPECT_NE(
      describe(tick).seen.find("HLT never leaves the guest, so that idle and busy look alike"),
      std::string::npos);
  EXPECT_NE(describe(tick).likely.find("cpu-pm=on or idle=poll"), std::string::npos);
}

TEST(Sentences, NameMsrsReasonsAndReturns) {
  Finding made = finding(FindingKind::msr_storm);
  made.evidence.code = 0x830;
  EXPECT_NE(describe(made).seen.find("mostly MSR X2APIC_ICR (0x830)"), std::string::npos);
  EXPECT_NE(describe(made).likely.find("send each other interrupts"), std::string::npos);
  made = finding(FindingKind::exit_storm);
  made.evidence.code = 0x400;
  made.evidence.isa = Isa::svm;
  EXPECT_NE(describe(made).seen.find("mostly by npf"), std::string::npos);
  EXPECT_NE(describe(made).likely.find("memory"), std::string::npos);
  made = finding(FindingKind::vmm_storm);
  made.evidence.code = 2;
  EXPECT_NE(describe(made).seen.find("mostly by KVM_EXIT_IO"), std::string::npos);
}

TEST(Sentences, NameThePortOrThePage) {
  Finding made = finding(FindingKind::vmm_storm);
  made.evidence.code = 2;
  made.evidence.place = TopPlace{IoSpace::port, 0x608, false, 90'000, 0.9};
  EXPECT_NE(
      describe(made).seen.find(": it reads port 0x608, the ACPI PM timer, 90,000 times a second."),
      std::string::npos)
      << describe(made).seen;
  EXPECT_NE(describe(made).likely.find("Windows guest without Hyper-V enlightenments"),
            std::string::npos);
  made.evidence.place = TopPlace{IoSpace::mmio, 0xfe003000, true, 40'000, 0.9};
  EXPECT_NE(describe(made).seen.find("it writes the page at 0xfe003000 40,000 times a second."),
            std::string::npos);
  made.evidence.place = TopPlace{IoSpace::mmio, 0xfed00000, false, 40'000, 0.9};
  EXPECT_NE(describe(made).seen.find("it reads the page at 0xfed00000, the HPET, an old timer, "),
            std::string::npos);
  made.evidence.place = TopPlace{IoSpace::port, 0x1234, false, 40'000, 0.9};
  EXPECT_NE(describe(made).seen.find("it reads port 0x1234 40,000 times"), std::string::npos);
  EXPECT_NE(describe(made).likely.find("Most likely"), std::string::npos);
}

TEST(Sentences, SayWhoseALineIs) {
  Finding made = finding(FindingKind::interrupt_line_storm);
  made.evidence.code = 2;
  made.evidence.code_rate = 2004;
  EXPECT_EQ(describe(made).seen,
            "Interrupt line 2, that of the PIT or the HPET, changes 2,004 times a second, up and "
            "down.");
  EXPECT_NE(describe(made).first.find("hpet=off"), std::string::npos);
  made.evidence.code = 8;
  EXPECT_NE(describe(made).seen.find("Interrupt line 8, the real-time clock's,"),
            std::string::npos);
  EXPECT_EQ(describe(made).first.find("hpet=off"), std::string::npos);
}

TEST(Sentences, SayHowLongAGuestWaits) {
  Finding made = finding(FindingKind::cpu_starved);
  made.evidence.total = 3.2;
  made.evidence.cpus = 1.65;
  made.evidence.waited = 0.34;
  EXPECT_EQ(describe(made).seen,
            "31 of its 32 running vCPUs wait for a CPU: together they have 3.20 CPUs and wait for "
            "1.65 CPUs more, 34 % of the time in which they want one.");
  made.evidence.affected = made.evidence.running = 1;
  made.evidence.total = 0.26;
  made.evidence.cpus = 0.74;
  made.evidence.waited = 0.74;
  EXPECT_EQ(describe(made).seen,
            "Its only running vCPU waits for a CPU: it has 0.26 CPUs and waits for 0.74 CPUs more, "
            "74 % of the time in which it wants one.");
}

TEST(Words, AreThoseOfPeople) {
  EXPECT_EQ(words::grouped(66'300.4), "66,300");
  EXPECT_EQ(words::grouped(999), "999");
  EXPECT_EQ(words::grouped(1'234'567), "1,234,567");
  EXPECT_EQ(words::cpus(0.001), "less than 0.01 CPUs");
  EXPECT_EQ(words::cpus(0.0796), "0.08 CPUs");
  EXPECT_EQ(words::cpus(12.84), "12.8 CPUs");
  EXPECT_EQ(words::vcpus(1, 1), "its only running vCPU");
  EXPECT_EQ(words::vcpus(2, 2), "both running vCPUs");
  EXPECT_EQ(words::vcpus(32, 32), "all 32 running vCPUs");
  EXPECT_EQ(words::vcpus(31, 32), "31 of its 32 running vCPUs");
}

}  // namespace
}  // namespace kvmx
