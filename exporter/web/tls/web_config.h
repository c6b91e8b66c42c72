// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/web/tls/headers.h"

namespace kvmx {

/// PEM text, and the file it is in.
struct Pem {
  std::string text;            ///< of a file only once that has been read
  std::filesystem::path file;  ///< empty if the text is given
  [[nodiscard]] bool given() const { return !text.empty() || !file.empty(); }
};

/// What is asked of clients' certificates, in the words of Go's crypto/tls.
enum class ClientAuth { none, request, require_any, verify_if_given, require_and_verify };

struct TlsConfig {
  Pem certificate;
  Pem key;
  ClientAuth client_auth = ClientAuth::none;
  Pem client_ca;
  std::optional<std::vector<std::string>> client_allowed_sans;  ///< nothing: any
  int min_version = 0;  ///< as OpenSSL numbers them: TLS1_2_VERSION, ...
  int max_version = 0;
  std::vector<std::string> cipher_suites;  ///< IANA names, for TLS 1.2; empty: OpenSSL's choice
  std::vector<std::string> curves;         ///< OpenSSL's names; empty: OpenSSL's choice
  bool prefer_server_cipher_suites = true;
};

/// A token bucket for requests: see RateLimiter.
struct RateLimit {
  std::chrono::nanoseconds interval{};
  int burst = 0;
};

/// What --web.config.file says, in the format of Prometheus' exporter-toolkit:
/// https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
struct WebConfig {
  std::optional<TlsConfig> tls;
  Headers headers;                           ///< to send with every response
  std::map<std::string, std::string> users;  ///< bcrypt hashes by name; empty: no passwords
  std::optional<RateLimit> rate_limit;       ///< nothing: any number of requests
};

/// A duration as Go writes it, "1h30m", "1.5s", "100ms"; a number alone are nanoseconds.
std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

/// No web configuration is larger.
inline constexpr std::size_t kMaxWebConfig = 256UL * 1024;

/// Parses the text of a web configuration. Relative paths in it are taken from `directory`. Nothing
/// unknown is passed over: the error names line and column, and what is known.
Result<WebConfig> parse_web_config(std::string_view yaml, const std::filesystem::path& directory);

}  // namespace kvmx
