// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the parser of --web.config.file, and to that of listen addresses. Seeds:
// tests/fuzz/corpus/web_config.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "exporter/web/address.h"
#include "exporter/web/tls/web_config.h"
#include "tests/fuzz/require.h"

using kvmx::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const kvmx::Result<kvmx::WebConfig> config = kvmx::parse_web_config(text, "/etc");
  if (config) {
    if (config->tls)
      require(config->tls->certificate.given() && config->tls->key.given(),
              "TLS has a certificate and a key");
    for (const auto& [name, hash] : config->users)
      require(!name.empty() && hash.size() == 60, "a user has a name and a bcrypt hash");
    for (const auto& [name, value] : config->headers)
      require(value.find('\n') == std::string::npos && value.find('\r') == std::string::npos,
              "a header is one line");
  } else {
    require(!config.error().message.empty(), "a refusal says why");
  }
  const kvmx::Result<kvmx::ListenAddress> address = kvmx::parse_listen_address(text);
  if (address)
    require((address->port == 0) == address->path.starts_with('/'),
            "an address is a port or a path");
  return 0;
}
