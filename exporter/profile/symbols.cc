// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/symbols.h"

#include <algorithm>
#include <charconv>

#include "exporter/profile/places.h"

namespace kvmx {
namespace {

/// No function is longer: beyond, an address belongs to something that has no symbol.
constexpr std::uint64_t kLongestFunction = std::uint64_t{1} << 20U;

struct Line {
  Symbol symbol;
  char type = 0;
};

std::string_view next_word(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(begin);
  const std::string_view word = text.substr(0, text.find_first_of(" \t\r"));
  text.remove_prefix(word.size());
  return word;
}

std::optional<Line> parse_line(std::string_view text) {
  Line line;
  const std::string_view address = next_word(text);
  const std::string_view type = next_word(text);
  line.symbol.name = next_word(text);
  std::string_view module = next_word(text);
  const char* const end = address.data() + address.size();
  const auto [rest, error] = std::from_chars(address.data(), end, line.symbol.address, 16);
  if (error != std::errc() || rest != end || type.size() != 1 || line.symbol.name.empty())
    return std::nullopt;
  line.type = type.front();
  if (module.starts_with('[') && module.ends_with(']') && module.size() > 2)
    line.symbol.module = module.substr(1, module.size() - 2);
  return line;
}

/// t, T: code. w, W: code that another may replace.
bool is_code(char type) { return type == 't' || type == 'T' || type == 'w' || type == 'W'; }

}  // namespace

SymbolTable::SymbolTable(std::vector<Symbol> symbols) : symbols_(std::move(symbols)) {
  std::ranges::stable_sort(symbols_, {}, &Symbol::address);
  const auto same = [](const Symbol& a, const Symbol& b) { return a.address == b.address; };
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end(), same), symbols_.end());
  for (std::size_t i = 0; i < symbols_.size(); ++i) {
    if (!symbols_[i].module.empty() || half_of(symbols_[i].address) != Half::image) continue;
    if (begin_ == 0) begin_ = symbols_[i].address;
    end_ = end_of(i);
  }
}

std::uint64_t SymbolTable::end_of(std::size_t at) const {
  const std::uint64_t address = symbols_[at].address;
  const std::uint64_t most = address + std::min(kLongestFunction, ~std::uint64_t{0} - address);
  return at + 1 < symbols_.size() ? std::min(symbols_[at + 1].address, most) : most;
}

std::optional<FoundSymbol> SymbolTable::find(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
  if (after == symbols_.begin()) return std::nullopt;
  const auto at = static_cast<std::size_t>(after - symbols_.begin()) - 1;
  if (address >= end_of(at)) return std::nullopt;
  const Symbol& symbol = symbols_[at];
  return FoundSymbol{symbol.name, symbol.module, address - symbol.address};
}

Result<SymbolTable> parse_symbols(std::string_view text) {
  std::vector<Symbol> symbols;
  bool any = false;
  bool addresses = false;
  while (!text.empty()) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), whole.size() + 1));
    const std::optional<Line> line = parse_line(whole);
    if (!line) continue;
    any = true;
    addresses = addresses || line->symbol.address != 0;
    if (is_code(line->type) && half_of(line->symbol.address) != Half::lower)
      symbols.push_back(line->symbol);
  }
  if (!any) return Error{"it is neither a System.map, nor a kallsyms, nor a vmlinux"};
  if (!addresses) return Error{"all its addresses are 0: read /proc/kallsyms in the guest as root"};
  SymbolTable table(std::move(symbols));
  if (table.begin() == 0)
    return Error{
        "it has no function of a 64-bit kernel. Debian's System.map only names the package that "
        "has the real one; the guest's /proc/kallsyms, read as root, serves as well"};
  return table;
}

}  // namespace kvmx
