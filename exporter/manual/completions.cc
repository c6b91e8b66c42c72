// SPDX-License-Identifier: Apache-2.0
#include <string_view>
#include <vector>

#include "exporter/manual/manual.h"

namespace kvmx {
namespace {

/// All flags as they are typed, those with a value with a '='.
std::vector<std::string> typed_flags(const FlagReference& reference) {
  std::vector<std::string> typed;
  for (const FlagDescription& flag : reference.flags)
    for (const std::string& name : flag.names)
      typed.push_back("--" + name + (flag.optional_value ? "" : "="));
  return typed;
}

/// The flags of the program and of its commands.
std::vector<FlagDescription> all_flags(const FlagReference& reference) {
  std::vector<FlagDescription> flags = reference.flags;
  for (const FlagReference& command : reference.commands)
    flags.insert(flags.end(), command.flags.begin(), command.flags.end());
  return flags;
}

std::vector<std::string> command_names(const FlagReference& reference) {
  std::vector<std::string> names;
  for (const FlagReference& command : reference.commands) names.push_back(command.name);
  return names;
}

std::string join(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

/// After the name of a command come its own flags.
std::string command_cases(const FlagReference& reference) {
  std::string cases;
  for (const FlagReference& command : reference.commands)
    cases += "    *' " + command.name + " '*) words='" + join(typed_flags(command)) + "' ;;\n";
  return cases;
}

/// Within '...[...]' of zsh's _arguments.
std::string zsh_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\'') {
      escaped += "'\\''";
      continue;
    }
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string zsh_value(const FlagDescription& flag) {
  if (flag.optional_value) return "";
  const bool is_file = flag.value == "FILE";
  return ":" + flag.value + ":" +
         (is_file                ? "_files"
          : flag.choices.empty() ? " "
                                 : "(" + join(flag.choices) + ")");
}

std::string zsh_arguments(const FlagReference& reference) {
  std::string arguments;
  for (const FlagDescription& flag : reference.flags)
    for (const std::string& name : flag.names)
      arguments += std::string(" \\\n  '") + (flag.repeatable ? "*" : "") + "--" + name +
                   (flag.optional_value ? "" : "=") + "[" + zsh_text(flag.help) + "]" +
                   zsh_value(flag) + "'";
  return arguments;
}

}  // namespace

std::string bash_completion(const FlagReference& reference) {
  std::string cases;
  for (const FlagDescription& flag : all_flags(reference)) {
    const bool is_file = flag.value == "FILE";
    if (flag.choices.empty() && !is_file) continue;
    cases +=
        "    --" + flag.names.front() + ")\n      " +
        (is_file
             ? "compopt -o filenames\n      mapfile -t COMPREPLY < <(compgen -f -- \"$word\")"
             : "mapfile -t COMPREPLY < <(compgen -W '" + join(flag.choices) + "' -- \"$word\")") +
        "\n      return\n      ;;\n";
  }
  return R"(# bash completion for kvm_exit_exporter; made from its flags by the build
_kvm_exit_exporter() {
  # bash takes '=' for a word of its own
  local word=$2 flag=$3
  [[ $word != = ]] || word=
  [[ $flag != = ]] || flag=${COMP_WORDS[COMP_CWORD - 2]}
  [[ $2 != = ]] || flag=${COMP_WORDS[COMP_CWORD - 1]}
  case $flag in
)" + cases +
         R"(  esac
  local words=')" +
         join(command_names(reference)) + ' ' + join(typed_flags(reference)) + R"('
  case " ${COMP_WORDS[*]:1:COMP_CWORD - 1} " in
)" + command_cases(reference) +
         R"(  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _kvm_exit_exporter kvm_exit_exporter
)";
}

std::string zsh_completion(const FlagReference& reference) {
  std::string cases;
  for (const FlagReference& command : reference.commands)
    cases +=
        "    " + command.name + ")\n      _arguments" + zsh_arguments(command) + "\n      ;;\n";
  return "#compdef kvm_exit_exporter\n# made from its flags by the build\nlocal "
         "curcontext=$curcontext state line\ntypeset -A opt_args\n"
         "_arguments -C" +
         zsh_arguments(reference) + " \\\n  '1:command:(" + join(command_names(reference)) +
         ")' \\\n  '*::argument:->arguments'\nif [[ $state == arguments ]]; then\n  case $line[1] "
         "in\n" +
         cases + "  esac\nfi\n";
}

}  // namespace kvmx
