// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/summary/summary.h"

/// What of a summary its reader wants to see. Pure functions.
namespace kvmx {

/// How guests come if nobody says otherwise: by cost, the largest first.
inline constexpr std::string_view kSortByCost = "cost";
inline constexpr std::string_view kSortByName = "name";

/// All that guests can be sorted by: "cost", "name" and the keys of columns.
std::vector<std::string> sort_keys();

struct View {
  std::string sort{kSortByCost};
  bool reversed = false;
  std::string filter;         ///< guests whose names contain it, in capitals or not; empty: all
  bool typing = false;        ///< what is typed goes into the filter
  bool all_findings = false;  ///< in full, for as long as they need; else some, above the table
  std::size_t first = 0;      ///< guests that are scrolled past
};

/// The guests to show, in their order.
std::vector<const GuestSummary*> chosen_guests(const HostSummary& host, const View& view);

/// The findings to show: the worst first, of the guests that the filter lets through.
std::vector<std::pair<const GuestSummary*, const FindingSummary*>> chosen_findings(
    const HostSummary& host, const View& view);

}  // namespace kvmx
