// SPDX-License-Identifier: Apache-2.0
// The maps of the programs when their functions are ordinary C: empty at first, and never full
// unless a test says so.
#pragma once

#include <functional>

namespace kvmx {

void reset_fake_maps();

/// From now on the map takes no new key.
void fill_fake_map(const void* map);

/// Calls it once, before the next update of any map, which it is given: what another CPU does then.
void call_before_update(std::function<void(const void*)> function);

}  // namespace kvmx
