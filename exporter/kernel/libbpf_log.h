// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kvmx {

/// Sends what libbpf has to say, the verifier's log among it, to our log at level debug. To be
/// called before anything else of libbpf.
void route_libbpf_log();

}  // namespace kvmx
