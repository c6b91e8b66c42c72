// SPDX-License-Identifier: Apache-2.0
#include "exporter/summary/json.h"
#include "exporter/top/source.h"

namespace kvmx {
namespace {

/// What an answer other than 200 means here.
std::string explain(const HttpAnswer& answer) {
  switch (answer.status) {
    case 401:
      return "it asks for a user and a password: --user=NAME --password-file=FILE";
    case 404:
      return "it has no " + std::string(kSummaryPath) +
             ": it is no exporter, or one that is older than this program";
    default:
      return "it answers with status " + std::to_string(answer.status);
  }
}

}  // namespace

Result<HostSummary> RemoteSource::read() {
  auto asked = http_get(url_, kSummaryPath, client_);
  refused_ = false;
  if (const auto* failed = std::get_if<HttpError>(&asked)) {
    refused_ = failed->refused;
    return Error{name_ + ": " + failed->message};
  }
  const auto& answer = std::get<HttpAnswer>(asked);
  if (answer.status != 200) return Error{name_ + ": " + explain(answer)};
  Result<HostSummary> summary = parse_summary(answer.body);
  if (!summary) return Error{name_ + ": " + summary.error().message};
  return summary;
}

}  // namespace kvmx
