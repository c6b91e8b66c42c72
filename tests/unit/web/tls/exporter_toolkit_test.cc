// SPDX-License-Identifier: Apache-2.0
// The cases by which exporter-toolkit tests its web configuration (web/tls_config_test.go at
// 19a7c2d, July 2026, with files of web/testdata, whose names stand here), made up anew. Whether
// files are there and fit is web_tls_test.py's.
#include <gtest/gtest.h>

#include <string>

#include "exporter/web/tls/web_config.h"

namespace kvmx {
namespace {

struct ToolkitCase {
  const char* file;  ///< after "web_config_" or "tls_config_"
  const char* yaml;
  const char* refusal;  ///< part of it; null: the exporter starts
};

constexpr const char* kFiles =
    "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

const ToolkitCase kCases[] = {
    {"empty.yml", "", nullptr},
    {"junk.yml", "a1b2c3\nd4e5f6\n", "is to be a mapping"},
    {"junk_key.yml", "tls_server_config:\n  cert_filse: server.crt\n",
     "\"cert_filse\" is not known"},
    {"noAuth_certPath_empty.bad.yml",
     "tls_server_config:\n  cert_file: \"\"\n  key_file: server.key\n", "needs a certificate"},
    {"noAuth_cert_empty.bad.yml", "tls_server_config:\n  cert: \"\"\n  key_file: server.key\n",
     "needs a certificate"},
    {"noAuth_keyPath_empty.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: \"\"\n", "and its key"},
    {"noAuth_key_empty.bad.yml", "tls_server_config:\n  cert_file: server.crt\n  key: \"\"\n",
     "and its key"},
    {"noAuth_certPath_keyPath_empty.bad.yml",
     "tls_server_config:\n  cert_file: \"\"\n  key_file: \"\"\n  client_auth_type: \"x\"\n",
     "client_auth_type cannot be \"x\""},
    {"noAuth.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  client_ca_file: /dev/null\n",
     "client_ca_file has no effect"},
    {"auth_user_list_invalid.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "basic_auth_users:\n  john: doe\n",
     "is to be a bcrypt hash"},
    {"noAuth_inventedCiphers.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  cipher_suites:\n  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048\n",
     "no cipher suite"},
    {"noAuth_inventedCurves.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  curve_preferences:\n    - CurveP257\n",
     "curve_preferences cannot be \"CurveP257\""},
    {"noAuth_wrongTLSVersion.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  min_version: TLS111\n",
     "min_version cannot be \"TLS111\""},
    {"headers_content_type_options.bad.yml",
     "http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n", "choose nosniff"},
    {"headers_frame_options.bad.yml", "http_server_config:\n  headers:\n    X-Frame-Options: foo\n",
     "choose deny or sameorigin"},
    {"headers_extra_header.bad.yml", "http_server_config:\n  headers:\n    Content-Type: foo\n",
     "\"Content-Type\" is not known in headers"},
    {"noAuth.good.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  client_auth_type: VerifyClientCertIfGiven\n",
     nullptr},
    {"noAuth_tlsInline.good.yml", "tls_server_config:\n  cert: |\n    -----\n  key: |\n    -----\n",
     nullptr},
    {"noAuth_allCiphers.good.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  cipher_suites:\n"
     "  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n  - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\n"
     "  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n"
     "  - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256\n"
     "  - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256\n  - TLS_AES_128_GCM_SHA256\n"
     "  - TLS_AES_256_GCM_SHA384\n  - TLS_CHACHA20_POLY1305_SHA256\n"
     "  - TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA\n  - TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA\n"
     "  - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\n  - TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA\n",
     nullptr},
    {"noAuth_someCiphers_noOrder.good.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  cipher_suites:\n"
     "  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n  prefer_server_cipher_suites: false\n"
     "  min_version: TLS12\n  max_version: TLS12\n",
     nullptr},
    {"noAuth_allCurves.good.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  curve_preferences:\n"
     "    - CurveP256\n    - CurveP384\n    - CurveP521\n    - X25519\n",
     nullptr},
    {"noAuth_noHTTP2.good.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n  max_version: TLS12\n"
     "http_server_config:\n  http2: false\n",
     nullptr},
    // Go refuses this for HTTP/2, which the exporter does not speak.
    {"noAuth_noHTTP2Cipher.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n  max_version: TLS12\n",
     nullptr},
    {"headers.good.yml",
     "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
     "    Strict-Transport-Security: max-age=31536000; includeSubDomains\n"
     "    X-Content-Type-Options: nosniff\n    X-XSS-Protection: 1\n"
     "    Content-Security-Policy: \"default-src 'self' *.test.example.net\"\n",
     nullptr},
    {"noAuth.requireanyclientcert.good.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  client_auth_type: RequireAnyClientCert\n",
     nullptr},
    {"auth_clientCAs_missing.bad.yml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  client_auth_type: RequireAndVerifyClientCert\n",
     nullptr},
    {"auth_client_san.good.yaml",
     "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
     "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
     "  client_allowed_sans:\n    - one\n    - two\n",
     nullptr},
    {"rate_limiter_nonblocking.yaml", "rate_limit:\n  interval: 0\n  burst: 0\n", nullptr},
    {"rate_limiter_one_second.yaml", "rate_limit:\n  interval: \"1s\"\n  burst: 0\n", nullptr},
    {"users_noTLS.good.yml",
     "basic_auth_users:\n"
     "  alice: $2y$12$1DpfPeqF9HzHJt.EWswy1exHluGfbhnn3yXhR7Xes6m3WJqFg0Wby\n",
     nullptr},
};

TEST(ExporterToolkit, ItsCasesAreTakenAndRefusedAlike) {
  for (const ToolkitCase& c : kCases) {
    const Result<WebConfig> config = parse_web_config(c.yaml, "/etc");
    if (!c.refusal) {
      EXPECT_TRUE(config) << c.file << ": " << config.error().message;
      continue;
    }
    ASSERT_FALSE(config) << c.file;
    EXPECT_NE(config.error().message.find(c.refusal), std::string::npos)
        << c.file << ": " << config.error().message;
  }
}

TEST(ExporterToolkit, AKeyWithoutAValueIsAsIfItWereNotThere) {
  const Result<WebConfig> config = parse_web_config(
      "tls_server_config:\n  cert_file:\n  client_auth_type:\n  client_allowed_sans:\n"
      "http_server_config:\n  http2:\n  headers:\n    X-Frame-Options:\nrate_limit:\n  burst:\n",
      "/etc");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->tls);
  EXPECT_TRUE(config->headers.empty());
  EXPECT_FALSE(parse_web_config(std::string(kFiles) + "basic_auth_users:\n  alice:\n", ""))
      << "a user without a password";
}

TEST(ExporterToolkit, AliasesAndMergesAreReadAsYaml11Says) {
  const std::string hash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
  const Result<WebConfig> aliases =
      parse_web_config("basic_auth_users: {alice: &same " + hash + ", bob: *same}", "");
  ASSERT_TRUE(aliases) << aliases.error().message;
  EXPECT_EQ(aliases->users.at("bob"), hash);
  // Keys that are there count before merged ones, and earlier merged ones before later ones.
  const Result<WebConfig> merges = parse_web_config(
      "tls_server_config: &tls {cert_file: a, key_file: b, min_version: TLS13}\n"
      "http_server_config:\n  headers: {<<: [{X-Frame-Options: deny}, {X-Frame-Options: "
      "sameorigin, X-XSS-Protection: 1}], X-XSS-Protection: 0}\n",
      "");
  ASSERT_TRUE(merges) << merges.error().message;
  EXPECT_EQ(merges->headers, (Headers{{"X-XSS-Protection", "0"}, {"X-Frame-Options", "deny"}}));
  const Result<WebConfig> tls =
      parse_web_config("tls_server_config: {<<: {cert_file: a, key_file: b}, key_file: c}", "");
  ASSERT_TRUE(tls) << tls.error().message;
  EXPECT_EQ(tls->tls->certificate.file, "a");
  EXPECT_EQ(tls->tls->key.file, "c");
}

TEST(ExporterToolkit, MergesThatDoNotEndAreRefused) {
  for (const char* yaml :
       {"http_server_config: &a {<<: *a}", "rate_limit: &a {<<: [*a, *a, *a]}"}) {
    const Result<WebConfig> config = parse_web_config(yaml, "");
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().message.find("merges more"), std::string::npos)
        << config.error().message;
  }
  EXPECT_FALSE(parse_web_config("rate_limit: {<<: 5}", ""));
  EXPECT_FALSE(parse_web_config("rate_limit: {\"<<\": {burst: 5}}", "")) << "a key in quotes";
}

TEST(ExporterToolkit, AllowedNamesNeedACertificateToBeAskedFor) {
  const std::string sans = std::string(kFiles) + "  client_allowed_sans: [a]\n  client_auth_type: ";
  for (const char* type : {"RequestClientCert", "VerifyClientCertIfGiven", "RequireAnyClientCert",
                           "RequireAndVerifyClientCert"})
    EXPECT_TRUE(parse_web_config(sans + type, "")) << type;
  for (const char* type : {"\"\"", "NoClientCert"})
    EXPECT_FALSE(parse_web_config(sans + type, "")) << type;
}

}  // namespace
}  // namespace kvmx
