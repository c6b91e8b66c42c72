// SPDX-License-Identifier: Apache-2.0
#include <cctype>
#include <string>
#include <string_view>

#include "exporter/base/version.h"
#include "exporter/manual/manual.h"

namespace kvmx {
namespace {

/// Text as roff shows it unchanged: a hyphen that is one, no escapes, no request at a line's start.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '-') {
      escaped += "\\-";
    } else if (c == '\\') {
      escaped += "\\e";
    } else {
      escaped += c;
    }
  }
  return escaped.starts_with('.') || escaped.starts_with('\'') ? "\\&" + escaped : escaped;
}

std::string flag_entry(const FlagDescription& flag) {
  std::string entry = ".TP\n\\fB" + roff(flag.written) + "\\fR";
  if (!flag.value.empty()) entry += "=\\fI" + roff(flag.value) + "\\fR";
  entry += "\n" + roff(flag.help);
  if (!flag.fallback.empty()) entry += " (default: " + roff(flag.fallback) + ")";
  return entry + ".\n";
}

std::string flag_sections(const FlagReference& reference) {
  std::string sections;
  for (const std::string& group : reference.groups) {
    sections += ".SS " + roff(group) + "\n";
    for (const FlagDescription& flag : reference.flags)
      if (flag.group == group) sections += flag_entry(flag);
  }
  return sections;
}

std::string operand_entry(const FlagReference& command) {
  if (command.operand.empty()) return "";
  return ".TP\n\\fI" + roff(command.operand) + "\\fR\n" + roff(command.operand_help) + ".\n";
}

std::string commands_synopsis(const FlagReference& reference) {
  std::string lines;
  for (const FlagReference& command : reference.commands)
    lines += ".br\n.B kvm_exit_exporter\n[\\fIFLAG\\fR]... \\fB" + roff(command.name) +
             "\\fR [\\fIFLAG\\fR]..." +
             (command.operand.empty() ? "" : " \\fI" + roff(command.operand) + "\\fR") + "\n";
  return lines;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

constexpr std::string_view kAfterOptions = R"(.P
A DURATION has a unit: 500ms, 1s, 5m, 1h.
.SH SIGNALS
.TP
.B SIGHUP
The file of \-\-web.config.file and what it names are read again. They are also read when they change.
.TP
.BR SIGTERM ", " SIGINT
The exporter ends; the kernel counts no longer.
.SH EXIT STATUS
0 after SIGTERM or SIGINT, 1 if it cannot start, 2 for a wrong flag.
.SH NOTES
It needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN, and the host's pid namespace.
.SH SEE ALSO
.BR kvm_stat (1),
.BR prometheus (1),
.BR promtool (1)
)";

}  // namespace

std::string manual_page(const FlagReference& reference) {
  std::string page = ".TH KVM_EXIT_EXPORTER 8 \"\" \"kvm_exit_exporter " + roff(kVersion) +
                     "\" \"System administration\"\n"
                     ".SH NAME\nkvm_exit_exporter \\- VM exits, MSR accesses and timers of KVM "
                     "guests, for Prometheus\n"
                     ".SH SYNOPSIS\n.B kvm_exit_exporter\n[\\fIFLAG\\fR]...\n" +
                     commands_synopsis(reference) + ".SH DESCRIPTION\n" + roff(reference.summary) +
                     "\nIt serves the metrics on \\fB/metrics\\fR, a page for people on \\fB/\\fR, "
                     "and \\fB/\\-/healthy\\fR and \\fB/\\-/ready\\fR.\n.SH OPTIONS\n";
  page += flag_sections(reference);
  for (const FlagReference& command : reference.commands)
    page += ".SH THE COMMAND " + upper(command.name) + "\n" + roff(command.summary) + ".\n" +
            operand_entry(command) + flag_sections(command);
  return page + std::string(kAfterOptions);
}

}  // namespace kvmx
