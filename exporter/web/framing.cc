// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/framing.h"

#include <civetweb.h>

namespace kvmx {
namespace {

/// As many headers as CivetWeb reads; it leaves out what follows.
constexpr int kMaxHeaders = MG_MAX_HEADERS;

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 18 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string framing_mistake(const mg_request_info& info) {
  if (info.num_headers >= kMaxHeaders) return "too many headers";
  const char* length = nullptr;
  bool chunked = false;
  for (int i = 0; i < info.num_headers; ++i) {
    const mg_header& header = info.http_headers[i];
    if (mg_strcasecmp(header.name, "Transfer-Encoding") == 0) {
      if (chunked || mg_strcasecmp(header.value, "chunked") != 0)
        return "no Transfer-Encoding but one \"chunked\" is understood";
      chunked = true;
    }
    if (mg_strcasecmp(header.name, "Content-Length") != 0) continue;
    if (!is_number(header.value)) return "Content-Length is no number";
    if (length && std::string_view(length) != header.value)
      return "there are two Content-Length, and they differ";
    length = header.value;
  }
  if (chunked && std::string_view(info.http_version) != "1.1")
    return "HTTP/1.0 knows no Transfer-Encoding";
  return length && chunked ? "there are both a Content-Length and a Transfer-Encoding" : "";
}

bool is_unknown_method(std::string_view method, bool known) {
  constexpr std::string_view kTokenCharacters =
      "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return !known && !method.empty() &&
         method.find_first_not_of(kTokenCharacters) == std::string_view::npos;
}

}  // namespace kvmx
