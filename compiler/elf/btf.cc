// SPDX-License-Identifier: Apache-2.0
//
// BTF reader: checks once in parse(), then plain look-ups.
#include <fmt/format.h>

#include <kiln/btf.h>
#include <kiln/btf_tags.h>

#include "elf/bytes.h"

namespace kiln {
namespace {

struct Header {
  std::uint16_t magic;
  std::uint8_t version;
  std::uint8_t flags;
  std::uint32_t header_size;
  std::uint32_t type_offset;
  std::uint32_t type_size;
  std::uint32_t string_offset;
  std::uint32_t string_size;
};
static_assert(sizeof(Header) == 24);

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint32_t kCommonBytes = 12;
constexpr std::uint32_t kMaxTypes = 1u << 20;  // the kernel's BTF_MAX_TYPE
constexpr int kMaxDepth = 32;                  // the kernel's MAX_RESOLVE_DEPTH
constexpr std::uint32_t kMaxPointer = 8;

/// 32-bit words after the common part, or nullopt for a kind nobody knows.
std::optional<std::uint32_t> extra_words(BtfKind kind, std::uint32_t vlen) {
  switch (kind) {
    case BtfKind::kPtr:
    case BtfKind::kFwd:
    case BtfKind::kTypedef:
    case BtfKind::kVolatile:
    case BtfKind::kConst:
    case BtfKind::kRestrict:
    case BtfKind::kFunc:
    case BtfKind::kFloat:
    case BtfKind::kTypeTag:
      return 0;
    case BtfKind::kInt:
    case BtfKind::kVar:
    case BtfKind::kDeclTag:
      return 1;
    case BtfKind::kArray:
      return 3;
    case BtfKind::kEnum:
    case BtfKind::kFuncProto:
      return 2 * vlen;
    case BtfKind::kStruct:
    case BtfKind::kUnion:
    case BtfKind::kDatasec:
    case BtfKind::kEnum64:
      return 3 * vlen;
    case BtfKind::kVoid:
      break;
  }
  return std::nullopt;
}

bool is_modifier(BtfKind kind) {
  return kind == BtfKind::kTypedef || kind == BtfKind::kVolatile || kind == BtfKind::kConst ||
         kind == BtfKind::kRestrict || kind == BtfKind::kTypeTag;
}

bool refers(BtfKind kind) {
  return is_modifier(kind) || kind == BtfKind::kPtr || kind == BtfKind::kFunc ||
         kind == BtfKind::kFuncProto || kind == BtfKind::kVar || kind == BtfKind::kDeclTag;
}

}  // namespace

Result<Btf> Btf::parse(std::vector<std::byte> raw) {
  Btf btf;
  btf.raw_ = std::move(raw);
  const auto header = elf::read_at<Header>(btf.raw_, 0);
  if (!header || header->magic != kMagic || header->version != 1) {
    return Error{Errc::kInput, "BTF: not version 1 of the format"};
  }
  const elf::Bytes all(btf.raw_);
  const std::uint64_t types = std::uint64_t{header->header_size} + header->type_offset;
  const std::uint64_t strings = std::uint64_t{header->header_size} + header->string_offset;
  if (btf.raw_.size() > UINT32_MAX || header->header_size < sizeof(Header) ||
      !elf::slice(all, types, header->type_size) ||
      !elf::slice(all, strings, header->string_size) || header->type_size % 4 != 0) {
    return Error{Errc::kInput, fmt::format("BTF: truncated at {} bytes", btf.raw_.size())};
  }
  btf.strings_ = static_cast<std::uint32_t>(strings);
  btf.strings_size_ = header->string_size;
  if (btf.strings_size_ == 0 || all[btf.strings_] != std::byte{0} ||
      all[btf.strings_ + btf.strings_size_ - 1] != std::byte{0}) {
    return Error{Errc::kInput, "BTF: the strings have no terminator"};
  }
  btf.types_.push_back({});
  KILN_TRY(btf.read_types(static_cast<std::uint32_t>(types),
                          static_cast<std::uint32_t>(types) + header->type_size));
  for (std::uint32_t id = 1; id < btf.count(); ++id) {
    KILN_TRY(btf.check_type(id));
  }
  return btf;
}

Result<void> Btf::read_types(std::uint32_t begin, std::uint32_t end) {
  while (begin < end) {
    const std::uint32_t id = count();
    if (end - begin < kCommonBytes || id > kMaxTypes) {
      return Error{Errc::kInput, fmt::format("BTF: type {} is truncated", id)};
    }
    const auto word_at = [&](std::uint32_t i) {
      return *elf::read_at<std::uint32_t>(raw_, begin + 4 * i);
    };
    const Type type{.name = word_at(0),
                    .info = word_at(1),
                    .size_or_type = word_at(2),
                    .extra = begin + kCommonBytes};
    types_.push_back(type);
    const auto words = extra_words(kind(id), vlen(id));
    if (!words) {
      return Error{Errc::kInput, fmt::format("BTF: type {} is of unknown kind {}", id,
                                             static_cast<unsigned>(kind(id)))};
    }
    if (end - type.extra < std::uint64_t{*words} * 4) {
      return Error{Errc::kInput, fmt::format("BTF: type {} is truncated", id)};
    }
    begin = type.extra + *words * 4;
  }
  return {};
}

/// Every id and every name that a type mentions exists.
Result<void> Btf::check_type(std::uint32_t id) const {
  const auto good_id = [this](std::uint32_t other) { return other < count(); };
  const auto good_name = [this](std::uint32_t offset) { return string(offset).has_value(); };
  bool good = good_name(types_[id].name) && (!refers(kind(id)) || good_id(target(id)));
  const std::uint32_t n = vlen(id);
  switch (kind(id)) {
    case BtfKind::kArray:
      good = good && good_id(word(id, 0)) && good_id(word(id, 1));
      break;
    case BtfKind::kStruct:
    case BtfKind::kUnion:
      for (std::uint32_t i = 0; good && i < n; ++i) {
        good = good_name(word(id, 3 * i)) && good_id(word(id, 3 * i + 1));
      }
      break;
    case BtfKind::kEnum:
      for (std::uint32_t i = 0; good && i < n; ++i) {
        good = good_name(word(id, 2 * i));
      }
      break;
    case BtfKind::kEnum64:
      for (std::uint32_t i = 0; good && i < n; ++i) {
        good = good_name(word(id, 3 * i));
      }
      break;
    case BtfKind::kFuncProto:
      for (std::uint32_t i = 0; good && i < n; ++i) {
        good = good_name(word(id, 2 * i)) && good_id(word(id, 2 * i + 1));
      }
      break;
    case BtfKind::kDatasec:
      for (std::uint32_t i = 0; good && i < n; ++i) {
        const std::uint32_t type = word(id, 3 * i);
        good = good_id(type) && (kind(type) == BtfKind::kVar || kind(type) == BtfKind::kFunc);
      }
      break;
    default:
      break;
  }
  if (!good) {
    return Error{Errc::kInput, fmt::format("BTF: type {} refers to what does not exist", id)};
  }
  return {};
}

std::uint32_t Btf::word(std::uint32_t id, std::uint32_t index) const {
  std::uint32_t value = 0;
  std::memcpy(&value, raw_.data() + types_[id].extra + std::size_t{index} * 4, 4);
  return value;
}

std::optional<std::string_view> Btf::string(std::uint32_t offset) const {
  return elf::string_at(elf::Bytes(raw_).subspan(strings_, strings_size_), offset);
}

std::string_view Btf::name_at(std::uint32_t offset) const {
  return *string(offset);
}

std::string_view Btf::name(std::uint32_t id) const {
  return name_at(types_[id].name);
}

Btf::Member Btf::member(std::uint32_t id, std::uint32_t i) const {
  const std::uint32_t offset = word(id, 3 * i + 2);
  const bool packed = kind_flag(id);  // then the upper 8 bits are the width of the bit-field
  return {.name = name_at(word(id, 3 * i)),
          .type = word(id, 3 * i + 1),
          .bit_offset = packed ? offset & 0xff'ffff : offset,
          .bitfield_size = packed ? offset >> 24 : 0};
}

Btf::Enumerator Btf::enumerator(std::uint32_t id, std::uint32_t i) const {
  if (kind(id) == BtfKind::kEnum) {
    return {.name = name_at(word(id, 2 * i)),
            .value = static_cast<std::int32_t>(word(id, 2 * i + 1))};
  }
  const std::uint64_t value = std::uint64_t{word(id, 3 * i + 2)} << 32 | word(id, 3 * i + 1);
  return {.name = name_at(word(id, 3 * i)), .value = static_cast<std::int64_t>(value)};
}

Btf::Param Btf::param(std::uint32_t id, std::uint32_t i) const {
  return {.name = name_at(word(id, 2 * i)), .type = word(id, 2 * i + 1)};
}

Btf::Variable Btf::variable(std::uint32_t id, std::uint32_t i) const {
  return {.type = word(id, 3 * i), .offset = word(id, 3 * i + 1), .size = word(id, 3 * i + 2)};
}

Btf::Array Btf::array(std::uint32_t id) const {
  return {.element = word(id, 0), .count = word(id, 2)};
}

bool Btf::is_signed(std::uint32_t id) const {
  return (word(id, 0) >> 24 & 1) != 0;
}

std::uint32_t Btf::int_bit_offset(std::uint32_t id) const {
  return word(id, 0) >> 16 & 0xff;
}

std::uint32_t Btf::linkage(std::uint32_t id) const {
  return kind(id) == BtfKind::kFunc ? vlen(id) : word(id, 0);
}

std::optional<std::uint32_t> Btf::strip(std::uint32_t id) const {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (!is_modifier(kind(id))) {
      return id;
    }
    id = target(id);
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Btf::size_of(std::uint32_t id) const {
  std::uint64_t elements = 1;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    std::uint64_t size = 0;
    switch (kind(id)) {
      case BtfKind::kInt:
      case BtfKind::kStruct:
      case BtfKind::kUnion:
      case BtfKind::kEnum:
      case BtfKind::kEnum64:
      case BtfKind::kDatasec:
      case BtfKind::kFloat:
        size = byte_size(id);
        break;
      case BtfKind::kPtr:
        size = kMaxPointer;
        break;
      case BtfKind::kTypedef:
      case BtfKind::kVolatile:
      case BtfKind::kConst:
      case BtfKind::kRestrict:
      case BtfKind::kTypeTag:
      case BtfKind::kVar:
      case BtfKind::kDeclTag:
        id = target(id);
        continue;
      case BtfKind::kArray:
        elements *= array(id).count;
        if (elements > UINT32_MAX) {
          return std::nullopt;
        }
        id = array(id).element;
        continue;
      case BtfKind::kVoid:
      case BtfKind::kFwd:
      case BtfKind::kFunc:
      case BtfKind::kFuncProto:
        return std::nullopt;
    }
    const std::uint64_t total = elements * size;
    return total <= UINT32_MAX ? std::optional(static_cast<std::uint32_t>(total)) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Btf::find(BtfKind wanted, std::string_view name) const {
  for (std::uint32_t id = 1; id < count(); ++id) {
    if (kind(id) == wanted && this->name(id) == name) {
      return id;
    }
  }
  return std::nullopt;
}

std::vector<std::string_view> declaration_tags(const Btf& btf, std::uint32_t owner, std::int32_t component,
                                               std::string_view prefix) {
  std::vector<std::string_view> tags;
  for (std::uint32_t id = 1; id < btf.count(); ++id) {
    if (btf.kind(id) != BtfKind::kDeclTag || btf.target(id) != owner || !btf.name(id).starts_with(prefix)) {
      continue;
    }
    std::int32_t at = 0;
    std::memcpy(&at, btf.raw().data() + btf.extra_offset(id), sizeof at);
    if (at == component) {
      tags.push_back(btf.name(id).substr(prefix.size()));
    }
  }
  return tags;
}

}  // namespace kiln
