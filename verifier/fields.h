// SPDX-License-Identifier: Apache-2.0
//
// Fields of a structure that the kernel looks after: locks, timers, kernel pointers, lists, trees. Only
// their own functions may touch them. They are found by the names of their types in BTF.
// Source: btf_parse_fields(), Linux 6.18.
#pragma once

#include <string_view>
#include <vector>

#include <kiln/btf.h>

#include "tnum.h"

namespace kiln::verifier {

enum class FieldKind : u8 {
  kSpinLock,
  kResSpinLock,
  kTimer,
  kWorkQueue,
  kTaskWork,
  kKptrUntrusted,  ///< a kernel pointer that may be stale
  kKptr,           ///< an owned one
  kKptrPercpu,
  kUptr,
  kListHead,
  kListNode,
  kRbRoot,
  kRbNode,
  kRefcount,
};

struct Field {
  FieldKind kind = FieldKind::kSpinLock;
  u32 offset = 0;  ///< bytes from the start of the structure
  u32 size = 0;
  u32 type = 0;         ///< pointers: the structure pointed at; heads and roots: of the elements; program's BTF
  u32 node_offset = 0;  ///< heads and roots: of the node in an element

  bool is_pointer() const {
    return kind == FieldKind::kKptrUntrusted || kind == FieldKind::kKptr || kind == FieldKind::kKptrPercpu ||
           kind == FieldKind::kUptr;
  }
};

using FieldList = std::vector<Field>;

/// The kernel's name of the type.
std::string_view field_name(FieldKind kind);

/// In ascending order. \param type  a struct, or a data section.
FieldList find_fields(const Btf& btf, u32 type);

/// The first of a kind, or nullptr.
const Field* find_field(const FieldList& fields, FieldKind kind);
const Field* field_at(const FieldList& fields, u32 offset);

}  // namespace kiln::verifier
