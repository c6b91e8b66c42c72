// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "exporter/exposition/labels.h"

namespace kvmx {

/// Labels by key, each made once an exposition: thousands of vCPUs have the same few exit reasons
/// and touch the same few MSRs.
template <typename Key>
class LabelCache {
 public:
  /// The labels of `key`, which `add(labels)` makes the first time.
  template <typename Add>
  const Labels& of(const Key& key, Add add) {
    // Most vCPUs have the same keys in the same order, so most often it is the one after the last.
    if (next_ < in_order_.size() && in_order_[next_]->first == key)
      return in_order_[next_++]->second.labels;
    const auto [at, fresh] = known_.try_emplace(key);
    if (fresh) {
      add(at->second.labels);
      at->second.place = in_order_.size();
      in_order_.push_back(&*at);
    }
    next_ = at->second.place + 1;
    return at->second.labels;
  }

 private:
  struct Known {
    Labels labels;
    std::size_t place = 0;  ///< in in_order_
  };
  using Map = std::unordered_map<Key, Known>;

  Map known_;
  std::vector<typename Map::value_type*> in_order_;  ///< as they were first asked for
  std::size_t next_ = 0;                             ///< place after that of the last key
};

}  // namespace kvmx
