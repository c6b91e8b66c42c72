// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "exporter/options.h"

/// The flags: what is parsed, --help, the manual page and the shells' completions all come from
/// flags.cc; those of the commands from top_flags.cc and profile_flags.cc.
///
/// To add a flag (4 places): a member of Options with its default; one call in a Flags::add_...()
/// of flags.cc, with its range; a case in tests/unit/flags_test.cc; the flag table in
/// deploy/configuration.md.
/// What reads the option takes it from Options in commands/.
namespace kvmx {

/// Exit status for a command line that cannot be used. A service manager must not try it again.
inline constexpr int kUsageError = 2;

/// The command line asks for no command: --help, --version, or a mistake. The text has been
/// printed.
struct ExitCode {
  int code;  ///< 0, or kUsageError
};

/// `version` makes the text of --version.
std::variant<Options, ExitCode> parse_flags(int argc, const char* const* argv,
                                            std::function<std::string()> version);

/// A flag as texts describe it.
struct FlagDescription {
  std::string written;             ///< "-h,--help", "--[no-]collector.exits"
  std::vector<std::string> names;  ///< without "--"; the second is the one that switches it off
  std::string group;
  std::string help;
  std::string value;     ///< what stands for its value, such as NUMBER; empty: it has none
  bool optional_value;   ///< may be given without its value
  std::string fallback;  ///< the default, if it has one that is not in `help`
  std::vector<std::string> choices;  ///< the words that it may be set to; empty: any
  bool repeatable;
};

/// The flags of the program, or of one of its commands.
struct FlagReference {
  std::string name;                 ///< "kvm_exit_exporter", "top"
  std::string summary;              ///< what it does
  std::vector<std::string> groups;  ///< in the order of --help
  std::vector<FlagDescription> flags = {};
  std::vector<FlagReference> commands = {};
  std::string operand = {};  ///< what must follow its name, such as VM; empty: nothing
  std::string operand_help = {};
};

FlagReference describe_flags();

}  // namespace kvmx
