// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvmx {

/// A user's name and password.
struct Credentials {
  std::string user;
  std::string password;
};

/// What an Authorization header of the Basic scheme says (RFC 7617); nothing for any other.
std::optional<Credentials> parse_basic(std::string_view authorization);

/// Passwords of users, known by their bcrypt hashes only.
///
/// A hash takes some 50 ms on purpose. So a password that was right is remembered, as a keyed
/// digest, and from then on costs a microsecond. What was wrong is not remembered. A user who does
/// not exist is checked against another one's hash, and so takes as long as one who does. Hashes
/// are computed one at a time, and when too many wait for that the answer is `busy`: guessing
/// passwords in bulk takes one CPU and a few threads, and who is remembered does not notice.
class BasicAuth {
 public:
  enum class Verdict { right, wrong, busy };

  /// bcrypt hashes by user.
  explicit BasicAuth(const std::map<std::string, std::string>& users);

  [[nodiscard]] bool wanted() const { return !users_.empty(); }
  Verdict check(std::string_view authorization);

 private:
  using Digest = std::array<unsigned char, 32>;
  struct User {
    Digest name;  ///< of the name: digests compare in constant time
    std::string hash;
    std::optional<Digest> password;  ///< of the password that was right
  };

  [[nodiscard]] Digest digest(std::string_view text) const;
  [[nodiscard]] bool remembers(std::size_t number, const Digest& password);

  Digest key_;
  std::vector<User> users_;
  std::mutex mutex_;  ///< of the digests of passwords
  std::mutex hashing_;
  std::atomic<int> waiting_ = 0;
};

}  // namespace kvmx
