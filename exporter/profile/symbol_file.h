// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/profile/kernel_image.h"
#include "exporter/profile/report.h"

namespace kvmx {

/// A kernel's file, read as a whole or mapped into memory, and what it says.
class SymbolFile {
 public:
  /// Reads or maps it, and no more: who wrote it may be the guest. The error names the path.
  static Result<SymbolFile> open(const std::string& path);

  /// Looks what it says. To be called once, by a process that has given up what it does not need
  /// for that. The error names the path.
  Result<void> parse();

  SymbolFile(SymbolFile&& other) noexcept;
  SymbolFile& operator=(SymbolFile&& other) noexcept;
  ~SymbolFile();

  [[nodiscard]] const KernelImage& image() const { return image_; }

 private:
  explicit SymbolFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::string text_;
  void* mapped_ = nullptr;
  std::size_t size_ = 0;
  KernelImage image_;  ///< refers to one of these
};

/// Names those of the places that are in the kernel's functions, with their lines if the file has
/// them.
void name_places(const KernelImage& image, std::int64_t slide, std::vector<RankedPlace>& places);

/// The name of the place at `rip` of a kernel that is `slide` above the addresses of its file;
/// nothing outside the kernel's functions. Addresses of modules count only if they are those of the
/// same boot, in which case there is no slide.
std::optional<FunctionName> name_of(const KernelImage& image, std::int64_t slide,
                                    std::uint64_t rip);

}  // namespace kvmx
