// SPDX-License-Identifier: Apache-2.0
//
// .BTF.ext: a header that names three tables, each a list of sections with records of a stated
// size. Source: Documentation/bpf/btf.rst, ".BTF.ext section".
#include "elf/btf_ext.h"

#include <fmt/format.h>

#include <algorithm>

namespace kiln::elf {
namespace {

struct Header {
  std::uint16_t magic;
  std::uint8_t version;
  std::uint8_t flags;
  std::uint32_t header_size;
  std::uint32_t func_offset, func_size;
  std::uint32_t line_offset, line_size;
};
struct CoreHeader {
  std::uint32_t offset, size;
};
struct SectionHeader {
  std::uint32_t name, count;
};
static_assert(sizeof(Header) == 24);

Error bad(std::string_view table, const char* what) {
  return Error{Errc::kInput, fmt::format("BTF.ext: {} {}", table, what)};
}

/// One table, appended to the member `list` of the sections it speaks of.
template <typename Record>
Result<void> read_table(Bytes table, std::string_view what, const Btf& btf,
                        std::vector<Record> BtfExtSection::*list, BtfExt& sections) {
  if (table.empty()) {
    return {};
  }
  const auto record_size = read_at<std::uint32_t>(table, 0);
  if (!record_size || *record_size < sizeof(Record) || *record_size % 4 != 0) {
    return bad(what, "has records of impossible size");
  }
  std::uint64_t at = sizeof(std::uint32_t);
  while (at < table.size()) {
    const auto header = read_at<SectionHeader>(table, at);
    const auto name = header ? btf.string(header->name) : std::nullopt;
    if (!name) {
      return bad(what, "names no section");
    }
    at += sizeof(SectionHeader);
    const std::uint64_t bytes = std::uint64_t{header->count} * *record_size;
    if (header->count == 0 || !slice(table, at, bytes)) {
      return bad(what, "is truncated");
    }
    BtfExtSection& section = sections[*name];
    for (std::uint32_t i = 0; i < header->count; ++i, at += *record_size) {
      (section.*list).push_back(*read_at<Record>(table, at));
    }
  }
  return {};
}

}  // namespace

Result<BtfExt> parse_btf_ext(Bytes bytes, const Btf& btf) {
  const auto header = read_at<Header>(bytes, 0);
  if (!header || header->magic != 0xeb9f || header->version != 1 ||
      header->header_size < sizeof(Header) || header->header_size > bytes.size()) {
    return Error{Errc::kInput, "BTF.ext: not version 1 of the format"};
  }
  // Headers before CO-RE end here.
  const bool has_core = header->header_size >= sizeof(Header) + sizeof(CoreHeader);
  const auto core = has_core ? *read_at<CoreHeader>(bytes, sizeof(Header)) : CoreHeader{};
  const Bytes body = bytes.subspan(header->header_size);
  const auto funcs = slice(body, header->func_offset, header->func_size);
  const auto lines = slice(body, header->line_offset, header->line_size);
  const auto relocations = slice(body, core.offset, core.size);
  if (!funcs || !lines || !relocations) {
    return Error{Errc::kInput, "BTF.ext: truncated"};
  }
  BtfExt sections;
  KILN_TRY(read_table(*funcs, "func_info", btf, &BtfExtSection::funcs, sections));
  KILN_TRY(read_table(*lines, "line_info", btf, &BtfExtSection::lines, sections));
  KILN_TRY(read_table(*relocations, "core_relo", btf, &BtfExtSection::core, sections));
  for (auto& [name, section] : sections) {
    std::stable_sort(section.lines.begin(), section.lines.end(),
                     [](const LineInfo& a, const LineInfo& b) { return a.offset < b.offset; });
  }
  return sections;
}

}  // namespace kiln::elf
