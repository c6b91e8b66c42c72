// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/line_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "exporter/profile/byte_reader.h"

namespace kvmx {
namespace {

// Names of DWARF 5, 7.5.6 and 7.22.
enum Form : std::uint64_t {
  kFormData2 = 0x05,
  kFormData4 = 0x06,
  kFormData8 = 0x07,
  kFormString = 0x08,
  kFormBlock = 0x09,
  kFormData1 = 0x0b,
  kFormStrp = 0x0e,
  kFormUdata = 0x0f,
  kFormData16 = 0x1e,
  kFormLineStrp = 0x1f,
};
constexpr std::uint64_t kContentPath = 1;
constexpr std::uint64_t kContentDirectory = 2;

struct FileEntry {
  std::string_view name;
  std::uint64_t directory = 0;
};

/// What a unit's header says.
struct Header {
  std::uint16_t version = 0;
  bool wide = false;  ///< offsets have 64 bits
  std::uint8_t instruction_length = 1;
  std::int8_t line_base = 0;
  std::uint8_t line_range = 1;
  std::uint8_t opcode_base = 1;
  std::vector<std::uint8_t> operands;  ///< of each standard opcode
  std::vector<FileEntry> directories;
  std::vector<FileEntry> files;
};

std::uint64_t read_offset(ByteReader& reader, bool wide) {
  return wide ? reader.number<std::uint64_t>() : reader.number<std::uint32_t>();
}

/// One value of a table of DWARF 5. False if its form is not known, so that nothing behind it can
/// be read.
bool read_value(ByteReader& reader, std::uint64_t form, bool wide, const DebugSections& sections,
                std::uint64_t& number, std::string_view& text) {
  switch (form) {
    case kFormString:
      text = reader.text();
      return true;
    case kFormLineStrp:
      text = text_at(sections.line_str, read_offset(reader, wide));
      return true;
    case kFormStrp:
      text = text_at(sections.str, read_offset(reader, wide));
      return true;
    case kFormUdata:
      number = reader.uleb();
      return true;
    case kFormData1:
      number = reader.number<std::uint8_t>();
      return true;
    case kFormData2:
      number = reader.number<std::uint16_t>();
      return true;
    case kFormData4:
      number = reader.number<std::uint32_t>();
      return true;
    case kFormData8:
      number = reader.number<std::uint64_t>();
      return true;
    case kFormData16:
      reader.take(16);
      return true;
    case kFormBlock:
      reader.take(reader.uleb());
      return true;
    default:
      return false;
  }
}

/// The directories or the files of DWARF 5.
bool read_table(ByteReader& reader, bool wide, const DebugSections& sections,
                std::vector<FileEntry>& entries) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> formats(reader.number<std::uint8_t>());
  for (auto& [content, form] : formats) {
    content = reader.uleb();
    form = reader.uleb();
  }
  const std::uint64_t count = reader.uleb();
  if (formats.empty()) return count == 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (reader.at_end()) return false;
    FileEntry entry;
    for (const auto& [content, form] : formats) {
      std::uint64_t number = 0;
      std::string_view text;
      if (!read_value(reader, form, wide, sections, number, text)) return false;
      if (content == kContentPath) entry.name = text;
      if (content == kContentDirectory) entry.directory = number;
    }
    entries.push_back(entry);
  }
  return true;
}

/// The same before DWARF 5, where entry 0 is not written: the directory and the file of the unit.
void read_old_tables(ByteReader& reader, Header& header) {
  header.directories.emplace_back();
  for (std::string_view name = reader.text(); !name.empty(); name = reader.text())
    header.directories.push_back({name});
  header.files.emplace_back();
  for (std::string_view name = reader.text(); !name.empty(); name = reader.text()) {
    header.files.push_back({name, reader.uleb()});
    reader.uleb();  // its time
    reader.uleb();  // its length
  }
}

/// Reads a unit's header, and leaves `unit` at its program. False if it is of no use.
bool read_header(ByteReader& unit, const DebugSections& sections, Header& header) {
  header.version = unit.number<std::uint16_t>();
  if (header.version < 2 || header.version > 5) return false;
  if (header.version == 5) unit.take(2);  // sizes of addresses and of segment selectors
  ByteReader rest(unit.take(read_offset(unit, header.wide)));
  header.instruction_length = rest.number<std::uint8_t>();
  if (header.version >= 4) rest.number<std::uint8_t>();  // operations of an instruction
  rest.number<std::uint8_t>();                           // whether a row begins a statement
  header.line_base = rest.number<std::int8_t>();
  header.line_range = rest.number<std::uint8_t>();
  header.opcode_base = rest.number<std::uint8_t>();
  if (header.line_range == 0 || header.opcode_base == 0) return false;
  for (int opcode = 1; opcode < header.opcode_base; ++opcode)
    header.operands.push_back(rest.number<std::uint8_t>());
  if (header.version < 5) {
    read_old_tables(rest, header);
    return true;
  }
  return read_table(rest, header.wide, sections, header.directories) &&
         read_table(rest, header.wide, sections, header.files);
}

std::string path_of(const Header& header, std::uint64_t file) {
  if (file >= header.files.size()) return "";
  const FileEntry& entry = header.files[file];
  // Directory 0 is where the compiler ran.
  if (entry.directory == 0 || entry.directory >= header.directories.size() ||
      entry.name.starts_with('/'))
    return std::string(entry.name);
  return std::string(header.directories[entry.directory].name) + "/" + std::string(entry.name);
}

/// Runs a unit's program, and keeps the lines of the addresses that are looked for.
class LineProgram {
 public:
  LineProgram(const Header& header, std::span<const std::uint64_t> addresses,
              std::map<std::uint64_t, SourceLine>& found)
      : header_(header), addresses_(addresses), found_(found) {}

  void run(ByteReader program) {
    while (!program.at_end()) {
      const auto opcode = program.number<std::uint8_t>();
      if (opcode >= header_.opcode_base) {
        const unsigned step = opcode - header_.opcode_base;
        advance(step / header_.line_range);
        row_.line += static_cast<std::uint64_t>(static_cast<std::int64_t>(
            header_.line_base + static_cast<int>(step % header_.line_range)));
        end_row();
      } else if (opcode == 0) {
        ByteReader operation(program.take(program.uleb()));
        run_extended(operation);
      } else {
        run_standard(opcode, program);
      }
    }
  }

 private:
  struct Row {
    std::uint64_t address = 0;
    std::uint64_t file = 1;
    std::uint64_t line = 1;
  };

  void advance(std::uint64_t instructions) {
    row_.address += instructions * header_.instruction_length;
  }

  void run_standard(std::uint8_t opcode, ByteReader& program) {
    switch (opcode) {
      case 1:  // copy
        return end_row();
      case 2:  // advance_pc
        return advance(program.uleb());
      case 3:  // advance_line
        row_.line += static_cast<std::uint64_t>(program.sleb());
        return;
      case 4:  // set_file
        row_.file = program.uleb();
        return;
      case 8:  // const_add_pc
        return advance((255U - header_.opcode_base) / header_.line_range);
      case 9:  // fixed_advance_pc
        row_.address += program.number<std::uint16_t>();
        return;
      default:
        for (int i = 0; i < header_.operands[opcode - 1U]; ++i) program.uleb();
    }
  }

  void run_extended(ByteReader& operation) {
    switch (operation.number<std::uint8_t>()) {
      case 1:  // end_sequence
        end_row();
        row_ = {};
        before_ = {};
        in_sequence_ = false;
        return;
      case 2:  // set_address
        row_.address = operation.number<std::uint64_t>();
        return;
      default:
        return;
    }
  }

  /// The row before holds up to the address of this one.
  void end_row() {
    if (in_sequence_ && before_.address < row_.address) {
      auto wanted = std::ranges::lower_bound(addresses_, before_.address);
      for (; wanted != addresses_.end() && *wanted < row_.address; ++wanted)
        found_[*wanted] = {path_of(header_, before_.file),
                           static_cast<std::uint32_t>(before_.line)};
    }
    before_ = row_;
    in_sequence_ = true;
  }

  const Header& header_;
  std::span<const std::uint64_t> addresses_;
  std::map<std::uint64_t, SourceLine>& found_;
  Row row_;
  Row before_;
  bool in_sequence_ = false;
};

}  // namespace

std::map<std::uint64_t, SourceLine> find_lines(const DebugSections& sections,
                                               std::span<const std::uint64_t> addresses) {
  constexpr std::uint32_t kWide = 0xffffffff;
  std::map<std::uint64_t, SourceLine> found;
  ByteReader units(sections.line);
  while (!units.at_end()) {
    Header header;
    std::uint64_t length = units.number<std::uint32_t>();
    header.wide = length == kWide;
    if (header.wide) length = units.number<std::uint64_t>();
    ByteReader unit(units.take(length));
    if (read_header(unit, sections, header)) LineProgram(header, addresses, found).run(unit);
  }
  std::erase_if(found, [](const auto& entry) { return entry.second.file.empty(); });
  return found;
}

}  // namespace kvmx
