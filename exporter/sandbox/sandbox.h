// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kvmx {

/// Gives up, for good, what attaching took and running does not: capabilities and most system
/// calls. To be called by the thread that attached; others give up their capabilities as they
/// begin, with drop_capabilities(). What cannot be given up is logged and left.
void enter_sandbox();

}  // namespace kvmx
