// SPDX-License-Identifier: Apache-2.0
#include "exporter/manual/manual.h"

#include <gtest/gtest.h>

#include <string>

namespace kvmx {
namespace {

const Flags& flags() {
  static const Flags made([] { return std::string(); });
  return made;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Manual, KnowsEveryFlag) {
  const std::string page = manual_page(flags());
  const std::string bash = bash_completion(flags());
  const std::string zsh = zsh_completion(flags());
  int count = 0;
  for (const CLI::Option* option : flags().app().get_options({})) {
    for (const std::string& name : option->get_lnames()) {
      EXPECT_TRUE(has(bash, "--" + name)) << name;
      EXPECT_TRUE(has(zsh, "--" + name + "[") || has(zsh, "--" + name + "=[")) << name;
      ++count;
    }
    // A hyphen is \- in roff; of a flag that can be off, the page has both forms in one.
    const std::string name = option->get_lnames().front();
    EXPECT_TRUE(has(page, name.substr(0, name.find('-')))) << name;
  }
  EXPECT_GT(count, 20);
}

TEST(Manual, IsRoff) {
  const std::string page = manual_page(flags());
  EXPECT_TRUE(page.starts_with(".TH KVM_EXIT_EXPORTER 8 "));
  EXPECT_TRUE(has(page, "\n.SS Serving\n"));
  EXPECT_TRUE(has(page, "\\fB\\-\\-[no\\-]collector.exits\\fR\n"));
  EXPECT_TRUE(has(page, "\\fB\\-\\-web.max\\-requests\\fR=\\fINUMBER\\fR\n"));
  EXPECT_TRUE(has(page, "(default: 40).\n"));
  EXPECT_FALSE(has(page, "\n'"));
}

TEST(Manual, CompletionsKnowWhatMayBeChosen) {
  EXPECT_TRUE(has(bash_completion(flags()), "compgen -W 'debug info warn error'"));
  EXPECT_TRUE(has(zsh_completion(flags()), ":FORMAT:(logfmt json)'"));
  EXPECT_TRUE(has(zsh_completion(flags()), ":FILE:_files'"));
}

}  // namespace
}  // namespace kvmx
