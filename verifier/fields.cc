// SPDX-License-Identifier: Apache-2.0
#include "fields.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

namespace kiln::verifier {
namespace {

constexpr u32 kMaxNesting = 4;

struct Named {
  std::string_view name;
  FieldKind kind;
};
constexpr Named kTypes[] = {
    {"bpf_spin_lock", FieldKind::kSpinLock},   {"bpf_res_spin_lock", FieldKind::kResSpinLock},
    {"bpf_timer", FieldKind::kTimer},          {"bpf_wq", FieldKind::kWorkQueue},
    {"bpf_task_work", FieldKind::kTaskWork},   {"bpf_list_head", FieldKind::kListHead},
    {"bpf_list_node", FieldKind::kListNode},   {"bpf_rb_root", FieldKind::kRbRoot},
    {"bpf_rb_node", FieldKind::kRbNode},       {"bpf_refcount", FieldKind::kRefcount},
};
constexpr Named kTags[] = {
    {"kptr_untrusted", FieldKind::kKptrUntrusted},
    {"kptr", FieldKind::kKptr},
    {"percpu_kptr", FieldKind::kKptrPercpu},
    {"uptr", FieldKind::kUptr},
};

template <std::size_t N>
std::optional<FieldKind> by_name(const Named (&table)[N], std::string_view name) {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const Named& n) { return n.name == name; });
  return found == std::end(table) ? std::nullopt : std::optional(found->kind);
}

class Search {
 public:
  explicit Search(const Btf& btf) : btf_(btf) {}

  void members_of(u32 type, u32 base, u32 depth) {
    if (depth > kMaxNesting || !btf_.is_composite(type)) {
      return;
    }
    for (u32 i = 0; i < btf_.vlen(type); ++i) {
      const Btf::Member member = btf_.member(type, i);
      if (member.bitfield_size == 0 && member.bit_offset % 8 == 0) {
        variable(member.type, base + member.bit_offset / 8, type, static_cast<s32>(i), depth);
      }
    }
  }
  /// \\param owner, component  where a tag on the declaration would be: a struct's member, or a variable.
  void variable(u32 type, u32 offset, u32 owner, s32 component, u32 depth) {
    auto plain = btf_.strip(type);
    if (!plain || *plain == 0) {
      return;
    }
    u32 count = 1;
    while (plain && *plain != 0 && btf_.kind(*plain) == BtfKind::kArray) {
      count *= btf_.array(*plain).count;
      type = btf_.array(*plain).element;
      plain = btf_.strip(type);
    }
    constexpr u32 kMaxRepeat = 64;
    if (!plain || *plain == 0 || count == 0 || count > kMaxRepeat) {
      return;
    }
    const u32 size = btf_.size_of(*plain).value_or(0);
    for (u32 i = 0; i < count; ++i) {
      one(*plain, type, offset + i * size, owner, component, depth);
    }
  }
  FieldList found;

 private:
  void one(u32 plain, u32 type, u32 offset, u32 owner, s32 component, u32 depth) {
    if (btf_.kind(plain) == BtfKind::kPtr) {
      return pointer(plain, offset);
    }
    if (!btf_.is_composite(plain)) {
      return;
    }
    const auto kind = by_name(kTypes, btf_.name(plain));
    if (!kind) {
      return members_of(plain, offset, depth + 1);
    }
    Field field{.kind = *kind, .offset = offset, .size = btf_.size_of(type).value_or(0)};
    if (field.kind == FieldKind::kListHead || field.kind == FieldKind::kRbRoot) {
      contents(field, owner, component);
    }
    found.push_back(field);
  }
  void pointer(u32 plain, u32 offset) {
    const u32 tag = btf_.target(plain);
    if (tag == 0 || btf_.kind(tag) != BtfKind::kTypeTag) {
      return;
    }
    const auto kind = by_name(kTags, btf_.name(tag));
    const auto target = btf_.strip(btf_.target(tag));
    constexpr u32 kPointerBytes = 8;
    if (kind && target) {
      found.push_back({.kind = *kind, .offset = offset, .size = kPointerBytes, .type = *target});
    }
  }
  /// "contains:STRUCT:MEMBER" on the declaration of a head or root.
  void contents(Field& field, u32 owner, s32 component) {
    for (u32 id = 1; id < btf_.count(); ++id) {
      s32 tagged = 0;
      if (btf_.kind(id) != BtfKind::kDeclTag || btf_.target(id) != owner) {
        continue;
      }
      std::memcpy(&tagged, btf_.raw().data() + btf_.extra_offset(id), sizeof tagged);
      constexpr std::string_view kPrefix = "contains:";
      std::string_view text = btf_.name(id);
      if (tagged != component || !text.starts_with(kPrefix)) {
        continue;
      }
      text.remove_prefix(kPrefix.size());
      const std::size_t colon = text.find(':');
      const auto element = btf_.find(BtfKind::kStruct, text.substr(0, colon));
      for (u32 i = 0; element && colon != text.npos && i < btf_.vlen(*element); ++i) {
        if (btf_.member(*element, i).name == text.substr(colon + 1)) {
          field.type = *element;
          field.node_offset = btf_.member(*element, i).bit_offset / 8;
        }
      }
      return;
    }
  }

  const Btf& btf_;
};

}  // namespace

std::string_view field_name(FieldKind kind) {
  switch (kind) {
    case FieldKind::kSpinLock: return "bpf_spin_lock";
    case FieldKind::kResSpinLock: return "bpf_res_spin_lock";
    case FieldKind::kTimer: return "bpf_timer";
    case FieldKind::kWorkQueue: return "bpf_wq";
    case FieldKind::kTaskWork: return "bpf_task_work";
    case FieldKind::kKptrUntrusted:
    case FieldKind::kKptr: return "kptr";
    case FieldKind::kKptrPercpu: return "percpu_kptr";
    case FieldKind::kUptr: return "uptr";
    case FieldKind::kListHead: return "bpf_list_head";
    case FieldKind::kListNode: return "bpf_list_node";
    case FieldKind::kRbRoot: return "bpf_rb_root";
    case FieldKind::kRbNode: return "bpf_rb_node";
    case FieldKind::kRefcount: return "bpf_refcount";
  }
  return "unknown";
}

FieldList find_fields(const Btf& btf, u32 type) {
  Search search(btf);
  const auto plain = type == 0 || type >= btf.count() ? std::nullopt : btf.strip(type);
  if (plain && *plain != 0 && btf.kind(*plain) == BtfKind::kDatasec) {
    for (u32 i = 0; i < btf.vlen(*plain); ++i) {
      const Btf::Variable v = btf.variable(*plain, i);
      if (v.type < btf.count() && btf.kind(v.type) == BtfKind::kVar) {
        search.variable(btf.target(v.type), v.offset, v.type, -1, 0);
      }
    }
  } else if (plain && *plain != 0) {
    search.members_of(*plain, 0, 0);
  }
  constexpr std::size_t kMaxFields = 11;  // BTF_FIELDS_MAX: the kernel looks after none if there are more
  if (search.found.size() > kMaxFields) {
    return {};
  }
  std::sort(search.found.begin(), search.found.end(),
            [](const Field& a, const Field& b) { return a.offset < b.offset; });
  return std::move(search.found);
}

const Field* find_field(const FieldList& fields, FieldKind kind) {
  for (const Field& field : fields) {
    if (field.kind == kind) {
      return &field;
    }
  }
  return nullptr;
}

const Field* field_at(const FieldList& fields, u32 offset) {
  for (const Field& field : fields) {
    if (field.offset == offset) {
      return &field;
    }
  }
  return nullptr;
}

}  // namespace kiln::verifier
