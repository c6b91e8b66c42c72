// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/process_state.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "exporter/base/process.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

/// The kernel's start of a process in the unit that /proc tells it in.
std::uint64_t ticks_of_ns(std::uint64_t ns) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return ns / (1'000'000'000 / ticks_per_second);
}

ProcessState state_of_error(int error) {
  return error == ENOENT || error == ESRCH ? ProcessState::gone : ProcessState::unknown;
}

}  // namespace

ProcessState read_process_state(const std::string& proc, const VmKey& vm) {
  const std::string path = proc + '/' + std::to_string(vm.tgid) + "/stat";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return state_of_error(errno);
  std::array<char, 4096> stat;
  ssize_t size = 0;
  do {
    size = ::read(fd.get(), stat.data(), stat.size());
  } while (size < 0 && errno == EINTR);
  if (size < 0) return state_of_error(errno);
  const auto fields = parse_stat({stat.data(), static_cast<std::size_t>(size)});
  if (!fields) return ProcessState::unknown;
  // It may be known only when the process was first seen. Another of the same id began later.
  return fields->start_ticks <= ticks_of_ns(vm.start_ns) ? ProcessState::lives : ProcessState::gone;
}

}  // namespace kvmx
