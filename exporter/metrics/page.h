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

struct RenderOptions {
  Format format = Format::text;
  CollectorSet collectors = CollectorSet().set();  ///< kvm_exporter_* and process_* always come
  PerVcpu per_vcpu = PerVcpu::counts;
};

/// Writes a /metrics page to `sink`, in pieces of TextStream::kPiece. Returns how many series it
/// has, kvm_exporter_* and process_* left out.
std::size_t write_metrics(const Snapshot& snapshot, const SelfStats& self,
                          const RenderOptions& options, const Sink& sink);

/// The same as a whole.
struct MetricsPage {
  std::string text;
  std::size_t series = 0;
};

MetricsPage render_metrics(const Snapshot& snapshot, const SelfStats& self,
                           const RenderOptions& options = {});

}  // namespace kvmx
