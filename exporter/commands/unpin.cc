// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/log.h"
#include "exporter/commands/commands.h"
#include "exporter/kernel/pin_directory.h"

namespace kvmx {

Result<void> unpin(const Options& options) {
  const auto pins = PinDirectory::open(options.pin_dir, PinPurpose::remove);
  if (!pins) return pins.error();
  const auto removed = pins->remove_all();
  if (!removed) return removed.error();
  spdlog::info("{}: {} pinned sets removed", options.pin_dir, *removed);
  return {};
}

}  // namespace kvmx
