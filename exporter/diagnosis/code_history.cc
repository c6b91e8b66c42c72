// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/code_history.h"

#include <algorithm>

namespace kvmx {

void CodeHistory::record(std::span<const CodeCounter> counters, std::uint64_t round) {
  const std::size_t now = round % kRounds;
  const std::size_t before = (round - 1) % kRounds;
  const auto this_round = static_cast<std::uint32_t>(round);
  // A cause that is not counted any more stands still, until nothing in the window is of it: a
  // guest may have another MSR named each minute.
  std::erase_if(rows_, [&](const Row& row) { return this_round - row.seen > kRounds; });
  for (Row& row : rows_) row.counts[now] = row.counts[before];
  auto row = rows_.begin();
  for (const CodeCounter& counter : counters) {
    while (row != rows_.end() && row->code < counter.code) ++row;
    if (row == rows_.end() || row->code != counter.code) {
      if (counter.count == 0) continue;
      row = rows_.insert(row, Row{counter.code, 0, {}});
    }
    row->seen = this_round;
    row->counts[now] = static_cast<std::uint32_t>(counter.count);
  }
}

std::vector<CodeRate> CodeHistory::rates(std::uint64_t from, std::uint64_t to,
                                         double seconds) const {
  std::vector<CodeRate> rates;
  rates.reserve(rows_.size());
  for (const Row& row : rows_) {
    const std::uint32_t moved = grown(row.counts[from % kRounds], row.counts[to % kRounds]);
    if (moved != 0) rates.push_back({row.code, moved / seconds});
  }
  return rates;
}

}  // namespace kvmx
