// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/basic_auth.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <strings.h>

#include <algorithm>
#include <memory>
#include <new>
#include <thread>

namespace kvmx {
namespace {

/// How many may wait for a hash. Each holds a thread of the server meanwhile, which has at least 64
/// unless --web.max-requests says otherwise.
constexpr std::size_t kMaxWaiting = 48;

/// Hashes computed at once: a small part of the host's CPUs.
std::size_t hashes_at_once() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency() / 16, 1, 4);
}

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

BasicAuth::BasicAuth(const std::map<std::string, std::string>& users, const BasicAuth* before)
    : queue_(before ? before->queue_
                    : std::make_shared<PasswordQueue>(hashes_at_once(), kMaxWaiting)) {
  const bool has_key = before && before->wanted();
  if (has_key) key_ = before->key_;
  if (users.empty()) return;
  if (!has_key && RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1)
    throw std::bad_alloc();
  for (const auto& [name, hash] : users) users_.push_back({digest(name), hash, std::nullopt});
  if (has_key) remember_from(*before);
}

void BasicAuth::remember_from(const BasicAuth& before) {
  const std::lock_guard lock(before.mutex_);
  for (User& user : users_)
    for (const User& known : before.users_)
      if (known.name == user.name && known.hash == user.hash) user.password = known.password;
}

BasicAuth::Digest BasicAuth::digest(std::string_view text) const {
  Digest made{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(), &size);
  return made;
}

BasicAuth::Verdict BasicAuth::check(std::string_view authorization, const std::string& address) {
  if (!wanted()) return Verdict::right;
  if (authorization.empty()) return Verdict::missing;
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
  const auto turn = queue_->wait(address);
  // Another thread may have learnt it while this one waited.
  if (exists && remembers(number, password)) return Verdict::right;
  if (!turn) return Verdict::busy;
  if (!matches_hash(given->password, users_[number].hash) || !exists) {
    queue_->note_wrong(address);
    return Verdict::wrong;
  }
  const std::lock_guard lock(mutex_);
  users_[number].password = password;
  return Verdict::right;
}

bool BasicAuth::remembers(std::size_t number, const Digest& password) const {
  const std::lock_guard lock(mutex_);
  const std::optional<Digest>& known = users_[number].password;
  return known && CRYPTO_memcmp(known->data(), password.data(), known->size()) == 0;
}

}  // namespace kvmx
