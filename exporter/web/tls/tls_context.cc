// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/tls_context.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "exporter/base/log.h"

namespace kvmx {
namespace {

template <auto kFree>
struct Free {
  void operator()(auto* object) const { kFree(object); }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

/// `what` with OpenSSL's own reason, which is then forgotten.
Error tls_error(const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return Error{what + (reason ? ": " + std::string(reason) : "")};
}

std::string name_of(const Pem& pem, const std::string& what) {
  return pem.file.empty() ? "the " + what + " in the configuration"
                          : what + " " + pem.file.string();
}

Result<BioPtr> open_pem(const Pem& pem) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || BIO_write(bio.get(), pem.text.data(), static_cast<int>(pem.text.size())) !=
                  static_cast<int>(pem.text.size()))
    return Error{"out of memory"};
  return bio;
}

/// Asks no one for the password of a key.
int no_password(char*, int, int, void*) { return 0; }

X509Ptr next_certificate(BIO* pem) {
  return X509Ptr(PEM_read_bio_X509(pem, nullptr, no_password, nullptr));
}

Result<void> use_certificate(SSL_CTX* context, const TlsConfig& config) {
  const Result<BioPtr> pem = open_pem(config.certificate);
  if (!pem) return pem.error();
  const X509Ptr certificate = next_certificate(pem->get());
  if (!certificate || SSL_CTX_use_certificate(context, certificate.get()) != 1)
    return tls_error("cannot use " + name_of(config.certificate, "certificate"));
  while (X509Ptr issuer = next_certificate(pem->get()))
    if (SSL_CTX_add0_chain_cert(context, issuer.get()) == 1)
      static_cast<void>(issuer.release());  // it is the context's now
  ERR_clear_error();                        // of reading past the last one

  const Result<BioPtr> key_pem = open_pem(config.key);
  if (!key_pem) return key_pem.error();
  const KeyPtr key(PEM_read_bio_PrivateKey(key_pem->get(), nullptr, no_password, nullptr));
  if (!key)
    return tls_error("cannot use " + name_of(config.key, "key") +
                     ", which is to be in PEM and without a password");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return tls_error(name_of(config.key, "key") + " is not that of " +
                     name_of(config.certificate, "certificate"));
  return {};
}

Result<void> use_client_ca(SSL_CTX* context, const Pem& client_ca) {
  const Result<BioPtr> pem = open_pem(client_ca);
  if (!pem) return pem.error();
  int count = 0;
  while (const X509Ptr authority = next_certificate(pem->get())) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1)
      return tls_error("cannot use " + name_of(client_ca, "client CA"));
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return Error{name_of(client_ca, "client CA") + " holds no certificate in PEM"};
  return {};
}

using AllowedSans = std::vector<std::string>;

/// Where a context keeps its AllowedSans: it may outlive who made it.
int sans_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* sans, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<AllowedSans*>(sans);
      });
  return index;
}

std::string bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// An alternative name as Go prints it; empty for kinds that it does not compare.
std::string san_text(const GENERAL_NAME& name) {
  if (name.type == GEN_DNS || name.type == GEN_EMAIL || name.type == GEN_URI)
    return bytes_of(name.d.ia5);
  if (name.type != GEN_IPADD) return {};
  const std::string address = bytes_of(name.d.ip);
  char text[INET6_ADDRSTRLEN] = "";
  if (address.size() == 4) ::inet_ntop(AF_INET, address.data(), text, sizeof(text));
  if (address.size() == 16) ::inet_ntop(AF_INET6, address.data(), text, sizeof(text));
  return text;
}

bool has_allowed_san(X509* certificate, const AllowedSans& allowed) {
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string san = san_text(*sk_GENERAL_NAME_value(names.get(), i));
    if (!san.empty() && std::ranges::find(allowed, san) != allowed.end()) return true;
  }
  return false;
}

/// Whether the client's own certificate, the first of the chain, has a name that is allowed.
int accept_allowed(int verified, X509_STORE_CTX* chain) {
  if (verified != 1 || X509_STORE_CTX_get_error_depth(chain) != 0) return verified;
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* allowed =
      static_cast<const AllowedSans*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sans_index()));
  if (!allowed || has_allowed_san(X509_STORE_CTX_get_current_cert(chain), *allowed)) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

/// Whatever the chain is worth: a certificate of any authority will do, if its name is allowed.
int accept_any(int, X509_STORE_CTX* chain) { return accept_allowed(1, chain); }

/// Where a configuration names no authorities, those of the system count, as in Go.
Result<void> use_system_ca(SSL_CTX* context) {
  // Read at once: later, files cannot be opened any more.
  constexpr const char* kSystem = "/etc/ssl/certs/ca-certificates.crt";
  if (SSL_CTX_load_verify_locations(context, kSystem, nullptr) != 1)
    spdlog::warn("there are no authorities in {}: no certificate of a client can be verified",
                 kSystem);
  ERR_clear_error();
  return {};
}

Result<void> verify_clients(SSL_CTX* context, const TlsConfig& config) {
  if (config.client_allowed_sans)
    SSL_CTX_set_ex_data(context, sans_index(), new AllowedSans(*config.client_allowed_sans));
  const bool verifies = config.client_auth == ClientAuth::verify_if_given ||
                        config.client_auth == ClientAuth::require_and_verify;
  const int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  // Who may leave out a certificate has no name that is allowed.
  const int asked = config.client_allowed_sans ? required : SSL_VERIFY_PEER;
  switch (config.client_auth) {
    case ClientAuth::none:
      return {};
    case ClientAuth::request:
      SSL_CTX_set_verify(context, asked, accept_any);
      break;
    case ClientAuth::require_any:
      SSL_CTX_set_verify(context, required, accept_any);
      break;
    case ClientAuth::verify_if_given:
      SSL_CTX_set_verify(context, asked, accept_allowed);
      break;
    case ClientAuth::require_and_verify:
      SSL_CTX_set_verify(context, required, accept_allowed);
      break;
  }
  if (config.client_ca.given()) return use_client_ca(context, config.client_ca);
  return verifies ? use_system_ca(context) : Result<void>();
}

std::string join(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ":") + word;
  return joined;
}

/// TLS 1.3 has suites of its own, set apart.
Result<void> choose_ciphers(SSL_CTX* context, const TlsConfig& config) {
  std::vector<std::string> suites;
  std::vector<std::string> ciphers;
  for (const std::string& name : config.cipher_suites)
    (name.find("_WITH_") == std::string::npos ? suites : ciphers)
        .emplace_back(OPENSSL_cipher_name(name.c_str()));
  if (!ciphers.empty() && SSL_CTX_set_cipher_list(context, join(ciphers).c_str()) != 1)
    return tls_error("cannot use these cipher_suites");
  if (!suites.empty() && SSL_CTX_set_ciphersuites(context, join(suites).c_str()) != 1)
    return tls_error("cannot use these cipher_suites");
  if (!config.curves.empty() && SSL_CTX_set1_groups_list(context, join(config.curves).c_str()) != 1)
    return tls_error("cannot use these curve_preferences");
  return {};
}

}  // namespace

void TlsContextDeleter::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<TlsContext> make_tls_context(const TlsConfig& config) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return tls_error("cannot set up TLS");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (config.prefer_server_cipher_suites)
    SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_min_proto_version(context.get(), config.min_version);
  SSL_CTX_set_max_proto_version(context.get(), config.max_version);
  // TLS before 1.2 signs with SHA-1, which OpenSSL refuses unless told that it is wanted.
  if (config.min_version < TLS1_2_VERSION) SSL_CTX_set_security_level(context.get(), 0);
  // Sessions are resumed by tickets only, and within what this context asks of clients.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  constexpr unsigned char kSessions[] = "kvm_exit_exporter";
  SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof(kSessions) - 1);
  for (const auto& step : {use_certificate, verify_clients, choose_ciphers})
    if (Result<void> done = step(context.get(), config); !done) return done.error();
  return context;
}

}  // namespace kvmx
