// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <string>
#include <vector>

#include "exporter/snapshot/snapshot.h"

namespace kvmx::bench {

/// What to measure against, for the series of kvm_exits_total of a snapshot.

/// The least there is to do: copies text that is there already, and writes a number behind it.
class LowerBound {
 public:
  explicit LowerBound(const Snapshot& snapshot);
  /// Writes all series, over and over into the same buffer. Returns their size.
  std::size_t write();

 private:
  struct Series {
    std::string text;  ///< all but the number
    std::uint64_t value;
  };
  std::vector<Series> series_;
  std::vector<char> buffer_;
};

/// prometheus-cpp, with a counter for each series.
class RegistryPath {
 public:
  explicit RegistryPath(const Snapshot& snapshot);
  [[nodiscard]] std::string exposition() const;

 private:
  prometheus::Registry registry_;
};

}  // namespace kvmx::bench
