// SPDX-License-Identifier: Apache-2.0
// kvmx_manual man|bash|zsh: prints what the build installs beside the exporter.
#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "exporter/manual/manual.h"

int main(int argc, char** argv) {
  const std::map<std::string, std::function<std::string(const kvmx::FlagReference&)>> texts = {
      {"man", kvmx::manual_page}, {"bash", kvmx::bash_completion}, {"zsh", kvmx::zsh_completion}};
  const auto text = argc == 2 ? texts.find(argv[1]) : texts.end();
  if (text == texts.end()) {
    std::fputs("usage: kvmx_manual man|bash|zsh\n", stderr);
    return 2;
  }
  std::fputs(text->second(kvmx::describe_flags()).c_str(), stdout);
  return 0;
}
