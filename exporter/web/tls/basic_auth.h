// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/web/tls/password_queue.h"

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
/// not exist is checked against another one's hash, and so takes as long as one who does. Clients
/// wait for their hashes in a PasswordQueue; when too many wait, the answer is `busy`. So guessing
/// passwords in bulk takes few CPUs and leaves threads over: a client whose password is remembered
/// does not notice, and one who brings a new password has to wait, but gets its turn.
class BasicAuth {
 public:
  enum class Verdict { right, missing, wrong, busy };

  /// bcrypt hashes by user. A user of `before` with the same hash keeps the password remembered.
  explicit BasicAuth(const std::map<std::string, std::string>& users,
                     const BasicAuth* before = nullptr);

  [[nodiscard]] bool wanted() const { return !users_.empty(); }

  /// What an Authorization header is worth that came from a client at `address`.
  Verdict check(std::string_view authorization, const std::string& address);

  /// Answers `busy` to all who wait for a hash, and from now on to whoever would have to.
  void close() { queue_->close(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct User {
    Digest name;  ///< of the name: digests compare in constant time
    std::string hash;
    std::optional<Digest> password;  ///< of the password that was right
  };

  [[nodiscard]] Digest digest(std::string_view text) const;
  [[nodiscard]] bool remembers(std::size_t number, const Digest& password) const;
  void remember_from(const BasicAuth& before);

  Digest key_;
  std::vector<User> users_;
  mutable std::mutex mutex_;  ///< of the digests of passwords
  std::shared_ptr<PasswordQueue> queue_;
};

}  // namespace kvmx
