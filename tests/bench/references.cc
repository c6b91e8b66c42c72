// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/references.h"

#include <prometheus/counter.h>
#include <prometheus/text_serializer.h>

#include <charconv>
#include <cstring>

#include "exporter/exposition/text_stream.h"
#include "exporter/names/exit_reasons.h"

namespace kvmx::bench {
namespace {

template <typename Use>
void for_each_exits_series(const Snapshot& snapshot, Use use) {
  for (const Vm& vm : snapshot.vms)
    for (const VcpuCounts& vcpu : vm.counts.vcpus)
      for (const ReasonCount& reason : vcpu.reasons)
        use(vm.label, std::to_string(*vcpu.id), exit_reason_name(vm.counts.isa, *reason.code),
            reason.exits);
}

}  // namespace

LowerBound::LowerBound(const Snapshot& snapshot) : buffer_(TextStream::kPiece) {
  for_each_exits_series(snapshot, [this](const std::string& vm, const std::string& vcpu,
                                         const std::string& reason, std::uint64_t value) {
    series_.push_back(
        {"kvm_exits_total{vm=\"" + vm + "\",vcpu=\"" + vcpu + "\",reason=\"" + reason + "\"} ",
         value});
  });
}

std::size_t LowerBound::write() {
  constexpr std::size_t kMost = 256;
  std::size_t written = 0;
  char* at = buffer_.data();
  const char* const full = buffer_.data() + buffer_.size() - kMost;
  for (const Series& series : series_) {
    if (at > full) {
      written += static_cast<std::size_t>(at - buffer_.data());
      at = buffer_.data();
    }
    std::memcpy(at, series.text.data(), series.text.size());
    at += series.text.size();
    at = std::to_chars(at, at + 20, series.value).ptr;
    *at++ = '\n';
  }
  return written + static_cast<std::size_t>(at - buffer_.data());
}

RegistryPath::RegistryPath(const Snapshot& snapshot) {
  auto& exits =
      prometheus::BuildCounter().Name("kvm_exits_total").Help("VM exits.").Register(registry_);
  for_each_exits_series(snapshot, [&exits](const std::string& vm, const std::string& vcpu,
                                           const std::string& reason, std::uint64_t value) {
    exits.Add({{"vm", vm}, {"vcpu", vcpu}, {"reason", reason}})
        .Increment(static_cast<double>(value));
  });
}

std::string RegistryPath::exposition() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace kvmx::bench
