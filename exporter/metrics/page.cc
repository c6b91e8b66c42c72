// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/page.h"

#include "exporter/exposition/registry_families.h"

namespace kvmx {

std::size_t write_metrics(const Snapshot& snapshot, const SelfStats& self,
                          const RenderOptions& options, const Sink& sink) {
  TextStream out(sink);
  TextWriter writer(out, options.format);
  for (std::size_t i = 0; i < kCollectors.size(); ++i)
    if (options.collectors[i]) kCollectors[i].write(snapshot, options.per_vcpu, writer);
  const std::size_t series = writer.series();
  write_families(self_families(snapshot, self), writer);
  writer.end();
  out.flush();
  return series;
}

MetricsPage render_metrics(const Snapshot& snapshot, const SelfStats& self,
                           const RenderOptions& options) {
  MetricsPage page;
  page.series = write_metrics(snapshot, self, options,
                              [&page](std::string_view piece) { page.text += piece; });
  return page;
}

}  // namespace kvmx
