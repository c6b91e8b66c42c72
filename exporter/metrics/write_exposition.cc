// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/write_exposition.h"

#include <memory>
#include <vector>

#include "exporter/exposition/protobuf_writer.h"
#include "exporter/exposition/registry_families.h"
#include "exporter/exposition/text_writer.h"

namespace kvmx {
namespace {

std::unique_ptr<MetricWriter> make_writer(TextStream& out, Format format) {
  if (format == Format::protobuf) return std::make_unique<ProtobufWriter>(out);
  return std::make_unique<TextWriter>(out, format);
}

}  // namespace

std::size_t write_exposition(const Snapshot& snapshot, const SelfStats& self,
                             const ExpositionOptions& options, const Sink& sink) {
  TextStream out(sink);
  const std::unique_ptr<MetricWriter> made = make_writer(out, options.format);
  MetricWriter& writer = *made;
  const std::vector<prometheus::MetricFamily> own = self_families(snapshot, self);
  std::size_t series = 0;
  do {
    for (std::size_t i = 0; i < kCollectors.size(); ++i)
      if (options.collectors[i]) kCollectors[i].write(snapshot, options.per_vcpu, writer);
    series = writer.series();
    write_families(own, writer);
  } while (writer.end());
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
