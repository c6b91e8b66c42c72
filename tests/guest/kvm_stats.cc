// SPDX-License-Identifier: Apache-2.0
#include "kvm_stats.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "error.h"
#include "handles.h"

namespace kvmx::guest {
namespace {

// struct kvm_stats_desc without its name, which follows it, padded to
// kvm_stats_header::name_size.
struct Descriptor {
  std::uint32_t flags;
  std::int16_t exponent;
  std::uint16_t size;
  std::uint32_t offset;
  std::uint32_t bucket_size;
};
static_assert(sizeof(Descriptor) == 16);

void read_at(int fd, void* data, std::size_t size, std::uint64_t offset) {
  const ssize_t got = ::pread(fd, data, size, static_cast<off_t>(offset));
  if (got < 0) throw errno_error("cannot read KVM's statistics of a vCPU");
  if (static_cast<std::size_t>(got) != size) throw Error("KVM's statistics of a vCPU end early");
}

// nullopt if the file is not one number, or may not be read.
std::optional<std::int64_t> read_number(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Stats> read_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::directory_iterator files{path, error};
  if (error) return std::nullopt;
  Stats stats;
  for (const auto& file : files) {
    const std::string name = file.path().filename();
    // Of a histogram the file gives but one bucket.
    if (!file.is_regular_file(error) || name.ends_with("_hist")) continue;
    if (const auto value = read_number(file.path())) stats[name] = *value;
  }
  return stats;
}

std::filesystem::path debugfs_directory(pid_t pid, int vm_fd) {
  return "/sys/kernel/debug/kvm/" + std::to_string(pid) + "-" + std::to_string(vm_fd);
}

}  // namespace

std::optional<Stats> read_stats_fd(int vcpu_fd) {
  const UniqueFd fd{::ioctl(vcpu_fd, KVM_GET_STATS_FD, nullptr)};
  if (!fd) return std::nullopt;
  kvm_stats_header header{};
  read_at(fd.get(), &header, sizeof header, 0);
  Stats stats;
  for (std::uint32_t i = 0; i < header.num_desc; ++i) {
    const std::size_t stride = sizeof(Descriptor) + header.name_size;
    std::vector<char> bytes(stride);
    read_at(fd.get(), bytes.data(), stride, header.desc_offset + i * stride);
    Descriptor descriptor{};
    std::memcpy(&descriptor, bytes.data(), sizeof descriptor);
    if (descriptor.size != 1) continue;  // a histogram
    const char* name = bytes.data() + sizeof descriptor;
    std::int64_t value = 0;
    read_at(fd.get(), &value, sizeof value, header.data_offset + descriptor.offset);
    stats[std::string(name, ::strnlen(name, header.name_size))] = value;
  }
  return stats;
}

std::optional<Stats> read_debugfs_vm(pid_t pid, int vm_fd) {
  return read_directory(debugfs_directory(pid, vm_fd));
}

std::optional<Stats> read_debugfs_vcpu(pid_t pid, int vm_fd, unsigned vcpu_id) {
  return read_directory(debugfs_directory(pid, vm_fd) / ("vcpu" + std::to_string(vcpu_id)));
}

}  // namespace kvmx::guest
