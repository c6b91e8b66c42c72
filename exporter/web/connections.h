// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>

namespace kvmx {

/// The connections that hold a thread of the server. When threads run short, the one that has been
/// waiting longest for its client's next request is shut out; so is one whose client takes too long
/// to take its response. So slow and stuck clients, however many, leave room for the others. (For
/// how long a request may take to arrive is the server's own affair.)
///
/// A connection is shut out by shutting its socket down: what its thread waits for then fails.
class Connections {
 public:
  using Clock = std::chrono::steady_clock;

  /// With more than `at_once`, the longest waiting is shut out. A response may take `answering`.
  Connections(std::size_t at_once, std::chrono::milliseconds answering)
      : at_once_(at_once), answering_(answering) {}

  /// A connection is there, unless it is known already: its client is to send its first request.
  void open(int socket, Clock::time_point now = Clock::now());
  /// Its request is there and is being answered.
  void answer(int socket, Clock::time_point now = Clock::now());
  /// It has been, and the client may send another one.
  void wait_for_request(int socket, Clock::time_point now = Clock::now());
  /// To be called before the socket is closed, so that its number is not taken for another's.
  void forget(int socket);

  /// Shuts out who has been answered for too long. To be called every second or so.
  void evict_late(Clock::time_point now = Clock::now());
  void evict_all();

 private:
  struct Connection {
    Clock::time_point since;
    bool answering = false;
    bool shut = false;
  };
  using Entry = std::map<int, Connection>::value_type;

  static void evict(Entry& entry);

  const std::size_t at_once_;
  const std::chrono::milliseconds answering_;
  std::mutex mutex_;
  std::map<int, Connection> connections_;  ///< by socket
};

}  // namespace kvmx
