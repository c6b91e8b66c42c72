// SPDX-License-Identifier: Apache-2.0
//
// A process that looks like another VMM in /proc/<pid>/cmdline and comm.
#ifndef KVMX_GUEST_DISGUISE_H
#define KVMX_GUEST_DISGUISE_H

#include <string>
#include <vector>

#include "options.h"

namespace kvmx::guest {

// The words to run under, empty for none.  QEMU's as libvirt writes them:
// commas of the name doubled.
[[nodiscard]] std::vector<std::string> disguise_words(const Options& options);

// How many leading words of argv are a disguise we put on before (its "--"
// included), and are no options of ours; 0 if there is none.
[[nodiscard]] int worn_words();

// Runs this program again (same pid) as `words` -- argv[1...].
[[noreturn]] void put_on(const std::vector<std::string>& words, int argc, char** argv);

// After that: comm as the program the words name would have it.
void set_comm(const std::string& program);

}  // namespace kvmx::guest

#endif
