// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace kvmx {
namespace {

// Second screen, no cursor, no wrapping of lines that are too long; and all of that back.
constexpr std::string_view kBegin = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view kEnd = "\x1b[?7h\x1b[?25h\x1b[?1049l";

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // read() learns that it is gone
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string_view sequence_of(Style style, bool colours) {
  switch (style) {
    case Style::strong:
      return "\x1b[1m";
    case Style::soft:
      return colours ? "\x1b[2m" : "";
    case Style::bad:
      return colours ? "\x1b[1;31m" : "\x1b[1m";
    case Style::header:
      return "\x1b[7m";
    case Style::plain:
      break;
  }
  return "";
}

}  // namespace

bool takes_utf8() {
  ::setlocale(LC_CTYPE, "");
  return std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
}

bool has_screen() {
  const char* const kind = std::getenv("TERM");
  return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0 && kind && *kind &&
         std::string_view(kind) != "dumb";
}

ScreenSize screen_size() {
  winsize size{};
  ScreenSize known;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return known;
  if (size.ws_col > 0) known.columns = size.ws_col;
  if (size.ws_row > 0) known.rows = size.ws_row;
  return known;
}

Terminal::Terminal() : colours_(std::getenv("NO_COLOR") == nullptr) {
  ::tcgetattr(STDIN_FILENO, &before_);
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON);
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // a shell would take over the second screen
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  write_all(kBegin);
}

Terminal::~Terminal() {
  write_all(kEnd);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

void Terminal::draw(const std::vector<Line>& lines) {
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += "\x1b[" + std::to_string(i + 1) + ";1H\x1b[2K";
    out += sequence_of(lines[i].style, colours_);
    out += lines[i].text;
    out += "\x1b[0m";
  }
  write_all(out + "\x1b[J");
}

std::optional<std::string> Terminal::read() {
  std::array<char, 256> typed{};
  const ssize_t got = ::read(STDIN_FILENO, typed.data(), typed.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return "";
  if (got <= 0) return std::nullopt;
  return std::string(typed.data(), static_cast<std::size_t>(got));
}

}  // namespace kvmx
