// SPDX-License-Identifier: Apache-2.0
//
// .BTF.ext: which function, which source line and which CO-RE relocation belongs to which
// instruction.
//
// Records as they stand in the file; that offsets lie in code and ids in BTF is for the users to
// check.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include <kiln/btf.h>
#include <kiln/result.h>

#include "elf/bytes.h"

namespace kiln::elf {

struct FuncInfo {
  std::uint32_t offset = 0;  ///< bytes from the section's start
  std::uint32_t type = 0;    ///< BTF id of a FUNC
};

struct LineInfo {
  std::uint32_t offset = 0;
  std::uint32_t file = 0;  ///< string offsets in .BTF
  std::uint32_t text = 0;
  std::uint32_t line_column = 0;  ///< line << 10 | column
};

struct CoreRecord {
  std::uint32_t offset = 0;
  std::uint32_t type = 0;    ///< local BTF id
  std::uint32_t access = 0;  ///< string offset: "0:1:2"
  std::uint32_t kind = 0;    ///< enum bpf_core_relo_kind
};

/// What .BTF.ext says about one code section.
struct BtfExtSection {
  std::vector<FuncInfo> funcs;
  std::vector<LineInfo> lines;  ///< sorted by offset
  std::vector<CoreRecord> core;
};

/// By section name; the names lie in `btf`.
using BtfExt = std::map<std::string_view, BtfExtSection>;

/// \errors kInput, without a path in front.
Result<BtfExt> parse_btf_ext(Bytes bytes, const Btf& btf);

}  // namespace kiln::elf
