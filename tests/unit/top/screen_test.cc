// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/screen.h"

#include <gtest/gtest.h>

#include "exporter/top/display_width.h"
#include "exporter/top/plain.h"
#include "tests/unit/top/samples.h"

namespace kvmx {
namespace {

Screen screen_of(const HostSummary& host, ScreenSize size, View view = {}) {
  return lay_out(host, {.source = "http://a", .error = {}, .utf8 = true}, size, view);
}

/// The number of the first line that has this, or of none: the number of lines.
std::size_t line_with(const Screen& screen, std::string_view part) {
  std::size_t i = 0;
  while (i < screen.lines.size() && screen.lines[i].text.find(part) == std::string::npos) ++i;
  return i;
}

bool has(const Screen& screen, std::string_view part) {
  return line_with(screen, part) < screen.lines.size();
}

HostSummary many_guests(std::size_t count) {
  HostSummary host = sample_summary();
  while (host.guests.size() < count)
    host.guests.push_back(sample_guest("vm-" + std::to_string(host.guests.size()), 10, 5));
  return host;
}

TEST(Screen, HasFindingsAboveTheTable) {
  const Screen screen = screen_of(sample_summary(), {120, 24});
  EXPECT_EQ(screen.lines[0].text, "kvm_exit_exporter top: http://a");
  EXPECT_EQ(line_with(screen, "64 CPUs at 3.40 GHz"), 1U);
  const std::size_t storm = line_with(screen, "storm: timer storm, for 5 min");
  EXPECT_EQ(screen.lines.at(storm).style, Style::bad);
  EXPECT_TRUE(
      has(screen, "It is idle, yet it ticks. That wakes CPUs. Most likely nohz=off. First, ask."));
  const std::size_t header = line_with(screen, "wake-ups/s");
  EXPECT_EQ(screen.lines.at(header).style, Style::header);
  EXPECT_LT(storm, header);
  EXPECT_EQ(screen.lines.at(header + 1).text,
            "storm            1,032      33,030   66,300  MSR_WRITE 50 %  IA32_TSC_DEADLINE 98 %   "
            " 94 %  "
            "timer storm, 5 min");
  EXPECT_TRUE(screen.lines.back().text.starts_with("q quit"));
}

TEST(Screen, FitsAnySize) {
  const HostSummary host = many_guests(300);
  for (std::size_t columns : {1, 2, 5, 12, 20, 40, 60, 79, 80, 81, 120, 200, 500})
    for (std::size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 10, 24, 50, 400}) {
      for (const bool all : {false, true}) {
        View view;
        view.all_findings = all;
        view.first = 1'000'000;
        const Screen screen =
            lay_out(host, {.source = "x", .error = "old", .utf8 = false}, {columns, rows}, view);
        EXPECT_EQ(screen.lines.size(), rows) << columns;
        for (const Line& line : screen.lines)
          EXPECT_LE(display_width(line.text), columns) << rows << line.text;
        EXPECT_LT(view.first, 300U);
        EXPECT_GE(screen.page, 1U);
      }
    }
}

TEST(Screen, LeavesOutColumnsWhereItIsNarrow) {
  const Screen narrow = screen_of(sample_summary(), {60, 24});
  EXPECT_TRUE(has(narrow, "wake-ups/s"));
  EXPECT_TRUE(has(narrow, "exits/s"));
  EXPECT_FALSE(has(narrow, "top reason"));
  EXPECT_TRUE(has(screen_of(sample_summary(), {160, 24}), "timer storm, 5 min"));
}

TEST(Screen, ScrollsToTheLastGuestAndNoFurther) {
  const HostSummary host = many_guests(100);
  View view;
  view.first = 1'000'000;
  Screen screen = lay_out(host, {.source = "x", .error = {}, .utf8 = true}, {120, 30}, view);
  EXPECT_TRUE(has(screen, "vm-99"));
  EXPECT_EQ(view.first, 100 - screen.page);
  EXPECT_FALSE(has(screen, "calm"));
  EXPECT_TRUE(has(screen, " of 100 guests"));
  view.first = 0;
  screen = lay_out(host, {.source = "x", .error = {}, .utf8 = true}, {120, 30}, view);
  EXPECT_TRUE(has(screen, "calm"));
}

TEST(Screen, LeavesRoomForTheTableBelowManyFindings) {
  HostSummary host = many_guests(100);
  for (GuestSummary& guest : host.guests)
    guest.findings = {sample_finding_summary("idle_tick", 60)};
  const Screen some = screen_of(host, {100, 30});
  EXPECT_GE(some.page, 10U);
  EXPECT_TRUE(has(some, " more findings (f shows all)"));
  View all;
  all.all_findings = true;
  EXPECT_FALSE(has(screen_of(host, {100, 30}, all), "wake-ups/s"));
}

TEST(Screen, FiltersGuestsAndFindings) {
  View view;
  view.filter = "WEB";
  const Screen screen = screen_of(sample_summary(), {120, 24}, view);
  EXPECT_TRUE(has(screen, "Web-1  "));
  EXPECT_FALSE(has(screen, "storm"));
  EXPECT_TRUE(has(screen, "Nothing stands out."));
  EXPECT_TRUE(has(screen, "/ filter: WEB (Esc: none)"));
  view.filter = "nobody";
  EXPECT_TRUE(has(screen_of(sample_summary(), {120, 24}, view), "No guest has such a name."));
  view.typing = true;
  EXPECT_EQ(screen_of(sample_summary(), {120, 24}, view).lines.back().text, "filter: nobody_");
}

TEST(Screen, SaysWhatIsNotKnown) {
  HostSummary host;
  EXPECT_TRUE(has(screen_of(host, {80, 24}), "There is no guest."));
  EXPECT_NE(plain_text(host, {}, true).find("There is no guest.\n"), std::string::npos);
  host.guests = {{.label = "new"}};
  EXPECT_TRUE(has(screen_of(host, {80, 24}), "No guest has been seen for ten seconds yet."));
  host = sample_summary();
  host.exit_counting = ExitCounting::not_raised;
  for (GuestSummary& guest : host.guests) guest.exits.reset();
  EXPECT_TRUE(has(screen_of(host, {80, 24}), "Exits are not raised by this KVM"));
  View view;
  const Screen old =
      lay_out(host, {.source = "x", .error = "no answer", .utf8 = true}, {80, 24}, view);
  EXPECT_EQ(old.lines[1], (Line{"no answer", Style::bad}));
}

TEST(Plain, IsWholeAndWithoutEscapes) {
  HostSummary host = sample_summary();
  host.guests[1].label = std::string(200, 'x');
  const std::string text = plain_text(host, {}, true);
  EXPECT_NE(text.find("storm: timer storm, for 5 min. It is idle, yet it ticks. That wakes CPUs. "
                      "Most likely nohz=off. First, ask.\n"),
            std::string::npos);
  EXPECT_NE(text.find(std::string(200, 'x') + "  "), std::string::npos);
  EXPECT_NE(text.find("timer storm, 5 min\n"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find(" \n"), std::string::npos);
}

TEST(DisplayWidth, KnowsWideAndCombiningCharacters) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("Büro"), 4U);
  EXPECT_EQ(display_width("雪"), 2U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(cut("雪雪雪", 5), "雪雪+");
  EXPECT_EQ(cut("雪雪雪", 4), "雪+");
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "ab+");
  EXPECT_EQ(cut("abcd", 0), "");
  EXPECT_EQ(fit("雪", 4, false), "雪  ");
  EXPECT_EQ(fit("7", 4, true), "   7");
}

TEST(Displayable, LeavesNothingThatMovesTheCursor) {
  EXPECT_EQ(displayable("a\x1b[2Jb\n\x7f", true), "a?[2Jb??");
  EXPECT_EQ(displayable("Büro 雪", true), "Büro 雪");
  EXPECT_EQ(displayable("Büro 雪", false), "B?ro ?");
  EXPECT_EQ(displayable("\u202Eevil\u2066\u0085", true), "?evil??");
  EXPECT_EQ(displayable("\xff\xc3", true), "??");
}

TEST(Wrap, BreaksAtBlanks) {
  EXPECT_EQ(wrap("one two  three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("", 7), std::vector<std::string>{});
  EXPECT_EQ(wrap("incomprehensible x", 7), (std::vector<std::string>{"incomp+", "x"}));
}

}  // namespace
}  // namespace kvmx
