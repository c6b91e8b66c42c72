// SPDX-License-Identifier: Apache-2.0
#include "exporter/manual/manual.h"

#include <gtest/gtest.h>

#include <string>

namespace kvmx {
namespace {

const FlagReference& reference() {
  static const FlagReference made = describe_flags();
  return made;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Manual, DescribesEveryFlag) {
  const std::string page = manual_page(reference());
  const std::string bash = bash_completion(reference());
  const std::string zsh = zsh_completion(reference());
  int count = 0;
  for (const FlagDescription& flag : reference().flags) {
    for (const std::string& name : flag.names) {
      EXPECT_TRUE(has(bash, "--" + name)) << name;
      EXPECT_TRUE(has(zsh, "--" + name + "[") || has(zsh, "--" + name + "=[")) << name;
      ++count;
    }
    // A hyphen is \- in roff; of a flag that can be off, the page has both forms in one.
    const std::string name = flag.names.front();
    EXPECT_TRUE(has(page, name.substr(0, name.find('-')))) << name;
  }
  EXPECT_GT(count, 20);
}

TEST(Manual, PageIsRoff) {
  const std::string page = manual_page(reference());
  EXPECT_TRUE(page.starts_with(".TH KVM_EXIT_EXPORTER 8 "));
  EXPECT_TRUE(has(page, "\n.SS Serving\n"));
  EXPECT_TRUE(has(page, "\\fB\\-\\-[no\\-]collector.exits\\fR\n"));
  EXPECT_TRUE(has(page, "\\fB\\-\\-web.max\\-requests\\fR=\\fINUMBER\\fR\n"));
  EXPECT_TRUE(has(page, "(default: 40).\n"));
  EXPECT_FALSE(has(page, "\n'"));
}

TEST(Manual, CompletionsOfferTheChoices) {
  EXPECT_TRUE(has(bash_completion(reference()), "compgen -W 'debug info warn error'"));
  EXPECT_TRUE(has(zsh_completion(reference()), ":FORMAT:(logfmt json)'"));
  EXPECT_TRUE(has(zsh_completion(reference()), ":FILE:_files'"));
}

}  // namespace
}  // namespace kvmx
