// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/basic_auth.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <strings.h>

#include <memory>
#include <new>

namespace kvmx {
namespace {

/// How many may wait for a hash; each holds a thread of the server meanwhile.
constexpr int kMaxWaiting = 8;

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string decoded(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  decoded.resize(static_cast<std::size_t>(size) - padding);
  return decoded;
}

/// One who waits for a hash.
class Waiting {
 public:
  explicit Waiting(std::atomic<int>& all) : all_(all), before_(all.fetch_add(1)) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { --all_; }
  [[nodiscard]] bool too_many() const { return before_ >= kMaxWaiting; }

 private:
  std::atomic<int>& all_;
  const int before_;
};

bool matches_hash(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  const bool same = made != nullptr && std::string_view(made).size() == hash.size() &&
                    CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(data.get(), sizeof(crypt_data));
  return same;
}

}  // namespace

std::optional<Credentials> parse_basic(std::string_view authorization) {
  constexpr std::string_view kScheme = "Basic ";
  if (authorization.size() < kScheme.size() ||
      ::strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0)
    return std::nullopt;
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  while (authorization.ends_with(' ')) authorization.remove_suffix(1);
  const auto decoded = decode_base64(authorization);
  if (!decoded) return std::nullopt;
  const std::size_t colon = decoded->find(':');
  // crypt() would end a password at a zero byte.
  if (colon == std::string::npos || decoded->find('\0') != std::string::npos) return std::nullopt;
  return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

BasicAuth::BasicAuth(const std::map<std::string, std::string>& users) {
  if (users.empty()) return;
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) throw std::bad_alloc();
  for (const auto& [name, hash] : users) users_.push_back({digest(name), hash, std::nullopt});
}

BasicAuth::Digest BasicAuth::digest(std::string_view text) const {
  Digest made{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(), &size);
  return made;
}

BasicAuth::Verdict BasicAuth::check(std::string_view authorization) {
  if (!wanted()) return Verdict::right;
  const std::optional<Credentials> given = parse_basic(authorization);
  if (!given) return Verdict::wrong;
  const Digest name = digest(given->user);
  // Somebody's hash for a user who does not exist; the same one each time, so that it is no sign.
  std::size_t number = name[0] % users_.size();
  bool exists = false;
  for (std::size_t i = 0; i < users_.size(); ++i) {
    if (CRYPTO_memcmp(users_[i].name.data(), name.data(), name.size()) != 0) continue;
    number = i;
    exists = true;
  }
  const Digest password = digest(given->password);
  if (exists && remembers(number, password)) return Verdict::right;
  const Waiting waiting(waiting_);
  if (waiting.too_many()) return Verdict::busy;
  const std::lock_guard hashing(hashing_);
  if (exists && remembers(number, password)) return Verdict::right;  // learnt while we waited
  if (!matches_hash(given->password, users_[number].hash) || !exists) return Verdict::wrong;
  const std::lock_guard lock(mutex_);
  users_[number].password = password;
  return Verdict::right;
}

bool BasicAuth::remembers(std::size_t number, const Digest& password) {
  const std::lock_guard lock(mutex_);
  const std::optional<Digest>& known = users_[number].password;
  return known && CRYPTO_memcmp(known->data(), password.data(), known->size()) == 0;
}

}  // namespace kvmx
