// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/place_history.h"

#include <algorithm>
#include <functional>

namespace kvmx {

void PlaceHistory::record(std::span<const IoCount> io, std::uint64_t round) {
  const std::size_t now = round % kRounds;
  // A place that has lost its name stands still, until nothing in the window is of it.
  std::erase_if(rows_, [&](const Row& row) { return round - row.seen > kRounds; });
  for (Row& row : rows_) row.counts[now] = row.counts[(round - 1) % kRounds];
  for (const IoCount& count : io) {
    auto row = std::ranges::find_if(rows_, [&](const Row& known) {
      return known.space == count.space && known.address == count.address;
    });
    if (row == rows_.end()) {
      if (count.accesses == decltype(count.accesses){}) continue;
      row = rows_.insert(rows_.end(), Row{count.space, count.address});
    }
    row->seen = round;
    for (std::size_t op = 0; op < KVMX_OPS; ++op)
      row->counts[now][op] = static_cast<std::uint32_t>(count.accesses[op]);
  }
}

std::vector<PlaceRate> PlaceHistory::rates(std::uint64_t from, std::uint64_t to,
                                           double seconds) const {
  std::vector<PlaceRate> rates;
  for (const Row& row : rows_) {
    PlaceRate rate{.space = row.space, .address = row.address};
    for (std::size_t op = 0; op < KVMX_OPS; ++op)
      rate.rates[op] =
          grown(row.counts[from % kRounds][op], row.counts[to % kRounds][op]) / seconds;
    if (rate.total() > 0) rates.push_back(rate);
  }
  std::ranges::stable_sort(rates, std::greater(), &PlaceRate::total);
  return rates;
}

}  // namespace kvmx
