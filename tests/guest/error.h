// SPDX-License-Identifier: Apache-2.0
#ifndef KVMX_GUEST_ERROR_H
#define KVMX_GUEST_ERROR_H

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kvmx::guest {

// A sentence for the person at the terminal.  main() prints it and exits 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// "<what>: <text of errno>[; <advice>]".
[[nodiscard]] inline Error errno_error(std::string_view what, int number = errno,
                                       std::string_view advice = {}) {
  std::string text{what};
  text += ": ";
  text += std::strerror(number);
  if (!advice.empty()) {
    text += "; ";
    text += advice;
  }
  return Error{text};
}

}  // namespace kvmx::guest

#endif
