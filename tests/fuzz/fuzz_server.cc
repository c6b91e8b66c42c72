// SPDX-License-Identifier: Apache-2.0
// A real server, and arbitrary bytes as what a client sends over a connection: one request,
// several, or none. Whatever comes back must be HTTP, not more answers than there are requests, and
// the server must go on. The first byte says in which pieces it is sent, and whether passwords are
// asked for. Seeds: tests/fuzz/corpus/server.
#include <unistd.h>

#include <array>
#include <fstream>
#include <memory>
#include <optional>

#include "exporter/base/log.h"
#include "exporter/summary/json.h"
#include "exporter/web/metrics_handler.h"
#include "exporter/web/pages/landing_page.h"
#include "exporter/web/pages/vm_page.h"
#include "exporter/web/server.h"
#include "tests/fuzz/http_client.h"
#include "tests/fuzz/page.h"
#include "tests/fuzz/requests.h"
#include "tests/unit/web/sample_guests.h"

using namespace kvmx;

namespace {

std::shared_ptr<const Snapshot> snapshot() {
  static const auto made = [] {
    auto snapshot = std::make_shared<Snapshot>();
    for (const char* label : {"web-1", "a\"b", "db"})
      snapshot->vms.push_back(
          sample_vm(label, {sample_finding(FindingKind::timer_storm, 60)}, 1036));
    return snapshot;
  }();
  return made;
}

/// The routes that the exporter has, on a snapshot that is always the same.
Routes routes(MetricsHandler& metrics) {
  return {
      {"/metrics", [&metrics](const Request& request) { return metrics.answer(request); }},
      {"/-/healthy", [](const Request&) { return Response{.body = "healthy\n"}; }},
      {"/", [](const Request&) { return landing_page(*snapshot(), "/metrics", "none"); }},
      {std::string(kSummaryPath),
       [](const Request&) {
         return Response{.content_type = "application/json",
                         .body = to_json(summarize(*snapshot()))};
       }},
      {"/vm", [](const Request& request) { return vm_page(*snapshot(), request); }},
  };
}

/// A server on a socket of its own, removed at the end.
class Server {
 public:
  explicit Server(const std::string& name, const std::string& config) : path_(name) {
    std::string file;
    if (!config.empty()) {
      file = path_ + ".yml";
      std::ofstream(file) << config;
    }
    auto watcher = WebConfigWatcher::open(file);
    require(static_cast<bool>(watcher), "the web configuration is right");
    if (!file.empty()) ::unlink(file.c_str());
    auto started = WebServer::start({.listen_addresses = {"unix:" + path_}, .threads = 12},
                                    routes(metrics_), std::move(*watcher));
    require(static_cast<bool>(started), "the server starts");
    server_.emplace(std::move(*started));
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { ::unlink(path_.c_str()); }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  MetricsHandler metrics_{snapshot, 4, {}};
  std::optional<WebServer> server_;
};

void check_health(const Server& server) {
  const std::string received =
      exchange(server.path(), "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", 4096);
  std::string_view text = received;
  const Answer answer = take_answer(text, false);
  require(text.empty() && (answer.status == 401 || answer.body == "healthy\n"),
          "the server answers as ever");
}

/// Two servers; the second one asks for a password, which is checked once for each name and word.
std::array<std::unique_ptr<Server>, 2>& servers() {
  static const std::string base = "/tmp/kvmx-fuzz-" + std::to_string(::getpid());
  // A user without a password that anybody knows; bcrypt's lowest cost.
  static std::array<std::unique_ptr<Server>, 2> made = {
      std::make_unique<Server>(base + ".open", ""),
      std::make_unique<Server>(base + ".closed",
                               "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
                               "basic_auth_users:\n  alice: "
                               "$2b$04$abcdefghijklmnopqrstuuDtGlkQ5cXLd2fvFuQsfr5q4BHHgLEMy\n")};
  return made;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);
  servers();
  std::atexit([] { servers() = {}; });
  return 0;
}

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t how = data[0];
  const std::string_view request(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Server& server = *servers()[(how & 1U) != 0 ? 1 : 0];
  const std::size_t piece = (how & 2U) != 0 ? 1 + (how >> 2U) : 65536;
  const std::string received = exchange(server.path(), request, piece);
  const bool maybe_head = request.find("HEAD") != request.npos;
  std::string_view text = received;
  const std::size_t most = most_answers(request);
  std::size_t answers = 0;
  while (!text.empty()) {
    const Answer answer = take_answer(text, maybe_head);
    require(++answers <= most, "no part of a request is answered as another");
    require(answer.status != 500, "no request is an internal error");
    const bool whole = answer.status == 200 && answer.body.starts_with("# HELP ");
    if (whole) read_page(answer.body);
  }
  constexpr int kHealthEvery = 64;
  static int count = 0;
  if (++count % kHealthEvery == 0) check_health(server);
  return 0;
}
