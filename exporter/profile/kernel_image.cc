// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/kernel_image.h"

#include <elf.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "exporter/profile/byte_reader.h"
#include "exporter/profile/places.h"

namespace kvmx {
namespace {

/// Something at an offset of the file; nothing if the file ends before it does.
template <typename T>
std::optional<T> read_at(std::string_view bytes, std::uint64_t offset) {
  T value;
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// The bytes of a section; empty if it has none in the file.
std::string_view content_of(std::string_view bytes, const Elf64_Shdr& section) {
  if (section.sh_type == SHT_NOBITS || section.sh_offset > bytes.size()) return {};
  return bytes.substr(section.sh_offset, section.sh_size);
}

std::vector<Elf64_Shdr> sections_of(std::string_view bytes, const Elf64_Ehdr& header) {
  std::vector<Elf64_Shdr> sections;
  if (header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return sections;
  std::uint64_t offset = header.e_shoff;
  for (std::uint32_t i = 0; i < header.e_shnum; ++i, offset += sizeof(Elf64_Shdr)) {
    const auto section = read_at<Elf64_Shdr>(bytes, offset);
    if (!section) break;
    sections.push_back(*section);
  }
  return sections;
}

std::vector<CodeSection> code_of(std::string_view bytes, std::span<const Elf64_Shdr> sections) {
  std::vector<CodeSection> code;
  for (const Elf64_Shdr& section : sections) {
    const std::uint64_t needed = SHF_ALLOC | SHF_EXECINSTR;
    if ((section.sh_flags & needed) != needed || half_of(section.sh_addr) != Half::image) continue;
    const std::string_view content = content_of(bytes, section);
    if (content.empty()) continue;
    const auto* const first = reinterpret_cast<const unsigned char*>(content.data());
    code.push_back({section.sh_addr, {first, content.size()}});
  }
  return code;
}

bool is_function(const Elf64_Sym& symbol) {
  const auto type = ELF64_ST_TYPE(symbol.st_info);
  return (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC) &&
         symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS;
}

SymbolTable symbols_of(std::string_view bytes, std::span<const Elf64_Shdr> sections,
                       std::span<const CodeSection> code) {
  std::vector<Symbol> symbols;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const std::string_view table = content_of(bytes, section);
    const std::string_view strings = content_of(bytes, sections[section.sh_link]);
    for (std::size_t offset = 0; offset + sizeof(Elf64_Sym) <= table.size();
         offset += sizeof(Elf64_Sym)) {
      const auto symbol = read_at<Elf64_Sym>(table, offset);
      if (!symbol || !is_function(*symbol)) continue;
      const std::string_view name = text_at(strings, symbol->st_name);
      const bool in_code = std::ranges::any_of(
          code, [&](const CodeSection& part) { return part.contains(symbol->st_value); });
      if (!name.empty() && in_code) symbols.push_back({symbol->st_value, name});
    }
  }
  return SymbolTable(std::move(symbols));
}

/// What is packed in a section; nothing if it is not packed by zlib, or broken. A packed section
/// begins with a header that says how long it is.
std::shared_ptr<const std::string> unpack(std::string_view packed) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30U;
  constexpr std::uint64_t kMostRatio = 1100;  // zlib's own is 1032
  const auto header = read_at<Elf64_Chdr>(packed, 0);
  if (!header || header->ch_type != ELFCOMPRESS_ZLIB || header->ch_size > kMostBytes ||
      header->ch_size / kMostRatio > packed.size())
    return nullptr;
  packed.remove_prefix(sizeof(Elf64_Chdr));
  auto text = std::make_shared<std::string>(header->ch_size, '\0');
  uLongf size = text->size();
  if (::uncompress(reinterpret_cast<Bytef*>(text->data()), &size,
                   reinterpret_cast<const Bytef*>(packed.data()), packed.size()) != Z_OK)
    return nullptr;
  text->resize(size);
  return text;
}

void read_debug(std::string_view bytes, std::span<const Elf64_Shdr> sections,
                std::uint32_t names_at, KernelImage& image) {
  if (names_at >= sections.size()) return;
  const std::string_view names = content_of(bytes, sections[names_at]);
  const std::pair<std::string_view, std::string_view*> wanted[] = {
      {".debug_line", &image.debug.line},
      {".debug_line_str", &image.debug.line_str},
      {".debug_str", &image.debug.str}};
  for (const Elf64_Shdr& section : sections) {
    const std::string_view name = text_at(names, section.sh_name);
    for (const auto& [known, content] : wanted) {
      if (name != known) continue;
      *content = content_of(bytes, section);
      if ((section.sh_flags & SHF_COMPRESSED) == 0) continue;
      image.unpacked.push_back(unpack(*content));
      *content =
          image.unpacked.back() ? std::string_view(*image.unpacked.back()) : std::string_view();
    }
  }
}

/// The first bytes of what somebody may take for a vmlinux.
struct Magic {
  std::string_view bytes;
  std::size_t offset;
  const char* what;
};

constexpr Magic kOthers[] = {
    {"HdrS", 0x202, "it is a compressed kernel (vmlinuz): give the vmlinux that is packed in it"},
    {{"\x1f\x8b", 2}, 0, "it is compressed: unpack it first"},
    {{"\xfd\x37zXZ", 5}, 0, "it is compressed: unpack it first"},
    {{"\x28\xb5\x2f\xfd", 4}, 0, "it is compressed: unpack it first"},
};

}  // namespace

bool is_elf(std::string_view bytes) { return bytes.starts_with(ELFMAG); }

Result<KernelImage> parse_elf(std::string_view bytes) {
  const auto header = read_at<Elf64_Ehdr>(bytes, 0);
  if (!header || !is_elf(bytes) || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
    return Error{"it is no ELF file of x86-64"};
  const std::vector<Elf64_Shdr> sections = sections_of(bytes, *header);
  KernelImage image;
  image.code = code_of(bytes, sections);
  if (image.code.empty()) return Error{"it has no code of a Linux kernel: is it a vmlinux?"};
  image.symbols = symbols_of(bytes, sections, image.code);
  read_debug(bytes, sections, header->e_shstrndx, image);
  return image;
}

Result<KernelImage> parse_kernel(std::string_view bytes) {
  if (is_elf(bytes)) return parse_elf(bytes);
  for (const Magic& other : kOthers)
    if (bytes.size() > other.offset && bytes.substr(other.offset).starts_with(other.bytes))
      return Error{other.what};
  Result<SymbolTable> symbols = parse_symbols(bytes);
  if (!symbols) return symbols.error();
  KernelImage image;
  image.symbols = std::move(*symbols);
  return image;
}

}  // namespace kvmx
