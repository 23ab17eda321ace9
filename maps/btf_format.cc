// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cctype>
#include <cstring>

#include <kiln/btf_format.h>

namespace kiln {
namespace {

using Bytes = std::span<const std::byte>;

constexpr unsigned kDeepest = 32;  // types within types; BTF of an attacker may go in circles

/// Up to 16 bytes, little-endian: low and high half.
struct Wide {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

Wide read_wide(Bytes bytes) {
  Wide wide;
  std::memcpy(&wide.low, bytes.data(), std::min<std::size_t>(bytes.size(), 8));
  if (bytes.size() > 8) {
    std::memcpy(&wide.high, bytes.data() + 8, std::min<std::size_t>(bytes.size() - 8, 8));
  }
  return wide;
}

class Formatter {
 public:
  Formatter(const Btf& btf, bool plain, JsonWriter& out) : btf_(btf), plain_(plain), out_(out) {}

  bool value(std::uint32_t type, Bytes bytes, unsigned depth);

 private:
  bool integer(std::uint32_t type, Bytes bytes);
  bool enumerator(std::uint32_t type, Bytes bytes);
  bool array(std::uint32_t type, Bytes bytes, unsigned depth);
  bool members(std::uint32_t type, Bytes bytes, unsigned depth);
  bool member(const Btf::Member& member, Bytes bytes, unsigned depth);
  bool section(std::uint32_t type, Bytes bytes, unsigned depth);
  bool is_text(std::uint32_t element, Bytes bytes) const;
  void bits(Bytes bytes, std::uint32_t first, std::uint32_t count);
  void hexadecimal(const Wide& number);

  const Btf& btf_;
  bool plain_;
  JsonWriter& out_;
};

void Formatter::hexadecimal(const Wide& number) {
  const std::string digits =
      number.high == 0 ? fmt::format("{:#x}", number.low) : fmt::format("{:#x}{:016x}", number.high, number.low);
  plain_ ? out_.raw(digits) : out_.string(digits);
}

/// A bit-field that starts `first` bits into the bytes.
void Formatter::bits(Bytes bytes, std::uint32_t first, std::uint32_t count) {
  Wide number;
  for (std::uint32_t i = 0; i < count && (first + i) / 8 < bytes.size(); ++i) {
    const unsigned bit = std::to_integer<unsigned>(bytes[(first + i) / 8]) >> ((first + i) % 8) & 1;
    (i < 64 ? number.low : number.high) |= std::uint64_t{bit} << (i % 64);
  }
  hexadecimal(number);
}

/// BTF_INT_SIGNED 1, CHAR 2, BOOL 4: bits 24.. of what follows the type.
bool Formatter::integer(std::uint32_t type, Bytes bytes) {
  const std::uint32_t size = btf_.byte_size(type);
  if (size > bytes.size() || size > 16) {
    return false;
  }
  std::uint32_t about = 0;
  std::memcpy(&about, btf_.raw().data() + btf_.extra_offset(type), sizeof about);
  const std::uint32_t width = about & 0xff;
  const std::uint32_t encoding = about >> 24 & 0xf;
  const Wide number = read_wide(bytes.first(size));
  if (width != 8 * size || size > 8 || (size & (size - 1)) != 0) {
    bits(bytes, btf_.int_bit_offset(type), width);
  } else if (encoding == 4) {
    out_.raw(number.low % 256 != 0 ? "true" : "false");
  } else if (encoding == 2) {
    const auto c = static_cast<unsigned char>(number.low);
    if (std::isprint(c) != 0) {
      out_.string({reinterpret_cast<const char*>(&c), 1});
    } else {
      out_.raw(plain_ ? fmt::format("{:#x}", c) : fmt::format("\"\\u00{:02x}\"", c));
    }
  } else if (encoding == 1) {
    const unsigned unused = 64 - 8 * size;
    out_.raw(std::to_string(static_cast<std::int64_t>(number.low << unused) >> unused));
  } else {
    out_.raw(std::to_string(number.low));
  }
  return true;
}

bool Formatter::enumerator(std::uint32_t type, Bytes bytes) {
  const std::uint32_t size = btf_.byte_size(type);
  if (size > bytes.size() || size > 8 || size == 0) {
    return false;
  }
  const unsigned unused = 64 - 8 * size;
  const std::uint64_t number = read_wide(bytes.first(size)).low << unused;
  const std::int64_t as_signed = static_cast<std::int64_t>(number) >> unused;
  for (std::uint32_t i = 0; i < btf_.vlen(type); ++i) {
    const Btf::Enumerator one = btf_.enumerator(type, i);
    if (static_cast<std::uint64_t>(one.value) << unused == number) {
      out_.string(one.name);
      return true;
    }
  }
  // Kind flag: the enumeration has negative values; bpftool of today prints 32-bit ones as signed anyway.
  const bool wide_unsigned = btf_.kind(type) == BtfKind::kEnum64 && !btf_.kind_flag(type);
  out_.raw(wide_unsigned ? std::to_string(number >> unused) : std::to_string(as_signed));
  return true;
}

/// An array of char that ends in a zero and has nothing unprintable before it. A typedef of char is no char.
bool Formatter::is_text(std::uint32_t element, Bytes bytes) const {
  std::uint32_t type = element;
  for (unsigned i = 0; i < kDeepest && (btf_.kind(type) == BtfKind::kConst || btf_.kind(type) == BtfKind::kVolatile ||
                                        btf_.kind(type) == BtfKind::kRestrict); ++i) {
    type = btf_.target(type);
  }
  if (btf_.kind(type) != BtfKind::kInt || btf_.byte_size(type) != 1 || btf_.name(type) != "char") {
    return false;
  }
  for (const std::byte byte : bytes) {
    const auto c = std::to_integer<unsigned>(byte);
    if (c == 0) {
      return true;
    }
    if (c < 0x20 || c > 0x7e) {
      return false;
    }
  }
  return false;
}

bool Formatter::array(std::uint32_t type, Bytes bytes, unsigned depth) {
  const Btf::Array shape = btf_.array(type);
  const auto size = btf_.size_of(shape.element);
  if (!size || std::uint64_t{*size} * shape.count > bytes.size()) {
    return false;
  }
  if (is_text(shape.element, bytes.first(std::size_t{*size} * shape.count))) {
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    out_.string({text, strnlen(text, shape.count)});
    return true;
  }
  out_.begin_array();
  bool good = true;
  for (std::uint32_t i = 0; i < shape.count && good; ++i) {
    good = value(shape.element, bytes.subspan(std::size_t{i} * *size, *size), depth);
  }
  out_.end_array();
  return good;
}

bool Formatter::member(const Btf::Member& member, Bytes bytes, unsigned depth) {
  if (member.bit_offset / 8 > bytes.size()) {
    return false;
  }
  out_.name(member.name);
  if (member.bitfield_size != 0) {
    bits(bytes, member.bit_offset, member.bitfield_size);
    return true;
  }
  return value(member.type, bytes.subspan(member.bit_offset / 8), depth);
}

bool Formatter::members(std::uint32_t type, Bytes bytes, unsigned depth) {
  if (btf_.byte_size(type) > bytes.size()) {
    return false;
  }
  out_.begin_object();
  bool good = true;
  for (std::uint32_t i = 0; i < btf_.vlen(type) && good; ++i) {
    good = member(btf_.member(type, i), bytes.first(btf_.byte_size(type)), depth);
  }
  out_.end_object();
  return good;
}

/// Global data: {".bss": [{"name": value}, ...]}.
bool Formatter::section(std::uint32_t type, Bytes bytes, unsigned depth) {
  out_.begin_object();
  out_.name(btf_.name(type));
  out_.begin_array();
  bool good = true;
  for (std::uint32_t i = 0; i < btf_.vlen(type) && good; ++i) {
    const Btf::Variable variable = btf_.variable(type, i);
    good = variable.offset <= bytes.size() && btf_.kind(variable.type) == BtfKind::kVar;
    if (good) {
      out_.begin_object();
      out_.name(btf_.name(variable.type));
      good = value(btf_.target(variable.type), bytes.subspan(variable.offset), depth);
      out_.end_object();
    }
  }
  out_.end_array();
  out_.end_object();
  return good;
}

bool Formatter::value(std::uint32_t type, Bytes bytes, unsigned depth) {
  const auto id = btf_.strip(type);
  if (!id || depth == kDeepest) {
    return false;
  }
  switch (btf_.kind(*id)) {
    case BtfKind::kInt:
      return integer(*id, bytes);
    case BtfKind::kEnum:
    case BtfKind::kEnum64:
      return enumerator(*id, bytes);
    case BtfKind::kArray:
      return array(*id, bytes, depth + 1);
    case BtfKind::kStruct:
    case BtfKind::kUnion:
      return members(*id, bytes, depth + 1);
    case BtfKind::kDatasec:
      return section(*id, bytes, depth + 1);
    case BtfKind::kPtr: {
      if (bytes.size() < 8) {
        return false;
      }
      const std::uint64_t address = read_wide(bytes.first(8)).low;
      out_.raw(!plain_ ? std::to_string(address) : address == 0 ? "\"(nil)\"" : fmt::format("\"{:#x}\"", address));
      return true;
    }
    case BtfKind::kFloat: {
      const std::uint32_t size = btf_.byte_size(*id);
      float one = 0;
      double two = 0;
      if (size > bytes.size() || (size != sizeof one && size != sizeof two)) {
        return false;
      }
      std::memcpy(size == sizeof one ? static_cast<void*>(&one) : &two, bytes.data(), size);
      const std::string text = size == sizeof one ? fmt::format("{}", one) : fmt::format("{}", two);
      const bool number = text.find_first_of("in") == std::string::npos;  // inf, nan
      number || plain_ ? out_.raw(text) : out_.string(text);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

bool format_btf(const Btf& btf, std::uint32_t type, std::span<const std::byte> value, bool plain, JsonWriter& out) {
  return type < btf.count() && Formatter(btf, plain, out).value(type, value, 0);
}

}  // namespace kiln
