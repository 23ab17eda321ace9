// SPDX-License-Identifier: Apache-2.0
//
// An ELF64 little-endian file as sections, symbols and relocations: structure only, no meaning.
//
// Everything handed out lies inside the file and every index is in range: what reads these lists
// need not check again. The bytes must outlive the ElfFile.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include <kiln/result.h>

#include "elf/bytes.h"

namespace kiln::elf {

struct Section {
  std::uint32_t index = 0;
  std::string_view name;
  std::uint32_t type = 0;   ///< SHT_*
  std::uint64_t flags = 0;  ///< SHF_*
  std::uint64_t size = 0;   ///< in memory; more than data.size() only for SHT_NOBITS
  std::uint32_t link = 0;
  std::uint32_t info = 0;
  Bytes data;  ///< empty for SHT_NOBITS

  bool is_code() const;  ///< holds instructions
};

struct Symbol {
  std::string_view name;
  std::uint64_t value = 0;  ///< offset in its section
  std::uint64_t size = 0;
  std::uint8_t type = 0;        ///< STT_*
  std::uint8_t bind = 0;        ///< STB_*
  std::uint8_t visibility = 0;  ///< STV_*
  std::uint16_t section = 0;    ///< index < sections().size(), or 0 (undefined), or SHN_LORESERVE..

  bool is_undefined() const { return section == 0; }
  bool is_weak() const;
  bool is_static() const;
};

struct Relocation {
  std::uint64_t offset = 0;  ///< in the target section, at least 4 bytes before its end
  std::uint32_t type = 0;    ///< R_BPF_*
  std::uint32_t symbol = 0;  ///< index into symbols()
};

class ElfFile {
 public:
  /// \errors kInput: empty, not ELF64 little-endian, truncated, an offset or index that leads
  /// outside.
  static Result<ElfFile> parse(Bytes bytes, std::string path);

  /// \errors kInput: another machine, or not a relocatable object.
  Result<void> require_bpf() const;

  const std::string& path() const { return path_; }
  const std::vector<Section>& sections() const { return sections_; }
  const std::vector<Symbol>& symbols() const { return symbols_; }
  const Section* find(std::string_view name) const;
  /// The section a symbol lies in, or nullptr (undefined, absolute, common).
  const Section* section_of(const Symbol& symbol) const;

  /// All relocations of one section, in file order.
  Result<std::vector<Relocation>> relocations(const Section& target) const;

  /// An Error that starts with the path.
  template <typename... Args>
  Error error(fmt::format_string<Args...> format, Args&&... args) const {
    return Error{Errc::kInput, path_ + ": " + fmt::format(format, std::forward<Args>(args)...)};
  }

 private:
  Result<void> read_sections();
  Result<void> read_symbols();

  Bytes bytes_;
  std::string path_;
  std::uint16_t machine_ = 0;
  std::uint16_t type_ = 0;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
};

}  // namespace kiln::elf
