// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace kvmx {

/// Which families have a label vcpu (--metrics.per-vcpu, ?per_vcpu=), from fewest series to most.
/// The others are sums over the VM, so that sums over vcpu are the same whichever is chosen.
enum class PerVcpu : std::uint8_t {
  none,
  counts,  ///< those that count; not those of time spent, nor of userspace exits
  all,
};

/// What users call them.
inline constexpr std::array<std::pair<std::string_view, PerVcpu>, 3> kPerVcpuNames = {
    {{"counts", PerVcpu::counts}, {"all", PerVcpu::all}, {"none", PerVcpu::none}}};

constexpr std::optional<PerVcpu> per_vcpu_named(std::string_view name) {
  for (const auto& [known, value] : kPerVcpuNames)
    if (known == name) return value;
  return std::nullopt;
}

}  // namespace kvmx
