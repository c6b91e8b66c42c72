// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/accept.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <tuple>

namespace kvmx {
namespace {

/// More elements than any client sends; what follows is not read.
constexpr std::size_t kMaxPreferences = 64;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

/// Takes what is before the next `separator` outside of quotes off the front of `text`.
std::string_view take(std::string_view& text, char separator) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (text[end] == '"') quoted = !quoted;
    if (quoted && text[end] == '\\') ++end;
    if (!quoted && text[end] == separator) break;
  }
  end = std::min(end, text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(taken);
}

/// RFC 9110, 12.4.2: 0 to 1 with at most three decimals, here in thousandths. Some clients write
/// .2, or more decimals. Nothing for what is no number.
std::optional<int> parse_quality(std::string_view text) {
  double quality = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, quality, std::chars_format::fixed);
  if (error != std::errc() || last != end || !(quality >= 0)) return std::nullopt;
  return static_cast<int>(std::min(quality, 1.0) * 1000 + 1e-6);
}

std::string unquoted(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return lower(value);
  return lower(value.substr(1, value.size() - 2));
}

std::optional<Preference> parse_preference(std::string_view element) {
  Preference preference{.what = lower(take(element, ';')), .parameters = {}};
  if (preference.what.empty()) return std::nullopt;
  while (!element.empty()) {
    std::string_view value = take(element, ';');
    const std::string name = lower(take(value, '='));
    if (name == "q") {
      preference.quality = parse_quality(value).value_or(preference.quality);
      break;
    }
    if (!name.empty()) preference.parameters.emplace_back(name, unquoted(value));
  }
  return preference;
}

struct Offer {
  std::string_view type, subtype, version;
  bool messages = false;  ///< of protobuf: only what names message and encoding asks for it
};

bool asks_for_messages(const Preference& range) {
  const auto is = [&](std::string_view name, std::string_view value) {
    return std::ranges::find(range.parameters, std::pair(std::string(name), std::string(value))) !=
           range.parameters.end();
  };
  return is("proto", "io.prometheus.client.metricfamily") && is("encoding", "delimited");
}

/// How closely a media range names an offer: 0 not at all, 1 by */*, up to 4 with its version.
int specificity(const Preference& range, const Offer& offer) {
  if (range.what == "*/*" || range.what == "*") return 1;  // Java's client writes the latter
  const std::string type = std::string(offer.type) + "/";
  if (range.what == type + "*") return 2;
  if (range.what != type + std::string(offer.subtype)) return 0;
  if (offer.messages) return asks_for_messages(range) ? 4 : 0;
  int result = 3;
  for (const auto& [name, value] : range.parameters) {
    if (name == "charset" && value != "utf-8") return 0;
    if (name != "version") continue;  // "escaping" and what may come: not ours to judge
    if (value != offer.version) return 0;
    result = 4;
  }
  return result;
}

/// An offer's quality, how closely it was named, and how early: the larger, the better.
using Rank = std::tuple<int, int, std::ptrdiff_t>;

Rank rank(const std::vector<Preference>& ranges, const Offer& offer) {
  int closest = 0;
  Rank best{0, 0, 0};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const int close = specificity(ranges[i], offer);
    if (close <= closest) continue;
    closest = close;
    // Being named early tells only if it was this that was named.
    best = {ranges[i].quality, close, close >= 3 ? -static_cast<std::ptrdiff_t>(i) : 0};
  }
  return best;
}

int quality_of(const std::vector<Preference>& codings, std::string_view coding, int otherwise) {
  const auto found = std::ranges::find(codings, coding, &Preference::what);
  return found == codings.end() ? otherwise : found->quality;
}

}  // namespace

std::vector<Preference> parse_preferences(std::string_view header) {
  std::vector<Preference> preferences;
  while (!header.empty() && preferences.size() < kMaxPreferences)
    if (auto preference = parse_preference(take(header, ',')))
      preferences.push_back(std::move(*preference));
  return preferences;
}

Format choose_format(std::string_view accept) {
  const std::vector<Preference> ranges = parse_preferences(accept);
  if (ranges.empty()) return Format::text;
  const Rank text = rank(ranges, {"text", "plain", "0.0.4"});
  const Rank openmetrics = rank(ranges, {"application", "openmetrics-text", "1.0.0"});
  const Rank best = std::max(text, openmetrics);
  // Nobody who asks for anything at all can be taken to read messages.
  const Rank messages = rank(ranges, {"application", "vnd.google.protobuf", "", true});
  if (messages > best && std::get<1>(messages) == 4) return Format::protobuf;
  return openmetrics > text ? Format::openmetrics : Format::text;
}

bool takes_gzip(std::string_view accept_encoding) {
  const std::vector<Preference> codings = parse_preferences(accept_encoding);
  const int others = quality_of(codings, "*", 0);
  const int gzip = quality_of(codings, "gzip", quality_of(codings, "x-gzip", others));
  return gzip > 0 && gzip >= quality_of(codings, "identity", others);
}

}  // namespace kvmx
