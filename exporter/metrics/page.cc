// SPDX-License-Identifier: Apache-2.0
#include "exporter/metrics/page.h"

#include <prometheus/text_serializer.h>

#include "exporter/metrics/families.h"

namespace kvmx {

MetricsPage render_metrics(const Snapshot& snapshot, const SelfStats& self) {
  MetricsPage page;
  TextWriter writer(page.text);
  write_exits(snapshot, writer);
  write_msrs(snapshot, writer);
  write_timers(snapshot, writer);
  write_halts(snapshot, writer);
  write_latencies(snapshot, writer);
  write_userspace(snapshot, writer);
  write_events(snapshot, writer);
  write_vms(snapshot, writer);
  write_host(snapshot, writer);
  page.series = writer.series();
  page.text += prometheus::TextSerializer().Serialize(self_families(snapshot, self));
  return page;
}

}  // namespace kvmx
