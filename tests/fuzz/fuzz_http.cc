// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the parsers of what HTTP clients send: Accept, Accept-Encoding, the
// query and Authorization. Seeds: tests/fuzz/corpus/http.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "exporter/web/accept.h"
#include "exporter/web/query.h"
#include "exporter/web/tls/basic_auth.h"
#include "tests/fuzz/require.h"

using kvmx::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const kvmx::Preference& preference : kvmx::parse_preferences(text))
    require(!preference.what.empty() && preference.quality >= 0 && preference.quality <= 1000,
            "a preference has a name and a quality");
  static_cast<void>(kvmx::choose_format(text));
  // What is said first counts, whatever follows.
  require(kvmx::choose_format("text/plain;version=0.0.4," + text) == kvmx::Format::text,
          "text was liked first");
  require(!kvmx::takes_gzip("gzip;q=0," + text), "gzip was refused first");
  require(kvmx::takes_gzip("gzip,identity;q=0," + text), "gzip was taken first");

  std::size_t bytes = 0;
  for (const std::string& value : kvmx::query_values(text, "collect[]")) bytes += value.size();
  require(bytes <= size, "values are parts of the query");
  require(kvmx::query_values("collect%5b%5D=x+y&" + text, "collect[]").at(0) == "x y",
          "the first value is decoded");

  for (const std::string& header : {text, "Basic " + text})
    if (const auto credentials = kvmx::parse_basic(header))
      require(credentials->user.find(':') == std::string::npos &&
                  credentials->user.size() + credentials->password.size() < size,
              "a user and a password are parts of the header");
  return 0;
}
