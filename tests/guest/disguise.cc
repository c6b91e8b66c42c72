// SPDX-License-Identifier: Apache-2.0
#include "disguise.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>

#include "error.h"

namespace kvmx::guest {
namespace {

// The words may be anything, a "--" among them too, so argv cannot say by
// itself where they end.
constexpr const char* kWordsVariable = "KVMX_GUEST_DISGUISE_WORDS";

std::string with_doubled_commas(const std::string& name) {
  std::string result;
  for (const char c : name) {
    result += c;
    if (c == ',') result += c;
  }
  return result;
}

}  // namespace

std::vector<std::string> disguise_words(const Options& options) {
  if (!options.exec_as.empty()) return options.exec_as;
  if (options.qemu_name.empty()) return {};
  std::vector<std::string> words{
      "/usr/bin/qemu-system-x86_64", "-name",
      "guest=" + with_doubled_commas(options.qemu_name) + ",debug-threads=on"};
  if (!options.qemu_uuid.empty()) words.insert(words.end(), {"-uuid", options.qemu_uuid});
  return words;
}

int worn_words() {
  const char* words = std::getenv(kWordsVariable);
  return words == nullptr ? 0 : std::atoi(words);
}

void put_on(const std::vector<std::string>& words, int argc, char** argv) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + static_cast<std::size_t>(argc) + 2);
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  std::string separator = "--";
  arguments.push_back(separator.data());
  ::setenv(kWordsVariable, std::to_string(arguments.size()).c_str(), 1);
  for (int i = 1; i < argc; ++i) arguments.push_back(argv[i]);
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
  throw errno_error("cannot run under another command line (exec of /proc/self/exe)", errno,
                    "is /proc mounted?");
}

void set_comm(const std::string& program) {
  ::unsetenv(kWordsVariable);
  ::prctl(PR_SET_NAME, program.substr(program.rfind('/') + 1).c_str());
}

}  // namespace kvmx::guest
