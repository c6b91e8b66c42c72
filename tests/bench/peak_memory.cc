// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/peak_memory.h"

#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace kvmx::bench {

double peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

double peak_memory_of(const std::string& arguments) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::unique_ptr<FILE, int (*)(FILE*)> run(
      ::popen(("'" + self + "' " + arguments).c_str(), "r"), ::pclose);
  double bytes = 0;
  if (!run || std::fscanf(run.get(), "%lf", &bytes) != 1)
    throw std::runtime_error("cannot run " + self + " " + arguments);
  return bytes;
}

}  // namespace kvmx::bench
