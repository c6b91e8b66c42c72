// SPDX-License-Identifier: Apache-2.0
// Where KASLR has put a guest's kernel: how far above the addresses of its file.
//
// The kernel is moved as a whole, by a multiple of 2 MiB, and an exit says which instruction is at
// its address. So of all places that the kernel may have, only one puts such an instruction at each
// of these addresses, if the file is this kernel's. Where the file has no code, the instruction
// must be in a function whose name says that it has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "exporter/base/result.h"
#include "exporter/profile/instructions.h"
#include "exporter/profile/kernel_image.h"

namespace kvmx {

/// The place that fits.
struct Slide {
  std::int64_t bytes = 0;   ///< to be added to the file's addresses
  std::size_t fitting = 0;  ///< addresses that fit
  std::size_t judged = 0;   ///< addresses that could fit
  double log10_chance = 0;  ///< that another kernel would fit as well somewhere, as a power of ten

  /// "The kernel is 0x1a000000 above these addresses: 5 of 5 ..."
  [[nodiscard]] std::string text() const;
};

/// Whether a function of this name may well have the instruction. Never for IN and OUT, which any
/// driver may have.
bool may_contain(std::string_view function, const KnownInstruction& evidence);

/// The error says why no place is sure enough.
Result<Slide> find_slide(const KernelImage& image, std::span<const KnownInstruction> evidence);

}  // namespace kvmx
