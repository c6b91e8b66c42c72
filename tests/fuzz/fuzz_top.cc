// SPDX-License-Identifier: Apache-2.0
// What another exporter answers to top, and what is pressed meanwhile: nothing of it may move the
// cursor, or make a line wider than the screen.
#include <cstdint>
#include <string>
#include <string_view>

#include "exporter/summary/json.h"
#include "exporter/top/display_width.h"
#include "exporter/top/http_get.h"
#include "exporter/top/keys.h"
#include "exporter/top/plain.h"
#include "exporter/top/screen.h"
#include "exporter/top/url.h"
#include "tests/fuzz/require.h"

using namespace kvmx;

namespace {

void check_screen(const HostSummary& host, View view) {
  for (const ScreenSize size : {ScreenSize{80, 24}, ScreenSize{17, 6}}) {
    const Screen screen = lay_out(host, {"source", "error", true}, size, view);
    require(screen.lines.size() == size.rows, "a picture fills the screen");
    for (const Line& line : screen.lines) {
      require(display_width(line.text) <= size.columns, "a line fits");
      for (const char c : line.text)
        require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f',
                "a line has no control characters");
    }
  }
  require(plain_text(host, view, false).find('\x1b') == std::string::npos, "plain text is plain");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  View view;
  for (const Key& key : decode_keys(text.substr(0, 64))) press(key, 5, view);
  if (const Result<Url> url = parse_url(text); url)
    require(url->host.find('\n') == url->host.npos, "an address ends no line");
  const auto answer = parse_answer(text);
  const Result<HostSummary> host = parse_summary(answer ? answer->body : text);
  if (!host) return 0;
  check_screen(*host, view);
  const Result<HostSummary> again = parse_summary(to_json(*host));
  require(static_cast<bool>(again), "what was taken can be passed on");
  require(again->guests.size() == host->guests.size(), "with all guests");
  return 0;
}
