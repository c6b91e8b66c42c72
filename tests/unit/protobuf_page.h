// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/exposition/text_writer.h"

namespace kvmx {

/// A native histogram: the numbers of its buckets that have counts, and those.
struct NativeHistogram {
  int schema = 0;
  std::vector<std::pair<std::int32_t, std::int64_t>> buckets;
};

/// A page as another program reads it: names, labels and values, in the page's order.
class ProtobufPage {
 public:
  explicit ProtobufPage(std::string_view page) {
    while (!page.empty()) {
      const char* at = page.data();
      const std::uint64_t size = protozero::decode_varint(&at, page.data() + page.size());
      page.remove_prefix(static_cast<std::size_t>(at - page.data()));
      read_family(protozero::pbf_reader(page.data(), size));
      page.remove_prefix(size);
    }
  }

  std::vector<std::string> families;  ///< name and type
  std::vector<std::string> series;    ///< as text 0.0.4 has them, those of histograms left out
  std::vector<std::string> classic;   ///< the same of the classic parts of histograms
  std::vector<NativeHistogram> native;
  std::vector<std::int64_t> created;  ///< of each that counts and tells, ns since the epoch

  /// A sample as text 0.0.4 writes it.
  static std::string line(const std::string& name, const Labels& labels, double value) {
    std::string text;
    TextStream stream([&text](std::string_view piece) { text += piece; });
    TextWriter writer(stream, Format::text);
    writer.begin({name, MetricType::gauge, ""});
    writer.sample(labels, value);
    stream.flush();
    text.erase(0, text.rfind('\n', text.size() - 2) + 1);
    text.pop_back();
    return text;
  }

 private:
  static std::string string_of(protozero::pbf_reader& field) {
    const auto view = field.get_view();
    return {view.data(), view.size()};
  }

  void read_family(protozero::pbf_reader family) {
    std::string name;
    int type = -1;
    while (family.next()) {
      switch (family.tag()) {
        case 1:
          name = string_of(family);
          break;
        case 3:
          type = family.get_enum();
          families.push_back(name + " " + std::to_string(type));
          break;
        case 4:
          read_metric(name, family.get_message());
          break;
        default:
          family.skip();
      }
    }
  }

  void read_metric(const std::string& name, protozero::pbf_reader metric) {
    Labels labels;
    while (metric.next()) {
      if (metric.tag() == 1) {
        protozero::pbf_reader label = metric.get_message();
        std::string key;
        while (label.next()) {
          if (label.tag() == 1) key = string_of(label);
          if (label.tag() == 2) labels.add(key, string_of(label));
        }
      } else if (metric.tag() == 7) {
        read_histogram(name, labels, metric.get_message());
      } else {
        const bool counts = metric.tag() == 3;
        protozero::pbf_reader value = metric.get_message();
        value.next();
        series.push_back(line(name, labels, value.get_double()));
        if (counts && value.next(3)) read_created(value.get_message());
      }
    }
  }

  void read_created(protozero::pbf_reader timestamp) {
    std::int64_t& ns = created.emplace_back(0);
    while (timestamp.next())
      ns += timestamp.tag() == 1 ? timestamp.get_int64() * 1'000'000'000 : timestamp.get_int32();
  }

  void read_histogram(const std::string& name, const Labels& labels,
                      protozero::pbf_reader histogram) {
    NativeHistogram found;
    std::vector<std::int32_t> indices;
    std::int32_t next = 0;
    std::int64_t count = 0;
    std::size_t bucket = 0;
    while (histogram.next()) {
      switch (histogram.tag()) {
        case 3: {
          protozero::pbf_reader of_bucket = histogram.get_message();
          of_bucket.next();
          classic.push_back(
              line(name + "_bucket", labels, static_cast<double>(of_bucket.get_uint64())));
          break;
        }
        case 5:
          found.schema = histogram.get_sint32();
          break;
        case 12: {
          protozero::pbf_reader span = histogram.get_message();
          span.next();
          next += span.get_sint32();
          span.next();
          for (std::uint32_t left = span.get_uint32(); left > 0; --left) indices.push_back(next++);
          break;
        }
        case 15:
          read_created(histogram.get_message());
          break;
        case 13:
          for (const std::int64_t delta : histogram.get_packed_sint64())
            found.buckets.emplace_back(indices.at(bucket++), count += delta);
          break;
        default:
          histogram.skip();
      }
    }
    EXPECT_EQ(bucket, indices.size());
    native.push_back(found);
  }
};

}  // namespace kvmx
