// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/write_exposition.h"

#include "exporter/exposition/registry_families.h"

namespace kvmx {

std::size_t write_exposition(const Snapshot& snapshot, const SelfStats& self,
                             const ExpositionOptions& options, const Sink& sink) {
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

Exposition render_exposition(const Snapshot& snapshot, const SelfStats& self,
                             const ExpositionOptions& options) {
  Exposition exposition;
  exposition.series = write_exposition(
      snapshot, self, options, [&exposition](std::string_view piece) { exposition.text += piece; });
  return exposition;
}

}  // namespace kvmx
