// SPDX-License-Identifier: Apache-2.0
// Certificates and keys that a web configuration names, and a client's certificate that a server
// looks at. The first byte says which of them the rest is, and whether it is PEM, or DER to be
// wrapped in it. Seeds: tests/fuzz/corpus/tls.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "exporter/base/log.h"
#include "exporter/web/tls/tls_context.h"
#include "tests/fuzz/require.h"

using kvmx::require;

namespace {

template <auto kFree>
struct Free {
  void operator()(auto* object) const { kFree(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;

constexpr std::string_view kAllowedName = "allowed.example";
constexpr std::string_view kAllowedAddress = "127.0.0.9";
constexpr std::string_view kAddressBytes("\x7f\0\0\x09", 4);

/// The key that all seeds were made with: everybody's.
EVP_PKEY* own_key() {
  static const KeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr,
      reinterpret_cast<const unsigned char*>("a key of the fuzzer, and no secret"), 32));
  return key.get();
}

/// A certificate for that key, signed by itself.
X509* own_certificate() {
  static const X509Ptr certificate = [] {
    X509Ptr made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 1 << 24);
    X509_set_pubkey(made.get(), own_key());
    require(X509_sign(made.get(), own_key(), nullptr) != 0, "a certificate can be made");
    return made;
  }();
  return certificate.get();
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string own_certificate_pem() {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), own_certificate());
  return text_of(bio.get());
}

std::string own_key_pem() {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), own_key(), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

std::string wrapped(std::string_view der, const char* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), name, "", reinterpret_cast<const unsigned char*>(der.data()),
                static_cast<long>(der.size()));
  return text_of(bio.get());
}

kvmx::TlsConfig own_config() {
  static const std::string certificate = own_certificate_pem(), key = own_key_pem();
  kvmx::TlsConfig config;
  config.certificate.text = certificate;
  config.key.text = key;
  config.min_version = TLS1_2_VERSION;
  config.max_version = TLS1_3_VERSION;
  return config;
}

void try_config(const kvmx::TlsConfig& config) {
  const auto context = kvmx::make_tls_context(config);
  if (!context) require(!context.error().message.empty(), "a refusal says why");
}

/// Whether both sides of a connection in memory are content with each other.
bool shake_hands(SSL* server, SSL* client) {
  BIO* of_server = nullptr;
  BIO* of_client = nullptr;
  require(BIO_new_bio_pair(&of_server, 0, &of_client, 0) == 1, "there is memory");
  SSL_set_bio(server, of_server, of_server);
  SSL_set_bio(client, of_client, of_client);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const int from_client = SSL_do_handshake(client);
    const int from_server = SSL_do_handshake(server);
    if (from_server == 1 && from_client == 1) return true;
    if (from_server != 1 && SSL_get_error(server, from_server) != SSL_ERROR_WANT_READ) return false;
    if (from_client != 1 && SSL_get_error(client, from_client) != SSL_ERROR_WANT_READ) return false;
  }
  return false;
}

/// A server that asks for certificates in this way. Made once: that takes longer than a handshake.
SSL_CTX* own_server(kvmx::ClientAuth auth) {
  static const auto make = [](kvmx::ClientAuth asked) {
    kvmx::TlsConfig config = own_config();
    config.client_auth = asked;
    config.client_ca = config.certificate;
    config.client_allowed_sans = {std::string(kAllowedName), std::string(kAllowedAddress)};
    auto context = kvmx::make_tls_context(config);
    require(static_cast<bool>(context), "the server's own configuration is right");
    return std::move(*context);
  };
  static const kvmx::TlsContext any = make(kvmx::ClientAuth::require_any);
  static const kvmx::TlsContext verified = make(kvmx::ClientAuth::require_and_verify);
  return (auth == kvmx::ClientAuth::require_any ? any : verified).get();
}

SSL_CTX* own_client() {
  static const ContextPtr client = [] {
    ContextPtr made(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_security_level(made.get(), 0);
    return made;
  }();
  return client.get();
}

/// A client with this certificate comes in only if an allowed name is in it, whatever else is.
void try_client(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const X509Ptr certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  if (!certificate) return;
  for (const auto auth : {kvmx::ClientAuth::require_any, kvmx::ClientAuth::require_and_verify}) {
    const SslPtr server(SSL_new(own_server(auth))), client(SSL_new(own_client()));
    if (SSL_use_certificate(client.get(), certificate.get()) != 1 ||
        SSL_use_PrivateKey(client.get(), own_key()) != 1)
      return;
    if (!shake_hands(server.get(), client.get())) continue;
    require(der.find(kAllowedName) != der.npos || der.find(kAddressBytes) != der.npos,
            "nobody comes in without an allowed name");
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  spdlog::set_level(spdlog::level::off);
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool is_der = (data[0] & 4U) != 0;
  kvmx::TlsConfig config = own_config();
  switch (data[0] & 3U) {
    case 0:
      config.certificate.text = is_der ? wrapped(rest, "CERTIFICATE") : rest;
      try_config(config);
      break;
    case 1:
      config.key.text = is_der ? wrapped(rest, "PRIVATE KEY") : rest;
      try_config(config);
      break;
    case 2:
      config.client_auth = kvmx::ClientAuth::require_and_verify;
      config.client_ca.text = is_der ? wrapped(rest, "CERTIFICATE") : rest;
      try_config(config);
      break;
    default:
      try_client(rest);
  }
  ERR_clear_error();
  return 0;
}
