// SPDX-License-Identifier: Apache-2.0
//
// ELF structure. Source: System V ABI, chapter 4 (headers, sections, symbols, relocations).
//
// Written by hand and not with libelf: four fixed structures are all a BPF object needs, and so
// every check on hostile bytes is in sight.
#include "elf/elf_file.h"

#include <elf.h>

namespace kiln::elf {
namespace {

constexpr std::uint16_t kMachineNone = 0;  // what LLVM wrote before EM_BPF was assigned

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "x86";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    default:
      return fmt::format("machine {}", machine);
  }
}

}  // namespace

bool Section::is_code() const {
  return type == SHT_PROGBITS && (flags & SHF_EXECINSTR) != 0;
}
bool Symbol::is_weak() const {
  return bind == STB_WEAK;
}
bool Symbol::is_static() const {
  return bind == STB_LOCAL;
}

Result<ElfFile> ElfFile::parse(Bytes bytes, std::string path) {
  ElfFile file;
  file.bytes_ = bytes;
  file.path_ = std::move(path);
  if (bytes.empty()) {
    return file.error("the file is empty");
  }
  if (bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) {
    return file.error("not an ELF file");
  }
  const auto header = read_at<Elf64_Ehdr>(bytes, 0);
  if (!header) {
    return file.error("truncated: {} bytes are less than an ELF header", bytes.size());
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64) {
    return file.error("not a 64-bit ELF file");
  }
  if (header->e_ident[EI_DATA] != ELFDATA2LSB) {
    return file.error("a big-endian ELF file; compile with -target bpfel");
  }
  file.machine_ = header->e_machine;
  file.type_ = header->e_type;
  KILN_TRY(file.read_sections());
  KILN_TRY(file.read_symbols());
  return file;
}

Result<void> ElfFile::require_bpf() const {
  if (machine_ != EM_BPF && machine_ != kMachineNone) {
    return error("an ELF file for {}, not for BPF; compile with clang -target bpf",
                 machine_name(machine_));
  }
  if (type_ != ET_REL) {
    return error("not a relocatable object (ELF type {})", type_);
  }
  return {};
}

Result<void> ElfFile::read_sections() {
  const auto header = read_at<Elf64_Ehdr>(bytes_, 0);
  if (header->e_shnum == 0 || header->e_shentsize != sizeof(Elf64_Shdr)) {
    return error("no section headers");
  }
  const auto table =
      slice(bytes_, header->e_shoff, std::uint64_t{header->e_shnum} * sizeof(Elf64_Shdr));
  if (!table) {
    return error("truncated: the section headers lie beyond its {} bytes", bytes_.size());
  }
  const auto names_header =
      read_at<Elf64_Shdr>(*table, std::uint64_t{header->e_shstrndx} * sizeof(Elf64_Shdr));
  const auto names = names_header && names_header->sh_type == SHT_STRTAB
                         ? slice(bytes_, names_header->sh_offset, names_header->sh_size)
                         : std::nullopt;
  if (!names) {
    return error("the section names are missing or truncated");
  }
  for (std::uint32_t i = 0; i < header->e_shnum; ++i) {
    const auto raw = *read_at<Elf64_Shdr>(*table, std::uint64_t{i} * sizeof(Elf64_Shdr));
    Section section{.index = i,
                    .name = {},
                    .type = raw.sh_type,
                    .flags = raw.sh_flags,
                    .size = raw.sh_size,
                    .link = raw.sh_link,
                    .info = raw.sh_info,
                    .data = {}};
    if (raw.sh_type != SHT_NULL) {
      const auto name = string_at(*names, raw.sh_name);
      if (!name) {
        return error("section {} has no valid name", i);
      }
      section.name = *name;
    }
    if (raw.sh_type != SHT_NULL && raw.sh_type != SHT_NOBITS) {
      const auto data = slice(bytes_, raw.sh_offset, raw.sh_size);
      if (!data) {
        return error("truncated: section '{}' lies beyond its {} bytes", section.name,
                     bytes_.size());
      }
      section.data = *data;
    }
    sections_.push_back(section);
  }
  return {};
}

Result<void> ElfFile::read_symbols() {
  const Section* table = nullptr;
  for (const Section& section : sections_) {
    if (section.type == SHT_SYMTAB) {
      if (table != nullptr) {
        return error("two symbol tables");
      }
      table = &section;
    }
  }
  if (table == nullptr) {
    return {};
  }
  if (table->link >= sections_.size() || sections_[table->link].type != SHT_STRTAB) {
    return error("the symbol table has no string table");
  }
  if (table->data.size() % sizeof(Elf64_Sym) != 0) {
    return error("the symbol table is no whole number of symbols");
  }
  const Bytes names = sections_[table->link].data;
  for (std::size_t i = 0; i < table->data.size() / sizeof(Elf64_Sym); ++i) {
    const auto raw = *read_at<Elf64_Sym>(table->data, i * sizeof(Elf64_Sym));
    const auto name = string_at(names, raw.st_name);
    if (!name) {
      return error("symbol {} has no valid name", i);
    }
    if (raw.st_shndx >= sections_.size() && raw.st_shndx < SHN_LORESERVE) {
      return error("symbol '{}' lies in section {}, which does not exist", *name, raw.st_shndx);
    }
    symbols_.push_back({.name = *name,
                        .value = raw.st_value,
                        .size = raw.st_size,
                        .type = static_cast<std::uint8_t>(ELF64_ST_TYPE(raw.st_info)),
                        .bind = static_cast<std::uint8_t>(ELF64_ST_BIND(raw.st_info)),
                        .visibility = static_cast<std::uint8_t>(ELF64_ST_VISIBILITY(raw.st_other)),
                        .section = raw.st_shndx});
  }
  return {};
}

const Section* ElfFile::find(std::string_view name) const {
  for (const Section& section : sections_) {
    if (section.type != SHT_NULL && section.name == name) {
      return &section;
    }
  }
  return nullptr;
}

const Section* ElfFile::section_of(const Symbol& symbol) const {
  const bool inside = symbol.section != SHN_UNDEF && symbol.section < sections_.size();
  return inside ? &sections_[symbol.section] : nullptr;
}

Result<std::vector<Relocation>> ElfFile::relocations(const Section& target) const {
  std::vector<Relocation> out;
  for (const Section& section : sections_) {
    if (section.info != target.index || (section.type != SHT_REL && section.type != SHT_RELA)) {
      continue;
    }
    if (section.type == SHT_RELA) {
      return error("section '{}' has relocations with addends, which BPF objects do not use",
                   section.name);
    }
    if (section.data.size() % sizeof(Elf64_Rel) != 0) {
      return error("section '{}' is no whole number of relocations", section.name);
    }
    for (std::size_t i = 0; i < section.data.size() / sizeof(Elf64_Rel); ++i) {
      const auto raw = *read_at<Elf64_Rel>(section.data, i * sizeof(Elf64_Rel));
      const std::uint64_t symbol = ELF64_R_SYM(raw.r_info);
      if (symbol >= symbols_.size()) {
        return error("relocation {} in '{}' names symbol {}, which does not exist", i, section.name,
                     symbol);
      }
      if (!slice(target.data, raw.r_offset, sizeof(std::uint32_t))) {
        return error("relocation {} in '{}' lies outside section '{}'", i, section.name,
                     target.name);
      }
      out.push_back({.offset = raw.r_offset,
                     .type = static_cast<std::uint32_t>(ELF64_R_TYPE(raw.r_info)),
                     .symbol = static_cast<std::uint32_t>(symbol)});
    }
  }
  return out;
}

}  // namespace kiln::elf
