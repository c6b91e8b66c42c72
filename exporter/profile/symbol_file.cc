// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/symbol_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "exporter/base/file.h"
#include "exporter/base/unique_fd.h"
#include "exporter/profile/places.h"

namespace kvmx {
namespace {

/// The longest System.map or kallsyms that is read. Those of distributions have 5 to 15 MB.
constexpr std::size_t kLongestText = std::size_t{128} << 20U;

/// As it may be printed: a name is what somebody's file says.
std::string printable(std::string_view name) {
  constexpr std::size_t kLongestName = 512;
  std::string text(name.substr(0, kLongestName));
  std::ranges::replace_if(
      text, [](char c) { return c <= ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

Result<SymbolFile> SymbolFile::open(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error("open " + path, errno);
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return errno_error("look at " + path, errno);
  if (!S_ISREG(found.st_mode)) return Error{path + " is not a regular file"};
  SymbolFile file(path);
  std::string_view bytes;
  if (found.st_size > 0) {
    file.size_ = static_cast<std::size_t>(found.st_size);
    void* const mapped = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (mapped == MAP_FAILED) return errno_error("read " + path, errno);
    file.mapped_ = mapped;
    bytes = {static_cast<const char*>(mapped), file.size_};
  }
  if (!is_elf(bytes)) {  // it may change while it is read, and one of /proc has no size
    Result<std::string> text = read_file(path, kLongestText);
    if (!text) return text.error();
    file.text_ = std::move(*text);
    if (file.mapped_) ::munmap(std::exchange(file.mapped_, nullptr), file.size_);
  }
  return file;
}

Result<void> SymbolFile::parse() {
  Result<KernelImage> image =
      parse_kernel(mapped_ ? std::string_view(static_cast<const char*>(mapped_), size_) : text_);
  if (!image) return Error{path_ + ": " + image.error().message};
  image_ = std::move(*image);
  return {};
}

SymbolFile::SymbolFile(SymbolFile&& other) noexcept
    : path_(std::move(other.path_)),
      mapped_(std::exchange(other.mapped_, nullptr)),
      size_(std::exchange(other.size_, 0)) {
  // A text of a map is long, so that moving it does not move its characters.
  text_ = std::move(other.text_);
  image_ = std::move(other.image_);
}

SymbolFile& SymbolFile::operator=(SymbolFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(mapped_, other.mapped_);
  std::swap(size_, other.size_);
  std::swap(text_, other.text_);
  std::swap(image_, other.image_);
  return *this;
}

SymbolFile::~SymbolFile() {
  if (mapped_) ::munmap(mapped_, size_);
}

void name_places(const KernelImage& image, std::int64_t slide, std::vector<RankedPlace>& places) {
  const auto in_file = [slide](const RankedPlace& ranked) {
    return ranked.place.rip - static_cast<std::uint64_t>(slide);
  };
  std::set<std::uint64_t> addresses;
  for (RankedPlace& ranked : places) {
    ranked.name = name_of(image, slide, ranked.place.rip);
    if (ranked.name) addresses.insert(in_file(ranked));
  }
  const auto lines = find_lines(image.debug, std::vector(addresses.begin(), addresses.end()));
  for (RankedPlace& ranked : places) {
    const auto found = lines.find(in_file(ranked));
    if (!ranked.name || found == lines.end()) continue;
    ranked.name->file = printable(found->second.file);
    ranked.name->line = found->second.line;
  }
}

std::optional<FunctionName> name_of(const KernelImage& image, std::int64_t slide,
                                    std::uint64_t rip) {
  const Half half = half_of(rip);
  if (half != Half::image && (half != Half::module || slide != 0)) return std::nullopt;
  const auto found = image.symbols.find(rip - static_cast<std::uint64_t>(slide));
  if (!found || found->module.empty() != (half == Half::image)) return std::nullopt;
  return FunctionName{printable(found->name), printable(found->module), found->offset};
}

}  // namespace kvmx
