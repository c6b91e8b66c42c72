// SPDX-License-Identifier: Apache-2.0
#include "exporter/duration_flag.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <map>

namespace kvmx {

CLI::Option* add_duration_flag(CLI::App& app, const std::string& flag, std::uint64_t& milliseconds,
                               const std::string& fallback, std::chrono::hours most,
                               const std::string& help) {
  static const std::map<std::string, std::uint64_t> units = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  return app.add_option(flag, milliseconds, help)
      ->type_name("DURATION")
      ->transform(
          CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED).description(""))
      ->check(CLI::Validator(
          [most](const std::string& converted) {
            const auto most_ms =
                static_cast<std::uint64_t>(std::chrono::milliseconds(most).count());
            std::uint64_t value = 0;
            if (CLI::detail::lexical_cast(converted, value) && value <= most_ms)
              return std::string();
            return "at most " + std::to_string(most.count()) + "h";
          },
          ""))
      ->default_str(fallback);
}

}  // namespace kvmx
