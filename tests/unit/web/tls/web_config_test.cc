// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/web_config.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <string>

namespace kvmx {
namespace {

const std::string kHash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

TEST(WebConfig, ReadsEveryKeyOfTheFormat) {
  const Result<WebConfig> config = parse_web_config(R"(
tls_server_config:
  cert_file: tls.crt
  key_file: /etc/tls.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example, 10.0.0.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [X25519, CurveP256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000
rate_limit:
  interval: 1m30s
  burst: 5
basic_auth_users:
  alice: )" + kHash + "\n",
                                                    "/etc/kvm");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_TRUE(config->tls);
  EXPECT_EQ(config->tls->certificate.file, "/etc/kvm/tls.crt");
  EXPECT_EQ(config->tls->key.file, "/etc/tls.key");
  EXPECT_EQ(config->tls->client_ca.file, "/etc/kvm/ca.crt");
  EXPECT_EQ(config->tls->client_auth, ClientAuth::require_and_verify);
  EXPECT_EQ(config->tls->client_allowed_sans,
            std::optional(std::vector<std::string>{"prometheus.example", "10.0.0.1"}));
  EXPECT_EQ(config->tls->min_version, TLS1_2_VERSION);
  EXPECT_EQ(config->tls->max_version, TLS1_3_VERSION);
  EXPECT_EQ(config->tls->curves, (std::vector<std::string>{"X25519", "P-256"}));
  EXPECT_FALSE(config->tls->prefer_server_cipher_suites);
  EXPECT_EQ(config->headers, (Headers{{"X-Frame-Options", "deny"},
                                      {"Strict-Transport-Security", "max-age=31536000"}}));
  EXPECT_EQ(config->users.at("alice"), kHash);
  ASSERT_TRUE(config->rate_limit);
  EXPECT_EQ(config->rate_limit->interval, std::chrono::seconds(90));
  EXPECT_EQ(config->rate_limit->burst, 5);
}

/// Each of these is valid to exporter-toolkit.
TEST(WebConfig, AcceptsWhatExporterToolkitAccepts) {
  const std::string tls = "tls_server_config: {cert_file: a, key_file: b, ";
  for (const std::string& text :
       {tls + "client_auth_type: VerifyClientCertIfGiven}",
        tls + "client_auth_type: RequireAndVerifyClientCert}",
        tls + "client_auth_type: RequireAnyClientCert, client_ca_file: c}",
        tls + "client_auth_type: RequireClientCert, client_allowed_sans: [d]}",
        tls + "client_auth_type: RequestClientCert, client_ca: c}", tls + "client_auth_type: \"\"}",
        tls + "cert: c, key: d}", std::string("tls_server_config: {min_version: TLS13}"),
        std::string("rate_limit: {interval: 0, burst: 5}"), std::string("rate_limit: {}"),
        std::string("rate_limit: {interval: 1s, burst: 5}"),
        std::string("http_server_config: {http2: off}"),
        std::string("http_server_config: {headers: {X-Frame-Options: sameorigin, "
                    "X-Content-Type-Options: nosniff, X-XSS-Protection: \"\"}}")}) {
    const Result<WebConfig> config = parse_web_config(text, "");
    EXPECT_TRUE(config) << text << "\n" << (config ? "" : config.error().message);
  }
  EXPECT_FALSE(parse_web_config("tls_server_config: {min_version: TLS13}", "")->tls);
  EXPECT_FALSE(parse_web_config("rate_limit: {interval: 0s, burst: 5}", "")->rate_limit);
}

TEST(WebConfig, TakesTheBooleansOfYaml11) {
  const std::string tls = "tls_server_config: {cert_file: a, key_file: b, ";
  for (const char* yes : {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
    EXPECT_TRUE(parse_web_config(tls + "prefer_server_cipher_suites: " + yes + "}", "")
                    ->tls->prefer_server_cipher_suites)
        << yes;
  for (const char* no : {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "OFF"})
    EXPECT_FALSE(parse_web_config(tls + "prefer_server_cipher_suites: " + no + "}", "")
                     ->tls->prefer_server_cipher_suites)
        << no;
}

TEST(WebConfig, ReadsDurationsAsGoDoes) {
  using std::chrono::nanoseconds;
  EXPECT_EQ(parse_go_duration("1h30m"), std::chrono::minutes(90));
  EXPECT_EQ(parse_go_duration("1.5s"), std::chrono::milliseconds(1500));
  EXPECT_EQ(parse_go_duration("100us2ns"), nanoseconds(100'002));
  EXPECT_EQ(parse_go_duration("0"), nanoseconds(0));
  EXPECT_EQ(parse_go_duration("1000"), nanoseconds(1000));
  for (const char* wrong : {"", "s", "1x", "1s2", "-1s", "1e3s", "9999999999999h", ".s"})
    EXPECT_FALSE(parse_go_duration(wrong)) << wrong;
}

TEST(WebConfig, RefusesWhatIsTooLarge) {
  EXPECT_FALSE(parse_web_config(std::string(900'000, '['), ""));
  EXPECT_FALSE(parse_web_config(std::string(100'000, '['), ""));
  EXPECT_FALSE(parse_web_config(std::string(1'000'000, '#'), ""));
}

TEST(WebConfig, EmptyFileIsPlainHttp) {
  for (const char* text : {"", "# nothing\n", "{}", "tls_server_config:\nbasic_auth_users:\n"}) {
    const Result<WebConfig> config = parse_web_config(text, "");
    ASSERT_TRUE(config) << text << config.error().message;
    EXPECT_FALSE(config->tls);
    EXPECT_TRUE(config->users.empty());
  }
}

TEST(WebConfig, RefusesMistakesByTheirPlace) {
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {"basic_auth: {}", "line 1, column 1: \"basic_auth\" is not known in a web configuration"},
      {"tls_server_config:\n  cert_file: a\n  keyfile: b\n",
       "line 3, column 3: \"keyfile\" is not known in tls_server_config"},
      {"tls_server_config:\n  cert_file: a\n", "needs a certificate and its key"},
      {"tls_server_config: {cert_file: a, key_file: b, min_version: SSL3}",
       "min_version cannot be \"SSL3\": choose TLS10, TLS11, TLS12, TLS13"},
      {"tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
       "min_version is above max_version"},
      {"tls_server_config: {cert_file: a, key_file: b, client_auth_type: Always}",
       "client_auth_type cannot be \"Always\""},
      {"tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}",
       "has no effect without"},
      {"tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [c]}",
       "client_allowed_sans has no effect"},
      {"tls_server_config: {cert_file: a, key_file: b, cipher_suites: [NULL_MD5]}",
       "OpenSSL knows no cipher suite \"NULL_MD5\""},
      {"tls_server_config: {cert_file: a, key_file: b, cipher_suites: x}", "is to be a list"},
      {"tls_server_config: {cert_file: a, key_file: b, curve_preferences: [P-256]}",
       "curve_preferences cannot be \"P-256\""},
      {"tls_server_config: {cert_file: [a], key_file: b}", "cert_file is to be a text"},
      {"http_server_config: {http2: maybe}", "http2 is to be true or false"},
      {"http_server_config: {headers: {Server: x}}", "\"Server\" is not known in headers"},
      {"http_server_config: {headers: {X-Frame-Options: \"a\\r\\nb: c\"}}", "control character"},
      {"basic_auth_users: {alice: secret}", "the password of alice is to be a bcrypt hash"},
      {"basic_auth_users: {alice: " + kHash + "0}", "bcrypt hash"},
      {"basic_auth_users: {alice: " + kHash + ", alice: " + kHash + "}",
       "\"alice\" is there twice"},
      {"basic_auth_users: {\"a:b\": " + kHash + "}", "has no colon"},
      {"basic_auth_users: [alice]", "is to be a mapping"},
      {"a: [", "this is no YAML"},
      {"rate_limit: {interval: 5}\nrate_limits: {}", "\"rate_limits\" is not known"},
      {"rate_limit: {interval: soon, burst: 1}", "interval is to be a duration"},
      {"rate_limit: {interval: 1s, burst: many}", "burst is to be a number"},
      {"http_server_config: {headers: {X-Frame-Options: foo}}",
       "X-Frame-Options cannot be \"foo\": choose deny or sameorigin"},
      {"http_server_config: {headers: {X-Content-Type-Options: sniff}}", "choose nosniff"},
  };
  for (const auto& each : cases) {
    const Result<WebConfig> config = parse_web_config(each.text, "");
    ASSERT_FALSE(config) << each.text;
    EXPECT_NE(config.error().message.find(each.message), std::string::npos)
        << each.text << "\n"
        << config.error().message;
    EXPECT_TRUE(config.error().message.starts_with("line ")) << config.error().message;
  }
}

}  // namespace
}  // namespace kvmx
