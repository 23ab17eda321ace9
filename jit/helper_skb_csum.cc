// SPDX-License-Identifier: Apache-2.0
//
// Checksum helpers: csum_diff for every program, l3_csum_replace and its relatives for struct sk_buff.
//
// Source: net/core/filter.c, include/linux/skbuff.h (__skb_incr_checksum_unnecessary), Linux 6.18. No device has
// summed the packets here (CHECKSUM_NONE), unless the program says with csum_level that one did.
#include <cerrno>

#include "checksum.h"
#include "helper_runtime.h"

namespace kiln {
namespace {

namespace c = checksum;

constexpr int kNotSupported = 524;  // ENOTSUPP
constexpr std::uint64_t kFieldMask = 0xf, kPseudo = 1 << 4, kMangledZero = 1 << 5, kEnforce = 1 << 6, kIpv6 = 1 << 7;

/// The checksum field at `offset`, or the error.
std::int64_t find_field(const Skb& skb, std::uint32_t offset, std::byte*& field) {
  if (offset > 0xffff || offset % 2 != 0 || offset + 2 > skb.length()) {
    return -EFAULT;
  }
  field = skb.data() + offset;
  return 0;
}

/// A checksum after a field of as many bytes as the flags say went from one value to another, or after a difference;
/// nullopt: there is no such change.
std::optional<std::uint16_t> replaced(std::uint16_t sum, std::uint64_t flags, std::uint64_t from, std::uint64_t to) {
  switch (flags & kFieldMask) {
    case 0:
      return from != 0 ? std::nullopt : std::optional(c::replace_by_diff(sum, static_cast<std::uint32_t>(to)));
    case 2:
      return c::replace4(sum, static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to));
    case 4:
      return c::replace4(sum, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to));
    default:
      return std::nullopt;
  }
}

}  // namespace

KILN_DEFINE_HELPER(csum_diff) {
  HelperRuntime& m = runtime(machine);
  const auto take = static_cast<std::uint32_t>(r2), put = static_cast<std::uint32_t>(r4);
  const std::byte* old_bytes = take == 0 ? nullptr : m.read(r1, take);
  const std::byte* new_bytes = put == 0 ? nullptr : m.read(r3, put);
  if (m.faulted != 0) {
    return 0;
  }
  auto sum = static_cast<std::uint32_t>(r5);
  if (take != 0 && put != 0) {
    sum = c::add(c::sum_words({new_bytes, put}, sum), ~c::sum_words({old_bytes, take}, 0));
  } else if (put != 0) {
    sum = c::sum_words({new_bytes, put}, sum);
  } else if (take != 0) {
    sum = ~c::sum_words({old_bytes, take}, ~sum);
  }
  return c::fold_sum(sum);
}

KILN_DEFINE_HELPER(l3_csum_replace) {
  HelperRuntime& m = runtime(machine);
  if ((r5 & ~kFieldMask) != 0) {
    return negative(EINVAL);
  }
  std::byte* at = nullptr;
  if (const std::int64_t error = find_field(*m.skb, static_cast<std::uint32_t>(r2), at); error != 0) {
    return static_cast<std::uint64_t>(error);
  }
  std::uint16_t field = 0;
  std::memcpy(&field, at, sizeof(field));
  const bool two_bytes = (r5 & kFieldMask) == 2;  // the kernel has a quicker way here, which may leave another zero
  const std::optional<std::uint16_t> changed =
      two_bytes ? c::replace2(field, static_cast<std::uint16_t>(r3), static_cast<std::uint16_t>(r4))
                : replaced(field, r5, r3, r4);
  if (!changed) {
    return negative(EINVAL);
  }
  field = *changed;
  std::memcpy(at, &field, sizeof(field));
  return 0;
}

KILN_DEFINE_HELPER(l4_csum_replace) {
  HelperRuntime& m = runtime(machine);
  if ((r5 & ~(kFieldMask | kPseudo | kMangledZero | kEnforce | kIpv6)) != 0) {
    return negative(EINVAL);
  }
  std::byte* at = nullptr;
  if (const std::int64_t error = find_field(*m.skb, static_cast<std::uint32_t>(r2), at); error != 0) {
    return static_cast<std::uint64_t>(error);
  }
  const bool zero_is_none = (r5 & kMangledZero) != 0;
  std::uint16_t field = 0;
  std::memcpy(&field, at, sizeof(field));
  if (zero_is_none && (r5 & kEnforce) == 0 && field == 0) {
    return 0;
  }
  const std::optional<std::uint16_t> changed = replaced(field, r5, r3, r4);
  if (!changed) {
    return negative(EINVAL);
  }
  field = *changed;
  if (zero_is_none && field == 0) {
    field = 0xffff;  // CSUM_MANGLED_0
  }
  std::memcpy(at, &field, sizeof(field));
  return 0;
}

KILN_DEFINE_HELPER(csum_update) { return negative(kNotSupported); }

KILN_DEFINE_HELPER(csum_level) {
  constexpr std::uint64_t kQuery = 0, kIncrease = 1, kDecrease = 2, kReset = 3;
  constexpr std::uint32_t kHighest = 3;  // SKB_MAX_CSUM_LEVEL
  std::optional<std::uint32_t>& level = runtime(machine).skb->checksum_level;
  switch (r2) {
    case kQuery:
      return level ? *level : negative(EACCES);
    case kIncrease:
      level = level ? std::min(*level + 1, kHighest) : 0;
      return 0;
    case kDecrease:
      if (level) {
        level = *level == 0 ? std::nullopt : std::optional(*level - 1);
      }
      return 0;
    case kReset:
      level.reset();
      return 0;
    default:
      return negative(EINVAL);
  }
}

}  // namespace kiln
