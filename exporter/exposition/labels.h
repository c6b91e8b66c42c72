// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvmx {

/// The label text of a series, `name="value",...` without braces, its values escaped as the formats
/// ask: \\, \" and \n. Built left to right, so that what many series share is written once:
///     Labels labels; labels.add("vm", vm);
///     for (...) { const Labels::Mark mark(labels); labels.add("vcpu", id); ...}
class Labels {
 public:
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, std::uint64_t value);
  [[nodiscard]] std::string_view text() const { return text_; }

  /// Takes back, when it goes out of scope, what was added since it was made.
  class Mark {
   public:
    explicit Mark(Labels& labels) : labels_(labels), size_(labels.text_.size()) {}
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;
    ~Mark() { labels_.text_.resize(size_); }

   private:
    Labels& labels_;
    std::size_t size_;
  };

 private:
  void begin(std::string_view name);

  std::string text_;
};

}  // namespace kvmx
