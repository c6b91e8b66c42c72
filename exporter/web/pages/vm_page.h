// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/snapshot/snapshot.h"
#include "exporter/web/http.h"

namespace kvmx {

/// The page of the guest that ?name= names by its label: what is wrong with it and why it exits,
/// with numbers of the last ten seconds. 404 for a label that no VM has or that is not exported,
/// which look alike; 400 without one.
Response vm_page(const Snapshot& snapshot, const Request& request);

}  // namespace kvmx
