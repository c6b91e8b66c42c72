// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/fake_maps.h"

#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <new>
#include <string>
#include <utility>

#include "tests/bpf/count_shim.h"

namespace {

constexpr std::align_val_t kPage{4096};  // of a slot, the most that a value asks for

/// A value, at an address of its own for as long as it is in its map.
struct Value {
  explicit Value(std::size_t size) : bytes(::operator new(size, kPage)) {
    std::memset(bytes, 0, size);
  }
  ~Value() { ::operator delete(bytes, kPage); }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  void* bytes;
};

struct FakeMap {
  std::map<std::string, Value> entries;
  std::deque<__u32> queue;
  bool full = false;
};

std::map<const void*, FakeMap> maps;
std::function<void(const void*)> before_update;

std::string to_key(const void* key, std::size_t size) {
  return {static_cast<const char*>(key), size};
}

}  // namespace

namespace kvmx {

void reset_fake_maps() {
  maps.clear();
  before_update = nullptr;
}

void fill_fake_map(const void* map) { maps[map].full = true; }

void call_before_update(std::function<void(const void*)> function) {
  before_update = std::move(function);
}

}  // namespace kvmx

void* fake_lookup(const void* map, const void* key, size_t key_size, size_t value_size,
                  size_t type) {
  auto& entries = maps[map].entries;
  const auto found = entries.find(to_key(key, key_size));
  if (found != entries.end()) return found->second.bytes;
  if (type != BPF_MAP_TYPE_ARRAY) return nullptr;
  return entries.try_emplace(to_key(key, key_size), value_size).first->second.bytes;
}

long fake_update(const void* map, const void* key, size_t key_size, const void* value,
                 size_t value_size, __u64 flags) {
  if (before_update) std::exchange(before_update, nullptr)(map);
  FakeMap& to = maps[map];
  auto found = to.entries.find(to_key(key, key_size));
  if (found != to.entries.end() && flags == BPF_NOEXIST) return -EEXIST;
  if (found == to.entries.end() && to.full) return -E2BIG;
  if (found == to.entries.end())
    found = to.entries.try_emplace(to_key(key, key_size), value_size).first;
  std::memcpy(found->second.bytes, value, value_size);
  return 0;
}

long fake_delete(const void* map, const void* key, size_t key_size) {
  return maps[map].entries.erase(to_key(key, key_size)) != 0 ? 0 : -ENOENT;
}

long fake_pop(const void* map, void* value) {
  auto& queue = maps[map].queue;
  if (queue.empty()) return -ENOENT;
  std::memcpy(value, &queue.front(), sizeof(queue.front()));
  queue.pop_front();
  return 0;
}

long fake_push(const void* map, __u32 value) {
  maps[map].queue.push_back(value);
  return 0;
}
