// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "exporter/base/result.h"
#include "exporter/web/tls/web_config.h"

struct ssl_ctx_st;

namespace kvmx {

struct TlsContextDeleter {
  void operator()(ssl_ctx_st* context) const;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsContextDeleter>;

/// Makes what OpenSSL needs to serve with these certificates and keys, whose texts have been read.
/// The error names the file and what is wrong with it.
Result<TlsContext> make_tls_context(const TlsConfig& config);

}  // namespace kvmx
