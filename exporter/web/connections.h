// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace kvmx {

/// The connections that hold a thread of the server. When threads run short, one is evicted whose
/// client keeps its thread waiting: first the one that has been slow to take a piece of its
/// response for the longest time, then the one that has sent no request for the longest. So slow
/// and silent clients, however many, leave room for the others. A client that takes its whole
/// response too slowly is evicted in any case. (For how long a request may take to arrive is the
/// server's own affair.)
///
/// To evict a connection is to shut its socket down: what its thread waits for then fails.
class Connections {
 public:
  using Clock = std::chrono::steady_clock;

  /// With more than `at_once`, one is evicted. A response may take `answering`.
  Connections(std::size_t at_once, std::chrono::milliseconds answering)
      : at_once_(at_once), answering_(answering) {}

  /// A connection is there, unless it is known already: its client is to send its first request.
  void open(int socket, Clock::time_point now = Clock::now());
  /// Its request is there and is being answered.
  void answer(int socket, Clock::time_point now = Clock::now());
  /// A piece of the response is about to be written.
  void begin_write(int socket, Clock::time_point now = Clock::now());
  /// The client has taken the piece.
  void end_write(int socket);
  /// The response is complete, and the client may send another request.
  void wait_for_request(int socket, Clock::time_point now = Clock::now());
  /// To be called before the socket is closed, so that its number is not taken for another's.
  void forget(int socket);

  /// Evicts those who have been answered for too long, and slow readers beyond `at_once`. To be
  /// called every second or so.
  void housekeep(Clock::time_point now = Clock::now());
  void evict_all();

 private:
  enum class Phase : std::uint8_t { waiting, answering, writing };
  struct Connection {
    Clock::time_point since;          ///< it waits, or is being answered
    Clock::time_point writing_since;  ///< the piece that is being written
    Phase phase = Phase::waiting;
    bool evicted = false;
  };
  using Entry = std::map<int, Connection>::value_type;

  static void evict(Entry& entry);
  [[nodiscard]] std::size_t count() const;
  Entry* slowest_reader(Clock::time_point now);
  Entry* longest_silent(int newcomer);

  const std::size_t at_once_;
  const std::chrono::milliseconds answering_;
  std::mutex mutex_;
  std::map<int, Connection> connections_;  ///< by socket
};

}  // namespace kvmx
