// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/window.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "exporter/diagnosis/thresholds.h"

namespace kvmx {

std::size_t most_of(std::size_t vcpus) {
  return static_cast<std::size_t>(std::ceil(threshold::kMost * static_cast<double>(vcpus)));
}

double reached_by_most(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(most_of(values.size()) - 1);
  std::ranges::nth_element(values, at, std::greater());
  return *at;
}

double reached_by_most(const VmWindow& vm, Counter counter) {
  std::vector<double> values;
  values.reserve(vm.running.size());
  for (const Rates& vcpu : vm.running) values.push_back(vcpu[counter]);
  return reached_by_most(std::move(values));
}

}  // namespace kvmx
