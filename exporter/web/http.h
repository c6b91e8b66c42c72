// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

namespace kvmx {

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Answers GET (and HEAD, whose body the server leaves out) on one path. Called from several
/// threads at once.
using Handler = std::function<Response()>;

/// Handlers by exact path.
using Routes = std::map<std::string, Handler, std::less<>>;

}  // namespace kvmx
