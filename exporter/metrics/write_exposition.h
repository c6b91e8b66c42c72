// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "exporter/exposition/format.h"
#include "exporter/exposition/text_stream.h"
#include "exporter/metrics/collectors.h"
#include "exporter/metrics/self.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

struct ExpositionOptions {
  Format format = Format::text;
  CollectorSet collectors = CollectorSet().set();  ///< kvm_exporter_* and process_* always come
  PerVcpu per_vcpu = PerVcpu::counts;
};

/// Writes what /metrics answers to `sink`, in pieces of TextStream::kPiece. Returns how many series
/// it has, kvm_exporter_* and process_* left out.
std::size_t write_exposition(const Snapshot& snapshot, const SelfStats& self,
                             const ExpositionOptions& options, const Sink& sink);

/// The same as a whole.
struct Exposition {
  std::string text;
  std::size_t series = 0;
};

Exposition render_exposition(const Snapshot& snapshot, const SelfStats& self,
                             const ExpositionOptions& options = {});

}  // namespace kvmx
