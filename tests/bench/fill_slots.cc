// SPDX-License-Identifier: Apache-2.0
// fill_slots PID SERIES: makes a running exporter believe that it counts on a big host
//
// Writes the slots of a made-up host, with so many series of kvm_exits_total, into the exporter's
// own BPF map. Its VMs are none of this machine's, so start it with --vm.linger=1h, and with
// --bpf.max-vcpus of a twentieth of the series, and as many more as this machine's own vCPUs: free
// slots are taken as the BPF programs take them. Needs root.
#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/bench/host.h"

namespace {

/// No process of a 64-bit kernel has such an id (PID_MAX_LIMIT is 2^22).
constexpr std::uint32_t kNoProcess = 1U << 22U;

struct Map {
  int fd = -1;
  bpf_map_info info{};
};

/// A map that process `pid` has open and that `wanted` is true of; else one whose fd is -1.
template <typename Wanted>
Map map_of(const std::string& pid, Wanted wanted) {
  constexpr std::string_view kMapId = "map_id:";
  for (const auto& file : std::filesystem::directory_iterator("/proc/" + pid + "/fdinfo")) {
    std::ifstream lines(file.path());
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(kMapId)) continue;
      const auto id = static_cast<__u32>(std::stoul(line.substr(kMapId.size())));
      Map map{.fd = bpf_map_get_fd_by_id(id)};
      __u32 size = sizeof(map.info);
      if (bpf_obj_get_info_by_fd(map.fd, &map.info, &size) == 0 && wanted(map.info)) return map;
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: fill_slots PID SERIES\n", stderr);
    return 2;
  }
  const kvmx::bench::Host host(kvmx::bench::HostSize::of_exits(std::stoul(argv[2])));
  const Map slots = map_of(
      argv[1], [](const bpf_map_info& info) { return info.value_size == sizeof(vcpu_slot); });
  const Map free_slots =
      map_of(argv[1], [](const bpf_map_info& info) { return info.type == BPF_MAP_TYPE_QUEUE; });
  if (slots.fd < 0 || free_slots.fd < 0) {
    std::fprintf(stderr, "process %s has no maps of an exporter\n", argv[1]);
    return EXIT_FAILURE;
  }
  void* const memory = ::mmap(nullptr, std::size_t{slots.info.max_entries} * sizeof(vcpu_slot),
                              PROT_WRITE, MAP_SHARED, slots.fd, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    return EXIT_FAILURE;
  }
  for (vcpu_slot slot : host.slots()) {
    std::uint32_t index = 0;
    if (bpf_map_lookup_and_delete_elem(free_slots.fd, nullptr, &index) != 0) {
      std::fprintf(stderr, "no slot is free: %zu are wanted\n", host.slots().size());
      return EXIT_FAILURE;
    }
    vcpu_slot& at = static_cast<vcpu_slot*>(memory)[index];
    const std::uint32_t tgid = kNoProcess + slot.tgid;
    slot.tgid = 0;  // not in use before it is whole
    slot.index = index;
    at = slot;
    __atomic_store_n(&at.tgid, tgid, __ATOMIC_RELEASE);
  }
  return EXIT_SUCCESS;
}
