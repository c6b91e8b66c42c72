// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON on one line.
#ifndef KVMX_GUEST_JSON_H
#define KVMX_GUEST_JSON_H

#include <concepts>
#include <string>
#include <string_view>

namespace kvmx::guest {

class JsonWriter {
 public:
  JsonWriter& key(std::string_view name) {
    comma();
    quote(name);
    text_ += ':';
    first_ = true;  // the value after a key takes no comma
    return *this;
  }
  void open(char bracket) {
    comma();
    text_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    text_ += bracket;
    first_ = false;
  }
  void value(std::string_view string) {
    comma();
    quote(string);
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) void value(T number) {
    comma();
    text_ += std::to_string(number);
  }
  template <typename T>
  void member(std::string_view name, T value_of_it) {
    key(name).value(value_of_it);
  }
  template <typename Map>
  void members(const Map& map) {
    open('{');
    for (const auto& [name, number] : map) member(name, number);
    close('}');
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void comma() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  // Our strings are names from tables and the kernel; only the option's own
  // text could hold more, so all that JSON forbids is escaped.
  void quote(std::string_view string) {
    constexpr std::string_view digits = "0123456789abcdef";
    text_ += '"';
    for (const char c : string) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (byte < 0x20) {
        text_ += "\\u00";
        text_ += digits[byte >> 4];
        text_ += digits[byte & 15];
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }

  std::string text_;
  bool first_ = true;
};

}  // namespace kvmx::guest

#endif
