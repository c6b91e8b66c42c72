// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/connections.h"

#include <sys/socket.h>

#include <algorithm>

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
  if (count() <= at_once_) return;
  Entry* entry = slowest_reader(now);
  if (!entry) entry = longest_silent(socket);
  if (entry) evict(*entry);
}

std::size_t Connections::count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      connections_, [](const Entry& entry) { return !entry.second.evicted; }));
}

Connections::Entry* Connections::slowest_reader(Clock::time_point now) {
  Entry* slowest = nullptr;
  for (Entry& entry : connections_) {
    const Connection& connection = entry.second;
    if (connection.evicted || connection.phase != Phase::writing) continue;
    if (now - connection.writing_since < kSlowPiece) continue;
    if (!slowest || connection.writing_since < slowest->second.writing_since) slowest = &entry;
  }
  return slowest;
}

Connections::Entry* Connections::longest_silent(int newcomer) {
  Entry* silent = nullptr;
  for (Entry& entry : connections_) {
    const Connection& connection = entry.second;
    if (connection.evicted || connection.phase != Phase::waiting || entry.first == newcomer)
      continue;
    if (!silent || connection.since < silent->second.since) silent = &entry;
  }
  return silent;
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

void Connections::housekeep(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : connections_)
    if (entry.second.phase != Phase::waiting && now - entry.second.since > answering_) evict(entry);
  // Readers that were not slow yet when they came may hold every thread by now: then no other
  // client comes who would make one of them leave.
  for (std::size_t open = count(); open > at_once_; --open) {
    Entry* const reader = slowest_reader(now);
    if (!reader) return;
    evict(*reader);
  }
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
