// SPDX-License-Identifier: Apache-2.0
//
// BTF, the type information of BPF objects and of the kernel: a reader over its raw bytes.
//
// parse() checks every type, name and reference, so what follows ids and members afterwards stays
// inside. Ids count from 1; id 0 is void. Not here: writing BTF, split BTF (kernel modules).
// Source: Documentation/bpf/btf.rst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <kiln/result.h>

namespace kiln {

/// BTF_KIND_*.
enum class BtfKind : std::uint8_t {
  kVoid = 0,
  kInt = 1,
  kPtr = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kFwd = 7,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFunc = 12,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};

class Btf {
 public:
  struct Member {
    std::string_view name;  ///< empty: anonymous struct or union
    std::uint32_t type = 0;
    std::uint32_t bit_offset = 0;
    std::uint32_t bitfield_size = 0;  ///< in bits, 0: not a bit-field
  };
  struct Enumerator {
    std::string_view name;
    std::int64_t value = 0;
  };
  struct Param {
    std::string_view name;
    std::uint32_t type = 0;
  };
  struct Array {
    std::uint32_t element = 0;
    std::uint32_t count = 0;
  };
  struct Variable {            ///< of a DATASEC
    std::uint32_t type = 0;    ///< id of a VAR or FUNC
    std::uint32_t offset = 0;  ///< bytes from the section's start
    std::uint32_t size = 0;
  };

  /// \param raw  a whole .BTF section; the Btf keeps it. \errors kInput, without a path in front.
  static Result<Btf> parse(std::vector<std::byte> raw);

  std::uint32_t count() const {
    return static_cast<std::uint32_t>(types_.size());
  }  ///< ids are 0..count()-1
  std::span<const std::byte> raw() const { return raw_; }

  // REQUIRES of all these: id < count(), and the kind that the comment names.
  BtfKind kind(std::uint32_t id) const {
    return static_cast<BtfKind>(types_[id].info >> 24 & 0x1f);
  }
  std::string_view name(std::uint32_t id) const;
  bool kind_flag(std::uint32_t id) const { return (types_[id].info >> 31) != 0; }
  std::uint32_t vlen(std::uint32_t id) const { return types_[id].info & 0xffff; }
  std::uint32_t byte_size(std::uint32_t id) const {
    return types_[id].size_or_type;
  }  ///< sized kinds
  std::uint32_t target(std::uint32_t id) const {
    return types_[id].size_or_type;
  }  ///< referring kinds
  std::uint32_t extra_offset(std::uint32_t id) const {
    return types_[id].extra;
  }  ///< in raw(): what follows the type

  bool is_composite(std::uint32_t id) const {
    return kind(id) == BtfKind::kStruct || kind(id) == BtfKind::kUnion;
  }
  bool is_enum(std::uint32_t id) const {
    return kind(id) == BtfKind::kEnum || kind(id) == BtfKind::kEnum64;
  }

  Member member(std::uint32_t id, std::uint32_t i) const;          ///< struct, union; i < vlen
  Enumerator enumerator(std::uint32_t id, std::uint32_t i) const;  ///< enum, enum64; i < vlen
  Param param(std::uint32_t id, std::uint32_t i) const;            ///< func_proto; i < vlen
  Variable variable(std::uint32_t id, std::uint32_t i) const;      ///< datasec; i < vlen
  Array array(std::uint32_t id) const;                             ///< array
  bool is_signed(std::uint32_t id) const;                          ///< int
  std::uint32_t int_bit_offset(std::uint32_t id) const;  ///< int; not 0 only in very old BTF
  std::uint32_t linkage(std::uint32_t id) const;  ///< var, func: 0 static, 1 global, 2 extern

  /// Without const, volatile, restrict, type tags and typedefs; nullopt if they run in a circle.
  std::optional<std::uint32_t> strip(std::uint32_t id) const;
  /// Bytes a value of this type takes; nullopt: none (void, function), or too large.
  std::optional<std::uint32_t> size_of(std::uint32_t id) const;
  /// First type of that kind and name.
  std::optional<std::uint32_t> find(BtfKind kind, std::string_view name) const;
  /// A string of the string section, as BTF.ext refers to them.
  std::optional<std::string_view> string(std::uint32_t offset) const;

 private:
  struct Type {
    std::uint32_t name = 0;
    std::uint32_t info = 0;
    std::uint32_t size_or_type = 0;
    std::uint32_t extra = 0;  ///< offset in raw_ of what follows the common part
  };

  Result<void> read_types(std::uint32_t begin, std::uint32_t end);
  Result<void> check_type(std::uint32_t id) const;
  std::uint32_t word(std::uint32_t id,
                     std::uint32_t index) const;  ///< 32-bit word after the common part
  std::string_view name_at(std::uint32_t offset) const;

  std::vector<std::byte> raw_;
  std::uint32_t strings_ = 0;  ///< offset and length of the string section
  std::uint32_t strings_size_ = 0;
  std::vector<Type> types_;
};

}  // namespace kiln
