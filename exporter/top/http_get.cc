// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/http_get.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <memory>
#include <vector>

#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

constexpr std::size_t kLongestAnswer = std::size_t{64} << 20U;

template <auto kFree>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using TlsContext = std::unique_ptr<SSL_CTX, Release<SSL_CTX_free>>;
using Tls = std::unique_ptr<SSL, Release<SSL_free>>;
using Addresses = std::unique_ptr<addrinfo, Release<::freeaddrinfo>>;

HttpError failed(const std::string& what) {
  const int error = errno;
  return {what + ": " + std::strerror(error),
          error == ECONNREFUSED || error == ENOENT || error == ENETUNREACH};
}

HttpError tls_failed(const std::string& what) {
  const unsigned long error = ERR_get_error();
  const char* const reason = error != 0 ? ERR_reason_error_string(error) : nullptr;
  ERR_clear_error();
  return {what + ": " + (reason ? reason : "the connection ended")};
}

/// Each step ends within this time, connect() too.
UniqueFd patient_socket(int family) {
  UniqueFd made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    if (made) ::setsockopt(made.get(), SOL_SOCKET, option, &patience, sizeof(patience));
  return made;
}

std::variant<UniqueFd, HttpError> connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return HttpError{path + " is too long for a socket"};
  path.copy(address.sun_path, path.size());
  UniqueFd made = patient_socket(AF_UNIX);
  if (!made ||
      ::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return failed("cannot connect to " + path);
  return made;
}

std::variant<UniqueFd, HttpError> connect_to(const Url& url) {
  if (!url.unix_path.empty()) return connect_unix(url.unix_path);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string where = url.host + ":" + url.port;
  if (const int error = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found))
    return HttpError{"cannot find " + where + ": " + ::gai_strerror(error)};
  const Addresses addresses(found);
  for (const addrinfo* at = found; at; at = at->ai_next) {
    UniqueFd made = patient_socket(at->ai_family);
    if (made && ::connect(made.get(), at->ai_addr, at->ai_addrlen) == 0) return made;
  }
  if (errno == EINPROGRESS) errno = ETIMEDOUT;  // by SO_SNDTIMEO
  return failed("cannot connect to " + where);
}

/// A connection, with TLS or without.
class Connection {
 public:
  static std::variant<Connection, HttpError> open(const Url& url, const HttpClient& client) {
    auto socket = connect_to(url);
    if (auto* error = std::get_if<HttpError>(&socket)) return std::move(*error);
    Connection made(std::move(std::get<UniqueFd>(socket)));
    if (url.tls)
      if (auto error = made.start_tls(url, client)) return std::move(*error);
    return made;
  }

  bool write(std::string_view text) {
    while (!text.empty()) {
      const auto size = static_cast<int>(text.size());
      const ssize_t sent = tls_ ? SSL_write(tls_.get(), text.data(), size)
                                : ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// All that comes; false if that ended with an error.
  bool read(std::string& into) {
    std::vector<char> piece(std::size_t{64} << 10U);
    for (;;) {
      const ssize_t got = tls_ ? SSL_read(tls_.get(), piece.data(), static_cast<int>(piece.size()))
                               : ::recv(socket_.get(), piece.data(), piece.size(), 0);
      // A server may end TLS by closing; whether the answer is whole, its length tells.
      if (got <= 0) return tls_ ? !into.empty() : got == 0;
      into.append(piece.data(), static_cast<std::size_t>(got));
      if (into.size() > kLongestAnswer) return false;
    }
  }

 private:
  explicit Connection(UniqueFd socket) : socket_(std::move(socket)) {}

  std::optional<HttpError> start_tls(const Url& url, const HttpClient& client) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) return tls_failed("cannot use TLS");
    const bool trusted =
        client.ca_file.empty()
            ? SSL_CTX_set_default_verify_paths(context_.get()) == 1
            : SSL_CTX_load_verify_locations(context_.get(), client.ca_file.c_str(), nullptr) == 1;
    if (!trusted) return tls_failed("cannot read the certificates of " + client.ca_file);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    tls_.reset(SSL_new(context_.get()));
    if (!tls_) return tls_failed("cannot use TLS");
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(tls_.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, url.host.c_str()) != 1) {
      SSL_set_tlsext_host_name(tls_.get(), url.host.c_str());
      SSL_set1_host(tls_.get(), url.host.c_str());
    }
    SSL_set_fd(tls_.get(), socket_.get());
    ERR_clear_error();
    if (SSL_connect(tls_.get()) == 1) return std::nullopt;
    const long verdict = SSL_get_verify_result(tls_.get());
    if (verdict == X509_V_OK) return tls_failed("cannot begin TLS with " + url.host);
    return HttpError{"the certificate of " + url.host +
                     " is not trusted: " + X509_verify_cert_error_string(verdict) +
                     ". If it is by a certificate authority of your own: --ca-file=FILE"};
  }

  UniqueFd socket_;
  TlsContext context_;
  Tls tls_;
};

std::string request_text(const Url& url, std::string_view path, const HttpClient& client) {
  const bool ipv6 = url.host.find(':') != std::string::npos;
  std::string text = "GET " + url.path + std::string(path) +
                     " HTTP/1.0\r\nHost: " + (ipv6 ? "[" + url.host + "]" : url.host) +
                     (url.port.empty() ? "" : ":" + url.port) + "\r\nConnection: close\r\n";
  if (!client.user.empty())
    text += "Authorization: Basic " + base64(client.user + ":" + client.password) + "\r\n";
  return text + "\r\n";
}

}  // namespace

std::string base64(std::string_view text) {
  std::vector<unsigned char> encoded(4 * ((text.size() + 2) / 3) + 1);
  const int length =
      EVP_EncodeBlock(encoded.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  return {encoded.begin(), encoded.begin() + length};
}

std::optional<HttpAnswer> parse_answer(std::string_view text) {
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kStatusAt = 9;
  const std::size_t end = text.find("\r\n\r\n");
  if (!text.starts_with(kVersion) || end == std::string_view::npos || end < kStatusAt + 3)
    return std::nullopt;
  HttpAnswer answer;
  const char* const status = text.data() + kStatusAt;
  if (std::from_chars(status, status + 3, answer.status).ptr != status + 3) return std::nullopt;
  answer.body = text.substr(end + 4);
  // An answer that was cut off is none.
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  if (const std::size_t at = text.substr(0, end).find(kLength); at != std::string_view::npos) {
    std::size_t length = 0;
    std::from_chars(text.data() + at + kLength.size(), text.data() + end, length);
    if (length != answer.body.size()) return std::nullopt;
  }
  return answer;
}

std::variant<HttpAnswer, HttpError> http_get(const Url& url, std::string_view path,
                                             const HttpClient& client) {
  auto opened = Connection::open(url, client);
  if (auto* error = std::get_if<HttpError>(&opened)) return std::move(*error);
  auto& connection = std::get<Connection>(opened);
  std::string text;
  errno = 0;
  if (!connection.write(request_text(url, path, client)) || !connection.read(text))
    return HttpError{errno == EAGAIN ? "no answer came within 5 s" : "the connection ended"};
  if (std::optional<HttpAnswer> answer = parse_answer(text)) return std::move(*answer);
  const std::string what = text.empty() ? "nothing came back" : "what came back is no HTTP";
  return HttpError{url.tls ? what : what + ". If it serves TLS, its address begins with https://"};
}

}  // namespace kvmx
