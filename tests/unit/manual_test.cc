// SPDX-License-Identifier: Apache-2.0
#include "exporter/manual/manual.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
  std::vector<FlagDescription> flags = reference().flags;
  for (const FlagReference& command : reference().commands)
    flags.insert(flags.end(), command.flags.begin(), command.flags.end());
  for (const FlagDescription& flag : flags) {
    for (const std::string& name : flag.names) {
      EXPECT_TRUE(has(bash, "--" + name)) << name;
      EXPECT_TRUE(has(zsh, "--" + name + "[") || has(zsh, "--" + name + "=[")) << name;
      ++count;
    }
    // A hyphen is \- in roff; of a flag that can be off, the page has both forms in one.
    const std::string name = flag.names.front();
    EXPECT_TRUE(has(page, name.substr(0, name.find('-')))) << name;
  }
  EXPECT_GT(count, 30);
}

TEST(Manual, PageIsRoff) {
  const std::string page = manual_page(reference());
  EXPECT_TRUE(page.starts_with(".TH KVM_EXIT_EXPORTER 8 "));
  EXPECT_TRUE(has(page, "\n.SS Serving\n"));
  EXPECT_TRUE(has(page, "\\fB\\-\\-[no\\-]collector.exits\\fR\n"));
  EXPECT_TRUE(has(page, "\\fB\\-\\-web.max\\-requests\\fR=\\fINUMBER\\fR\n"));
  EXPECT_TRUE(has(page, "(default: 40).\n"));
  EXPECT_FALSE(has(page, "\n'"));
  EXPECT_TRUE(has(page, "[\\fIFLAG\\fR]... \\fBtop\\fR [\\fIFLAG\\fR]...\n"));
  EXPECT_TRUE(has(page, "\n.SH THE COMMAND TOP\n"));
  EXPECT_TRUE(has(page, "\\fBprofile\\fR [\\fIFLAG\\fR]... \\fIVM\\fR\n"));
  EXPECT_TRUE(has(page, ".TP\n\\fIVM\\fR\nThe guest, "));
}

TEST(Manual, CompletionsOfferTheChoices) {
  EXPECT_TRUE(has(bash_completion(reference()), "compgen -W 'debug info warn error'"));
  EXPECT_TRUE(has(zsh_completion(reference()), ":FORMAT:(logfmt json)'"));
  EXPECT_TRUE(has(zsh_completion(reference()), ":FILE:_files'"));
  EXPECT_TRUE(has(bash_completion(reference()), "*' top '*) words='--help"));
  EXPECT_TRUE(has(bash_completion(reference()), "compgen -W 'cost name running tick "));
}

}  // namespace
}  // namespace kvmx
