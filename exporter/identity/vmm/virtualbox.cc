// SPDX-License-Identifier: Apache-2.0
// VirtualBox on KVM: "VBoxHeadless --comment NAME --startvm UUID --vrde config", and VirtualBoxVM
// or VBoxSDL with the same two options. Its service passes both; a person who types the command may
// give the name to --startvm. From src/VBox/Frontends/VBoxHeadless/VBoxHeadless.cpp at 4908d8d,
// whose parser takes the word after an option with an argument even if it begins with '-', and also
// "--option=value".
#include "exporter/identity/uuid.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

// Up to 5.2 VirtualBox, without "VM", ran the VMs of the graphical frontend.
constexpr ProgramName kPrograms[] = {
    {"VBoxHeadless"}, {"VirtualBoxVM"}, {"VirtualBox"}, {"VBoxSDL"}};

// Options whose argument is the next word, without their leading dashes.
constexpr std::string_view kWithValue[] = {
    "a",       "comment",        "e",           "f",           "filename",  "h",
    "p",       "password",       "password-id", "r",           "s",         "settingspw",
    "startvm", "settingspwfile", "v",           "videoheight", "videorate", "videowidth",
    "vrde",    "vrdeproperty",   "vrdp",        "vrdpaddress", "vrdpport",  "w",
};

std::string_view without_dashes(std::string_view word) {
  word.remove_prefix(word.starts_with("--") ? 2 : 1);
  return word;
}

VmIdentity identify(Words args) {
  std::string_view comment;
  std::string_view startvm;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!args[i].starts_with('-')) continue;
    std::string_view option = without_dashes(args[i]);
    std::string_view value;
    if (const std::size_t equals = option.find('='); equals != option.npos) {
      value = option.substr(equals + 1);
      option = option.substr(0, equals);
    } else if (is_one_of(option, kWithValue) && i + 1 < args.size()) {
      value = args[++i];
    }
    if (option == "comment") comment = value;
    if (option == "startvm" || option == "s") startvm = value;
  }
  VmIdentity identity;
  identity.uuid = canonical_uuid(startvm);
  identity.name = comment.empty() && identity.uuid.empty() ? startvm : comment;
  return identity;
}

}  // namespace

constinit const Vmm kVirtualBox = {
    .name = "virtualbox",
    .programs = kPrograms,
    .identify = identify,
};

}  // namespace kvmx
