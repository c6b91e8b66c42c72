// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/view.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "exporter/summary/columns.h"

namespace kvmx {
namespace {

std::string lower(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return made;
}

bool shows(const View& view, const GuestSummary& guest) {
  return lower(guest.label).find(lower(view.filter)) != std::string::npos;
}

double weight(const GuestSummary& guest, std::string_view sort) {
  for (const GuestColumn& column : guest_columns())
    if (column.key == sort) return column.weight(guest);
  return guest.cost;
}

}  // namespace

std::vector<std::string> sort_keys() {
  std::vector<std::string> keys = {std::string(kSortByCost), std::string(kSortByName)};
  for (const GuestColumn& column : guest_columns()) keys.emplace_back(column.key);
  return keys;
}

std::vector<const GuestSummary*> chosen_guests(const HostSummary& host, const View& view) {
  std::vector<const GuestSummary*> guests;
  for (const GuestSummary& guest : host.guests)
    if (shows(view, guest)) guests.push_back(&guest);
  // They come by cost, which decides between equals.
  if (view.sort == kSortByName) {
    std::ranges::stable_sort(guests, {}, &GuestSummary::label);
  } else {
    std::ranges::stable_sort(guests, std::greater(), [&view](const GuestSummary* guest) {
      return weight(*guest, view.sort);
    });
  }
  if (view.reversed) std::ranges::reverse(guests);
  return guests;
}

std::vector<std::pair<const GuestSummary*, const FindingSummary*>> chosen_findings(
    const HostSummary& host, const View& view) {
  auto findings = worst_first(host);
  std::erase_if(findings, [&view](const auto& each) { return !shows(view, *each.first); });
  return findings;
}

}  // namespace kvmx
