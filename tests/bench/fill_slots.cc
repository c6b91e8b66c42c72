// SPDX-License-Identifier: Apache-2.0
// fill_slots PID SERIES: makes a running exporter believe that it counts on a big host
//
// Writes the slots of a made-up host, with so many series of kvm_exits_total, into the exporter's
// own BPF map. Its VMs are none of this machine's, so start it with --vm.linger=1h, and with
// --bpf.max-vcpus of at least a twentieth of the series. Needs root.
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

/// The exporter's map of slots, or -1.
int slots_of(const std::string& pid, bpf_map_info& info) {
  constexpr std::string_view kMapId = "map_id:";
  for (const auto& file : std::filesystem::directory_iterator("/proc/" + pid + "/fdinfo")) {
    std::ifstream lines(file.path());
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(kMapId)) continue;
      const auto id = static_cast<__u32>(std::stoul(line.substr(kMapId.size())));
      const int map = bpf_map_get_fd_by_id(id);
      __u32 size = sizeof(info);
      if (bpf_obj_get_info_by_fd(map, &info, &size) == 0 && info.value_size == sizeof(vcpu_slot))
        return map;
    }
  }
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: fill_slots PID SERIES\n", stderr);
    return 2;
  }
  const kvmx::bench::Host host(kvmx::bench::HostSize::of_exits(std::stoul(argv[2])));
  bpf_map_info info{};
  const int map = slots_of(argv[1], info);
  if (map < 0 || info.max_entries < host.slots().size()) {
    std::fprintf(stderr, "process %s has no map for %zu slots\n", argv[1], host.slots().size());
    return EXIT_FAILURE;
  }
  void* const memory = ::mmap(nullptr, std::size_t{info.max_entries} * sizeof(vcpu_slot),
                              PROT_WRITE, MAP_SHARED, map, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    return EXIT_FAILURE;
  }
  auto* at = static_cast<vcpu_slot*>(memory);
  for (vcpu_slot slot : host.slots()) {
    const std::uint32_t tgid = kNoProcess + slot.tgid;
    slot.tgid = 0;  // not in use before it is whole
    *at = slot;
    __atomic_store_n(&at++->tgid, tgid, __ATOMIC_RELEASE);
  }
  return EXIT_SUCCESS;
}
