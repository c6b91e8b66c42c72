// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/msr_counting.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

/// A kernel on which entries can count accesses to MSRs.
Features capable() {
  Features features;
  features.sources.fill(Source::tp_btf);
  features.reflections = Source::tp_btf;
  return features;
}

TEST(MsrCounting, EntriesCountWhereTheyCan) {
  EXPECT_EQ(msr_counting(capable(), {}, Isa::svm), MsrCounting::entry);
  EXPECT_EQ(msr_counting(capable(), {}, Isa::vmx), MsrCounting::entry);
}

TEST(MsrCounting, WithoutExitsTheirEventDoes) {
  EXPECT_EQ(msr_counting(capable(), {}, Isa::other), MsrCounting::event);
  for (const Event event : {Event::exit, Event::entry, Event::msr}) {
    EventSelection selection;
    selection.collectors[index_of(event)] = false;
    EXPECT_EQ(msr_counting(capable(), selection, Isa::svm), MsrCounting::event)
        << info_of(event).name;
  }
}

TEST(MsrCounting, WhereAnExitDoesNotTellAllTheirEventDoes) {
  Features records = capable();
  records.sources.fill(Source::tracepoint);
  EXPECT_EQ(msr_counting(records, {}, Isa::svm), MsrCounting::event);
  Features untold = capable();
  untold.reflections = Source::absent;
  EXPECT_EQ(msr_counting(untold, {}, Isa::svm), MsrCounting::event);
  Features encrypted = capable();
  encrypted.msr_event_needed = true;
  EXPECT_EQ(msr_counting(encrypted, {}, Isa::svm), MsrCounting::event);
}

}  // namespace
}  // namespace kvmx
