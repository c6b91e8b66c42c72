// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <vector>

#include "exporter/top/screen.h"

namespace kvmx {

/// Whether this terminal takes UTF-8, by the user's locale.
bool takes_utf8();

/// Whether standard input and output are a terminal that can place its cursor.
bool has_screen();

/// How wide and high the terminal is; 80 by 24 if it does not say.
ScreenSize screen_size();

/// The whole terminal for as long as this lives: its second screen, keys as they are pressed. By
/// escape sequences of ECMA-48 and xterm, which all terminals of today know: a picture is lines of
/// text, for which a terminal library with its database of terminals would be much.
class Terminal {
 public:
  Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  /// Replaces the picture, in one write.
  void draw(const std::vector<Line>& lines);

  /// What has been typed; nothing if the terminal is gone. To be called when it can be read.
  std::optional<std::string> read();

 private:
  termios before_{};
  bool colours_;
};

}  // namespace kvmx
