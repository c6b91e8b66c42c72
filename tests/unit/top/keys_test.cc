// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/keys.h"

#include <gtest/gtest.h>

#include "tests/unit/top/samples.h"

namespace kvmx {
namespace {

using Kind = Key::Kind;
using Labels = std::vector<std::string>;

Labels labels(const View& view, const HostSummary& host = sample_summary()) {
  Labels names;
  for (const GuestSummary* guest : chosen_guests(host, view)) names.push_back(guest->label);
  return names;
}

Wish type(std::string_view bytes, View& view) {
  Wish wish = Wish::none;
  for (const Key& key : decode_keys(bytes))
    if (press(key, 10, view) == Wish::quit) wish = Wish::quit;
  return wish;
}

TEST(Keys, AreDecoded) {
  EXPECT_EQ(decode_keys("qü"), (std::vector<Key>{{Kind::text, "q"}, {Kind::text, "ü"}}));
  EXPECT_EQ(decode_keys("\x1b[A\x1bOB\x1b[5~\x1b"),
            (std::vector<Key>{{Kind::up}, {Kind::down}, {Kind::page_up}, {Kind::escape}}));
  EXPECT_EQ(decode_keys("\r\x7f"), (std::vector<Key>{{Kind::enter}, {Kind::backspace}}));
  // A sequence that is not known is one key, and none of its letters is.
  EXPECT_EQ(decode_keys("\x1b[1;5Cq"), (std::vector<Key>{{Kind::other}, {Kind::text, "q"}}));
  EXPECT_EQ(decode_keys("\x1b[15"), (std::vector<Key>{{Kind::other}}));
  EXPECT_EQ(decode_keys("\x01"), (std::vector<Key>{{Kind::other}}));
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const char bytes[] = {static_cast<char>(first), static_cast<char>(second)};
      EXPECT_FALSE(decode_keys({bytes, 2}).empty());
    }
}

TEST(View, SortsByWhatIsAskedFor) {
  View view;
  EXPECT_EQ(labels(view), (Labels{"storm", "Web-1", "calm"}));
  view.sort = "exits";
  EXPECT_EQ(labels(view), (Labels{"Web-1", "storm", "calm"}));
  view.sort = "wakeups";
  EXPECT_EQ(labels(view), (Labels{"storm", "calm", "Web-1"}));
  view.sort = "name";
  EXPECT_EQ(labels(view), (Labels{"Web-1", "calm", "storm"}));
  view.reversed = true;
  EXPECT_EQ(labels(view), (Labels{"storm", "calm", "Web-1"}));
  HostSummary host = sample_summary();
  host.guests[0].exits.reset();
  view = {.sort = "exits"};
  EXPECT_EQ(labels(view, host),
            (Labels{"Web-1", "calm", "storm"}));  // what is not known comes last
  for (const std::string& key : sort_keys()) {
    view.sort = key;
    EXPECT_EQ(labels(view).size(), 3U) << key;
  }
}

TEST(Press, ChangesTheColumnThatIsSortedBy) {
  View view;
  type(">", view);
  EXPECT_EQ(view.sort, "name");
  type("\x1b[C\x1b[C", view);
  EXPECT_EQ(view.sort, "tick");
  type("<\x1b[D\x1b[D", view);
  EXPECT_EQ(view.sort, "cost");
  type("<", view);
  EXPECT_EQ(view.sort, "finding");
  type("r", view);
  EXPECT_TRUE(view.reversed);
  type("f", view);
  EXPECT_TRUE(view.all_findings);
}

TEST(Press, FiltersWhatIsTyped) {
  View view;
  EXPECT_EQ(type("/cq", view), Wish::none);  // q is a letter here
  EXPECT_TRUE(view.typing);
  EXPECT_EQ(view.filter, "cq");
  type(
      "\x7f\x7f\x7f"
      "CAL\r",
      view);
  EXPECT_FALSE(view.typing);
  EXPECT_EQ(view.filter, "CAL");
  EXPECT_EQ(labels(view), Labels{"calm"});
  type("/ü\x7f", view);
  EXPECT_EQ(view.filter, "CAL");
  type("\x1b", view);
  EXPECT_EQ(view.filter, "");
  EXPECT_FALSE(view.typing);
  type("/x\r", view);
  type("\x1b", view);
  EXPECT_EQ(view.filter, "");
  EXPECT_EQ(type("q", view), Wish::quit);
}

TEST(Press, Scrolls) {
  View view;
  type("jj\x1b[B", view);
  EXPECT_EQ(view.first, 3U);
  type("k\x1b[A\x1b[A\x1b[A\x1b[A", view);
  EXPECT_EQ(view.first, 0U);
  type("\x1b[6~\x1b[6~\x1b[5~", view);
  EXPECT_EQ(view.first, 10U);
  type("\x1b[F", view);
  EXPECT_GT(view.first, 1'000'000U);
  type("\x1b[H", view);
  EXPECT_EQ(view.first, 0U);
}

}  // namespace
}  // namespace kvmx
