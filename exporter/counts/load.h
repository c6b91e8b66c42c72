// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kvmx {

/// A word, or a pair that is one, that the kernel may be writing. On x86-64 words are read whole
/// and in program order, so what is loaded after a word is at least as new as what the kernel wrote
/// before it.
template <typename T>
T load(const T& word) {
  T value;
  __atomic_load(&word, &value, __ATOMIC_ACQUIRE);
  return value;
}

}  // namespace kvmx
