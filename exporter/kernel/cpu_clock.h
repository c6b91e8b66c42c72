// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kvmx {

/// At which frequency the host's CPUs run now, and could.
struct CpuClock {
  double max_hertz = 0;    ///< of the fastest
  double mean_hertz = 0;   ///< of all that tell
  double limit_hertz = 0;  ///< what the fastest can do at most; 0: not known
};

}  // namespace kvmx
