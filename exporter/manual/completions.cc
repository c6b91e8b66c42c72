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

std::string join(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : " ") + word;
  return joined;
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

}  // namespace

std::string bash_completion(const FlagReference& reference) {
  std::string cases;
  for (const FlagDescription& flag : reference.flags) {
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
  mapfile -t COMPREPLY < <(compgen -W ')" +
         join(typed_flags(reference)) + R"(' -- "$word")
  [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _kvm_exit_exporter kvm_exit_exporter
)";
}

std::string zsh_completion(const FlagReference& reference) {
  std::string arguments;
  for (const FlagDescription& flag : reference.flags)
    for (const std::string& name : flag.names)
      arguments += std::string(" \\\n  '") + (flag.repeatable ? "*" : "") + "--" + name +
                   (flag.optional_value ? "" : "=") + "[" + zsh_text(flag.help) + "]" +
                   zsh_value(flag) + "'";
  return "#compdef kvm_exit_exporter\n# made from its flags by the build\n_arguments" + arguments +
         "\n";
}

}  // namespace kvmx
