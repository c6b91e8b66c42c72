// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/places.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <set>
#include <string_view>
#include <tuple>

#include "exporter/names/exit_reasons.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"

namespace kvmx {
namespace {

constexpr std::uint64_t kLowerEnd = std::uint64_t{1} << 63U;

/// Places that differ in the vCPU alone are one, unless the ranking is by vCPU.
struct Merged {
  std::uint64_t exits = 0;
  std::set<std::uint32_t> vcpus;
};

using Key = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t, std::uint32_t>;

Key key_of(const profile_key& place) {
  return {place.rip, place.reason, place.access, place.number};
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string msr_text(std::uint32_t index) {
  const std::string_view name = msr_name(index);
  return name.empty() ? hex(index) : std::string(name);
}

}  // namespace

std::uint64_t Profile::exits() const {
  std::uint64_t sum = counts.unplaced;
  for (const PlaceCount& place : counts.places) sum += place.exits;
  for (const auto& [reason, exits] : counts.others) sum += exits;
  return sum;
}

Half half_of(std::uint64_t rip) {
  if (rip < kLowerEnd) return Half::lower;
  if (rip >= kImageBegin && rip < kImageEnd) return Half::image;
  return rip >= kImageEnd && rip < kModulesEnd ? Half::module : Half::upper;
}

std::string half_name(std::uint64_t rip) {
  switch (half_of(rip)) {
    case Half::lower:
      return "user space";
    case Half::image:
      return "kernel";
    case Half::module:
      return "kernel, a module";
    case Half::upper:
      break;
  }
  return "kernel, not Linux' own code";
}

std::vector<Place> rank(const ProfileCounts& counts, bool per_vcpu) {
  std::map<Key, Merged> merged;
  std::map<std::pair<Key, std::uint32_t>, std::uint64_t> single;
  for (const auto& [key, exits] : counts.places) {
    Merged& place = merged[key_of(key)];
    place.exits += exits;
    place.vcpus.insert(key.vcpu_id);
    if (per_vcpu) single[{key_of(key), key.vcpu_id}] += exits;
  }
  std::vector<Place> places;
  const auto add = [&](const Key& key, std::optional<std::uint32_t> vcpu, std::uint64_t exits) {
    const auto& [rip, reason, access, number] = key;
    places.push_back({.rip = rip,
                      .reason = reason,
                      .access = static_cast<kvmx_access>(access),
                      .number = number,
                      .vcpu = vcpu,
                      .exits = exits,
                      .vcpus = merged.at(key).vcpus.size()});
  };
  if (per_vcpu)
    for (const auto& [key, exits] : single) add(key.first, key.second, exits);
  else
    for (const auto& [key, place] : merged) add(key, std::nullopt, place.exits);
  std::ranges::stable_sort(places, std::ranges::greater(), &Place::exits);
  return places;
}

std::string access_text(const Place& place) {
  switch (place.access) {
    case KVMX_ACCESS_MSR_READ:
      return "read " + msr_text(place.number);
    case KVMX_ACCESS_MSR_WRITE:
      return "write " + msr_text(place.number);
    case KVMX_ACCESS_ANY_MSR_READ:
      return "read";
    case KVMX_ACCESS_ANY_MSR_WRITE:
      return "write";
    case KVMX_ACCESS_PORT_READ:
      return "in " + hex(place.number);
    case KVMX_ACCESS_PORT_WRITE:
      return "out " + hex(place.number);
    case KVMX_ACCESS_NONE:
      break;
  }
  return "";
}

std::optional<std::uint32_t> msr_of(const Place& place) {
  const bool known = place.access == KVMX_ACCESS_MSR_READ || place.access == KVMX_ACCESS_MSR_WRITE;
  return known ? std::optional(place.number) : std::nullopt;
}

std::optional<std::uint32_t> port_of(const Place& place) {
  const bool port = place.access == KVMX_ACCESS_PORT_READ || place.access == KVMX_ACCESS_PORT_WRITE;
  return port ? std::optional(place.number) : std::nullopt;
}

std::string address_text(std::uint64_t address) {
  std::array<char, 16> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), address, 16);
  return "0x" + std::string(digits.data(), written.ptr);
}

std::optional<std::uint32_t> reason_code(Isa isa, const std::string& name) {
  for (const ExitReason& reason : exit_reasons(isa))
    if (same_word(reason.name, name)) return reason.code;
  std::uint32_t code = 0;
  if (!name.starts_with("0x")) return std::nullopt;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + 2, end, code, 16);
  return error == std::errc() && rest == end ? std::optional(code) : std::nullopt;
}

}  // namespace kvmx
