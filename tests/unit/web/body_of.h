// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "exporter/web/http.h"

namespace kvmx {

/// All of an answer's body, which may be written in pieces.
inline std::string body_of(const Response& response) {
  if (!response.write_body) return response.body;
  std::string body;
  response.write_body([&body](std::string_view piece) { body += piece; });
  return body;
}

}  // namespace kvmx
