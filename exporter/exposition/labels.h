// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvmx {

/// The labels of a series as each format writes them, and since when it counts. Built left to
/// right, so that what many series share is written once:
///     Labels labels; labels.add("vm", vm);
///     for (...) { const Labels::Mark mark(labels); labels.add("vcpu", id); ...}
class Labels {
 public:
  Labels() = default;
  Labels(std::string_view name, std::string_view value) { add(name, value); }

  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, std::uint64_t value);
  /// Adds `more` once somebody asks, or adds another: most often nobody does. Until then, or until
  /// it is taken back, `more` must stay as it is.
  void add_if_asked(const Labels& more) { due_ = &more; }

  /// When the series, if it counts, was zero: ns since the epoch; 0 if that is not known.
  void count_since(std::uint64_t ns);

  /// `name="value",...` without braces, values escaped as the text formats ask: \\, \" and \n.
  [[nodiscard]] std::string_view text() const {
    if (due_) add_due();
    return text_;
  }
  /// The same as fields of protobuf's Metric.
  [[nodiscard]] std::string_view fields() const {
    if (due_) add_due();
    return fields_;
  }
  /// Since when it counts, as protobuf's Timestamp; empty if that is not known.
  [[nodiscard]] std::string_view created() const { return created_; }

  /// Takes back, when it goes out of scope, what was added since it was made.
  class Mark {
   public:
    explicit Mark(Labels& labels)
        : labels_(labels), text_(labels.text().size()), fields_(labels.fields().size()) {}
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;
    ~Mark() {
      labels_.due_ = nullptr;
      labels_.text_.resize(text_);
      labels_.fields_.resize(fields_);
    }

   private:
    Labels& labels_;
    std::size_t text_;  ///< sizes that they had
    std::size_t fields_;
  };

 private:
  void begin(std::string_view name);
  void add_field(std::string_view name, std::string_view value);
  void add_due() const;

  mutable std::string text_;
  mutable std::string fields_;
  std::string created_;
  mutable const Labels* due_ = nullptr;  ///< to be added
};

}  // namespace kvmx
