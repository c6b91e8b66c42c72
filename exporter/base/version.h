// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kvmx {

/// Set by the build: the project's version, the commit it was built from, and the compiler.
extern const char* const kVersion;
extern const char* const kRevision;
extern const char* const kCompiler;

}  // namespace kvmx
