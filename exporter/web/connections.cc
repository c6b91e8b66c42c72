// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/connections.h"

#include <sys/socket.h>

namespace kvmx {
namespace {

/// A client that takes longer than this for a piece of at most 64 KiB is slow. It may stay as long
/// as nobody else needs its thread.
constexpr std::chrono::milliseconds kSlowPiece(250);

}  // namespace

void Connections::open(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!connections_.try_emplace(socket, Connection{.since = now, .writing_since = now}).second)
    return;
  std::size_t open = 0;
  for (const Entry& entry : connections_) open += entry.second.evicted ? 0 : 1;
  if (open <= at_once_) return;
  if (Entry* entry = slowest(socket, now)) evict(*entry);
}

Connections::Entry* Connections::slowest(int newcomer, Clock::time_point now) {
  Entry* reader = nullptr;
  Entry* silent = nullptr;
  for (Entry& entry : connections_) {
    const Connection& connection = entry.second;
    if (connection.evicted || entry.first == newcomer) continue;
    if (connection.phase == Phase::writing && now - connection.writing_since >= kSlowPiece &&
        (!reader || connection.writing_since < reader->second.writing_since))
      reader = &entry;
    if (connection.phase == Phase::waiting && (!silent || connection.since < silent->second.since))
      silent = &entry;
  }
  return reader ? reader : silent;
}

void Connections::answer(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  connections_[socket] = {.since = now, .writing_since = now, .phase = Phase::answering};
}

void Connections::begin_write(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(socket);
  if (found == connections_.end()) return;
  found->second.phase = Phase::writing;
  found->second.writing_since = now;
}

void Connections::end_write(int socket) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(socket);
  if (found != connections_.end()) found->second.phase = Phase::answering;
}

void Connections::wait_for_request(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  connections_[socket] = {.since = now, .writing_since = now};
}

void Connections::forget(int socket) {
  const std::lock_guard lock(mutex_);
  connections_.erase(socket);
}

void Connections::evict_late(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : connections_)
    if (entry.second.phase != Phase::waiting && now - entry.second.since > answering_) evict(entry);
}

void Connections::evict_all() {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : connections_) evict(entry);
}

void Connections::evict(Entry& entry) {
  ::shutdown(entry.first, SHUT_RDWR);
  entry.second.evicted = true;
}

}  // namespace kvmx
