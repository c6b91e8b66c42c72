// SPDX-License-Identifier: Apache-2.0
// The part of a status file that identity needs, as written by libvirt 6 to 11:
//   <domstatus state='running' reason='booted' pid='4242'>
//     ... the driver's own notes ...
//     <domain type='kvm' id='5'>
//       <name>instance-0000001a</name>
//       <uuid>...</uuid>
//       <title>...</title>
//       <metadata>
//         <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
//           <nova:name>...</nova:name>
//           <nova:owner>
//             <nova:user uuid="...">...</nova:user>
//             <nova:project uuid="...">...</nova:project>
// OpenNebula (since 5.8, src/vmm/LibVirtDriverKVM.cc), whose domains are called one-NUMBER, has
//         <one:vm xmlns:one="http://opennebula.org/xmlns/libvirt/1.0">
//           <one:name>...</one:name> <one:uname>USER</one:uname> <one:gname>GROUP</one:gname>
#include "exporter/identity/libvirt_status.h"

#include <expat.h>

#include <charconv>
#include <cstddef>
#include <limits>
#include <memory>

#include "exporter/identity/uuid.h"

namespace kvmx {
namespace {

constexpr char kAfterNamespace = '\n';  // no URI contains it

/// An XML namespace of any version, and the prefix that stands for it in the paths below.
struct Namespace {
  std::string_view uri;
  std::string_view prefix;
};

constexpr Namespace kNamespaces[] = {
    {"http://openstack.org/xmlns/libvirt/nova/", "nova:"},
    {"http://opennebula.org/xmlns/libvirt/", "one:"},
};

struct Text {
  std::string_view path;
  std::string LibvirtStatus::*field;
};

constexpr Text kTexts[] = {
    {"/domstatus/domain/name", &LibvirtStatus::name},
    {"/domstatus/domain/uuid", &LibvirtStatus::uuid},
    {"/domstatus/domain/title", &LibvirtStatus::title},
    {"/domstatus/domain/metadata/nova:instance/nova:name", &LibvirtStatus::cloud_name},
    {"/domstatus/domain/metadata/nova:instance/nova:owner/nova:user", &LibvirtStatus::user},
    {"/domstatus/domain/metadata/nova:instance/nova:owner/nova:project", &LibvirtStatus::project},
    {"/domstatus/domain/metadata/one:vm/one:name", &LibvirtStatus::cloud_name},
    {"/domstatus/domain/metadata/one:vm/one:uname", &LibvirtStatus::user},
    {"/domstatus/domain/metadata/one:vm/one:gname", &LibvirtStatus::project},
};

std::string_view prefix_of(std::string_view uri) {
  for (const Namespace& known : kNamespaces)
    if (uri.starts_with(known.uri)) return known.prefix;
  return "other:";
}

class StatusReader {
 public:
  StatusReader() : parser_(XML_ParserCreateNS(nullptr, kAfterNamespace)) {
    if (!parser_) return;
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(
        parser_.get(),
        [](void* self, const char* name, const char** attributes) {
          static_cast<StatusReader*>(self)->start(name, attributes);
        },
        [](void* self, const char*) { static_cast<StatusReader*>(self)->end(); });
    XML_SetCharacterDataHandler(parser_.get(), [](void* self, const char* text, int length) {
      static_cast<StatusReader*>(self)->add_text({text, static_cast<std::size_t>(length)});
    });
    XML_SetStartDoctypeDeclHandler(parser_.get(),
                                   [](void* self, const char*, const char*, const char*, int) {
                                     static_cast<StatusReader*>(self)->stop();
                                   });
  }

  std::optional<LibvirtStatus> read(std::string_view xml) {
    if (!parser_ || xml.size() > std::numeric_limits<int>::max()) return std::nullopt;
    const XML_Status parsed =
        XML_Parse(parser_.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE);
    if (parsed != XML_STATUS_OK && !done_) return std::nullopt;
    if (status_.pid == 0 || status_.name.empty()) return std::nullopt;
    status_.uuid = canonical_uuid(status_.uuid);
    return std::move(status_);
  }

 private:
  struct Free {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  void start(std::string_view name, const char** attributes) {
    path_ += '/';
    if (const std::size_t mark = name.rfind(kAfterNamespace); mark != name.npos) {
      path_ += prefix_of(name);
      name.remove_prefix(mark + 1);
    }
    path_ += name;
    if (path_ == "/domstatus") read_pid(attributes);
    text_ = nullptr;
    for (const auto& [path, field] : kTexts)
      if (path_ == path) text_ = &(status_.*field);
    if (text_) text_->clear();
    // Nothing of ours comes after it, and most of the file does.
    if (path_ == "/domstatus/domain/devices") {
      done_ = true;
      stop();
    }
  }

  void end() {
    path_.resize(path_.rfind('/'));  // no name has one
    text_ = nullptr;
  }

  void read_pid(const char** attributes) {
    for (; *attributes; attributes += 2) {
      const std::string_view value = attributes[1];
      if (std::string_view(attributes[0]) != "pid") continue;
      const auto [last, error] =
          std::from_chars(value.data(), value.data() + value.size(), status_.pid);
      if (error != std::errc{} || last != value.data() + value.size()) status_.pid = 0;
    }
  }

  void add_text(std::string_view text) {
    if (text_) *text_ += text;
  }

  void stop() { XML_StopParser(parser_.get(), XML_FALSE); }

  std::unique_ptr<XML_ParserStruct, Free> parser_;
  LibvirtStatus status_;
  std::string path_;             ///< "/domstatus/domain/..." to the element at hand
  std::string* text_ = nullptr;  ///< what the text of the element at hand is added to
  bool done_ = false;
};

}  // namespace

std::optional<LibvirtStatus> parse_libvirt_status(std::string_view xml) {
  return StatusReader().read(xml);
}

}  // namespace kvmx
