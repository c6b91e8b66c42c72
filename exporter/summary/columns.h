// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "exporter/summary/summary.h"

namespace kvmx {

/// A column of the table of guests.
struct GuestColumn {
  std::string_view key;    ///< what it is sorted by when users say so: "exits"
  std::string_view title;  ///< "exits/s"
  bool number = true;      ///< and so aligned to the right
  std::string (*text)(const GuestSummary& guest) = nullptr;  ///< "-": not known
  double (*weight)(const GuestSummary& guest) = nullptr;  ///< what it is sorted by, largest first
};

/// The columns after the guest's name, the same on the page and in the terminal.
std::span<const GuestColumn> guest_columns();

/// "timer storm".
std::string finding_title(const FindingSummary& finding);

/// For how long: "12 s", "5 min", "3 h".
std::string duration(double seconds);

/// The host in two sentences: "64 CPUs at 3.40 GHz on average, the fastest at 3.80 GHz (3.90 GHz is
/// their most). 2 guests make 66,945 exits and 33,169 wake-ups a second."
std::string host_line(const HostSummary& host);

/// Why there are no exits; empty if there are.
std::string_view exits_note(ExitCounting counting);

}  // namespace kvmx
