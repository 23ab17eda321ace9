// SPDX-License-Identifier: Apache-2.0
#include "kernel_walk.h"

#include <optional>

#include <fmt/format.h>

#include "state.h"

namespace kiln::verifier {
namespace {

using Kind = Walked::Kind;

/// A member without its array around it.
struct Element {
  u32 type = 0;   ///< stripped; 0: of no size
  u32 begin = 0;  ///< bytes from the structure's start: of the element that holds the offset
  u32 size = 0;   ///< of one element
  u32 end = 0;    ///< of the whole member
};

Element element_at(const Btf& btf, const Btf::Member& member, u32 off) {
  Element e;
  e.begin = member.bit_offset / 8;
  e.size = btf.size_of(member.type).value_or(0);
  e.end = e.begin + e.size;
  e.type = btf.strip(member.type).value_or(0);
  bool array = false;
  while (e.type != 0 && btf.kind(e.type) == BtfKind::kArray) {
    array = true;
    e.type = btf.strip(btf.array(e.type).element).value_or(0);
  }
  if (array && off >= e.begin && off < e.end) {
    e.size = btf.size_of(e.type).value_or(0);
    e.begin += e.size == 0 ? 0 : (off - e.begin) / e.size * e.size;
  }
  return e;
}

class Walk {
 public:
  Walk(const Btf& btf, u32 bytes, bool flexible) : btf_(btf), bytes_(bytes), flexible_(flexible) {}

  Walked at(u32 type, u32 off) {
    constexpr unsigned kMaxDepth = 32;
    for (unsigned depth = 0; depth < kMaxDepth; ++depth) {
      if (!btf_.is_composite(type)) {
        return refuse("Type '{}' is not a struct", btf_.name(type));
      }
      const u32 count = btf_.vlen(type);
      if (btf_.kind(type) == BtfKind::kUnion && count != 1) {
        flags_ |= kUntrusted;
      }
      const auto inner = off + bytes_ > btf_.size_of(type).value_or(0) ? beyond(type, off) : member_at(type, off);
      if (!inner) {
        return result_;
      }
      type = inner->type;
      off = inner->off;
    }
    return refuse("Type '{}' is not a struct", btf_.name(type));
  }

 private:
  struct Inner {
    u32 type, off;
  };

  template <typename... Args>
  Walked refuse(fmt::format_string<Args...> format, Args&&... args) {
    result_.error = fmt::format(format, std::forward<Args>(args)...);
    return result_;
  }

  /// Behind the structure: an array at its end that has no length.
  std::optional<Inner> beyond(u32 type, u32 off) {
    const u32 count = btf_.vlen(type);
    if (flexible_ && count != 0) {
      const Btf::Member last = btf_.member(type, count - 1);
      const u32 array = btf_.strip(last.type).value_or(0);
      const u32 begin = last.bit_offset / 8;
      if (array != 0 && btf_.kind(array) == BtfKind::kArray && btf_.array(array).count == 0 && off >= begin) {
        const u32 element = btf_.strip(btf_.array(array).element).value_or(0);
        if (element != 0 && btf_.kind(element) == BtfKind::kInt) {
          result_.kind = Kind::kNumber;
          return std::nullopt;
        }
        const u32 size = element == 0 ? 0 : btf_.size_of(element).value_or(0);
        if (size != 0 && btf_.is_composite(element)) {
          return Inner{element, (off - begin) % size};
        }
      }
    }
    refuse("access beyond struct {} at off {} size {}", btf_.name(type), off, bytes_);
    return std::nullopt;
  }

  /// The member that holds `off`: its structure to go on in, or the result.
  std::optional<Inner> member_at(u32 type, u32 off) {
    for (u32 i = 0; i < btf_.vlen(type); ++i) {
      const Btf::Member member = btf_.member(type, i);
      const u32 begin = member.bit_offset / 8;
      if (off + bytes_ <= begin) {
        break;
      }
      if (member.bitfield_size != 0) {
        if (off <= begin && (member.bit_offset + member.bitfield_size + 7) / 8 <= off + bytes_) {
          result_.kind = Kind::kNumber;
          return std::nullopt;
        }
        continue;
      }
      if (off < begin) {
        break;
      }
      const Element e = element_at(btf_, member, off);
      if (off >= e.end || e.begin == e.end) {
        continue;
      }
      if (e.type != 0 && btf_.is_composite(e.type)) {
        return Inner{e.type, off - e.begin};
      }
      e.type != 0 && btf_.kind(e.type) == BtfKind::kPtr ? pointer(type, member, e, off) : number(type, member, e, off);
      return std::nullopt;
    }
    refuse("struct {} doesn't have field at offset {}", btf_.name(type), off);
    return std::nullopt;
  }

  void pointer(u32 type, const Btf::Member& member, const Element& e, u32 off) {
    if (e.size != bytes_ || off != e.begin) {
      refuse("cannot access ptr member {} with moff {} in struct {} with off {} size {}", member.name, e.begin,
             btf_.name(type), off, bytes_);
      return;
    }
    const u32 pointed = btf_.target(e.type);
    const u32 target = btf_.strip(pointed).value_or(0);
    if (target == 0 || !btf_.is_composite(target)) {
      result_.kind = Kind::kAnyPointer;
      return;
    }
    if (btf_.kind(pointed) == BtfKind::kTypeTag) {
      const std::string_view tag = btf_.name(pointed);
      flags_ |= tag == "user" ? kUser : tag == "percpu" ? kPerCpu : tag == "rcu" ? kRcu : 0;
    }
    result_.kind = Kind::kPointer;
    result_.target = target;
    result_.flags = flags_;
    result_.field = member.name;
  }

  /// An array of numbers may be read as one likes up to its end.
  void number(u32 type, const Btf::Member& member, const Element& e, u32 off) {
    if (off + bytes_ > e.end && (flags_ & kUntrusted) == 0) {
      refuse("access beyond the end of member {} (mend:{}) in struct {} with off {} size {}", member.name, e.end,
             btf_.name(type), off, bytes_);
      return;
    }
    result_.kind = Kind::kNumber;
  }

  const Btf& btf_;
  const u32 bytes_;
  const bool flexible_;
  unsigned flags_ = 0;
  Walked result_;
};

}  // namespace

Walked walk_struct(const Btf& btf, u32 type, u32 off, u32 bytes, bool flexible) {
  return Walk(btf, bytes, flexible).at(type, off);
}

bool VouchedFields::has(const Btf& kernel, u32 type, const Walked& walked, std::string_view list) {
  constexpr std::string_view kMark = "__safe_";
  for (u32 id = 1; !found_ && id < kernel.count(); ++id) {
    if (kernel.is_composite(id) && kernel.name(id).find(kMark) != std::string_view::npos) {
      lists_.push_back(id);
    }
  }
  found_ = true;
  const std::string_view name = kernel.name(type);
  for (const u32 safe : lists_) {
    const std::string_view candidate = kernel.name(safe);
    if (candidate.size() != name.size() + list.size() || !candidate.starts_with(name) || !candidate.ends_with(list)) {
      continue;
    }
    for (u32 i = 0; i < kernel.vlen(safe); ++i) {
      const Btf::Member member = kernel.member(safe, i);
      if (member.name == walked.field && kernel.kind(member.type) == BtfKind::kPtr &&
          kernel.strip(kernel.target(member.type)) == walked.target) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace kiln::verifier
