// SPDX-License-Identifier: Apache-2.0
#include "exporter/top_flags.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "exporter/top/url.h"
#include "exporter/top/view.h"

namespace kvmx {
namespace {

std::string check_url(const std::string& url) {
  const Result<Url> parsed = parse_url(url);
  return parsed ? "" : parsed.error().message;
}

}  // namespace

CLI::App* add_top_command(CLI::App& app, TopOptions& options, FlagChoices& choices) {
  constexpr const char* kWhere = "Where the numbers come from";
  constexpr const char* kWhat = "What to show";
  CLI::App* const top = app.add_subcommand(
      "top", "Show what stands out and what guests cost, live in this terminal, and end");
  top->get_help_ptr()->description("Print this and end");
  CLI::Option* const url =
      top->add_option("--url", options.url,
                      "A running exporter: http://HOST:PORT, https://HOST:PORT or unix:/PATH. "
                      "Without it, the one on this host; if there is none, root counts without one")
          ->default_str("http://127.0.0.1:10177")
          ->type_name("URL")
          ->group(kWhere)
          ->check(CLI::Validator(check_url, ""));
  CLI::Option* const user = top->add_option("--user", options.user, "User that the exporter knows")
                                ->type_name("NAME")
                                ->group(kWhere)
                                ->needs(url);
  CLI::Option* const password = top->add_option("--password-file", options.password_file,
                                                "File whose first line is its password")
                                    ->type_name("FILE")
                                    ->group(kWhere);
  user->needs(password);
  password->needs(user);
  top->add_option("--ca-file", options.ca_file,
                  "Certificates to trust instead of the system's, in PEM")
      ->type_name("FILE")
      ->group(kWhere)
      ->needs(url);
  top->add_flag(
         "--local", options.local,
         "Count without a running exporter, as root. Flags before the word top hold, such as "
         "--vm.include")
      ->group(kWhere)
      ->excludes(url);
  top->add_flag("--once", options.once, "Print once and end, as when the output is no terminal")
      ->group(kWhat);
  top->add_flag("--json", options.json, "Print once, as JSON, and end")->group(kWhat);
  const std::vector<std::string> keys = sort_keys();
  choices[top->add_option("--sort", options.sort,
                          "Which guests come first: those with most exits and wake-ups (cost), by "
                          "name, or by a column")
              ->type_name("COLUMN")
              ->group(kWhat)
              ->check(CLI::IsMember(keys).description(""))
              ->capture_default_str()] = keys;
  top->add_option("--filter", options.filter, "Show only guests whose name contains this")
      ->type_name("TEXT")
      ->group(kWhat);
  return top;
}

}  // namespace kvmx
