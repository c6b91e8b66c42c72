// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/connections.h"

#include <sys/socket.h>

namespace kvmx {

void Connections::open(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!connections_.try_emplace(socket, Connection{.since = now}).second) return;
  std::size_t open = 0;
  Entry* longest = nullptr;
  for (Entry& entry : connections_) {
    const Connection& connection = entry.second;
    if (connection.shut) continue;
    ++open;
    if (!connection.answering && (!longest || connection.since < longest->second.since))
      longest = &entry;
  }
  if (open > at_once_) evict(*longest);  // there is one: this one waits
}

void Connections::answer(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  connections_[socket] = {.since = now, .answering = true};
}

void Connections::wait_for_request(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  connections_[socket] = {.since = now};
}

void Connections::forget(int socket) {
  const std::lock_guard lock(mutex_);
  connections_.erase(socket);
}

void Connections::evict_late(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : connections_)
    if (entry.second.answering && now - entry.second.since > answering_) evict(entry);
}

void Connections::evict_all() {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : connections_) evict(entry);
}

void Connections::evict(Entry& entry) {
  ::shutdown(entry.first, SHUT_RDWR);
  entry.second.shut = true;
}

}  // namespace kvmx
