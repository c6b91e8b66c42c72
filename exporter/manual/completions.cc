// SPDX-License-Identifier: Apache-2.0
#include <string_view>
#include <vector>

#include "exporter/manual/manual.h"

namespace kvmx {
namespace {

/// All flags as they are typed, those with a value with a '='.
std::vector<std::string> typed_flags(const Flags& flags) {
  std::vector<std::string> typed;
  for (const CLI::Option* option : flags.app().get_options({}))
    for (const std::string& name : option->get_lnames())
      typed.push_back("--" + name + (option->get_items_expected_min() > 0 ? "=" : ""));
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

std::string zsh_value(const Flags& flags, const CLI::Option& option) {
  if (option.get_items_expected_min() == 0) return "";
  const std::vector<std::string> choices = flags.choices(option);
  const bool is_file = option.get_type_name() == "FILE";
  return ":" + option.get_type_name() + ":" +
         (is_file           ? "_files"
          : choices.empty() ? " "
                            : "(" + join(choices) + ")");
}

}  // namespace

std::string bash_completion(const Flags& flags) {
  std::string cases;
  for (const CLI::Option* option : flags.app().get_options({})) {
    const std::vector<std::string> choices = flags.choices(*option);
    const bool is_file = option->get_type_name() == "FILE";
    if (choices.empty() && !is_file) continue;
    cases +=
        "    --" + option->get_lnames().front() + ")\n      " +
        (is_file ? "compopt -o filenames\n      mapfile -t COMPREPLY < <(compgen -f -- \"$word\")"
                 : "mapfile -t COMPREPLY < <(compgen -W '" + join(choices) + "' -- \"$word\")") +
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
         join(typed_flags(flags)) + R"(' -- "$word")
  [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _kvm_exit_exporter kvm_exit_exporter
)";
}

std::string zsh_completion(const Flags& flags) {
  std::string arguments;
  for (const CLI::Option* option : flags.app().get_options({})) {
    const bool repeated = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    for (const std::string& name : option->get_lnames())
      arguments += std::string(" \\\n  '") + (repeated ? "*" : "") + "--" + name +
                   (option->get_items_expected_min() > 0 ? "=" : "") + "[" +
                   zsh_text(option->get_description()) + "]" + zsh_value(flags, *option) + "'";
  }
  return "#compdef kvm_exit_exporter\n# made from its flags by the build\n_arguments" + arguments +
         "\n";
}

}  // namespace kvmx
